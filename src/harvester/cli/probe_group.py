"""`harvester test …`: each command tries one plugin, or what serves the instance, and says whether it works."""

from enum import StrEnum
from typing import Annotated

import typer

from harvester.cli.operators import ConfigOption, JsonOption

probe_app = typer.Typer(
    no_args_is_help=True, help="Try one thing, beside a service that runs or before one does, and say whether it works."
)

Queue = Annotated[str, typer.Option("--queue", metavar="NAME", help="whose plugin is tried")]
Patience = Annotated[float, typer.Option("--timeout", min=1, metavar="SECONDS", help="give up after so long")]
Scope = Annotated[str | None, typer.Option(metavar="NAME", help="of the file")]
Dataset = Annotated[str | None, typer.Option(metavar="NAME", help="of the file")]
Endpoint = Annotated[str | None, typer.Option(metavar="NAME", help="storage endpoint of the file")]


class Payload(StrEnum):
    """What the worker of a test runs."""

    HARMLESS = "harmless"
    CONFIGURED = "configured"


@probe_app.command("submitter")
def probe_submitter(
    queue: Queue,
    config: ConfigOption = None,
    *,
    payload: Annotated[Payload, typer.Option(help="what it runs: nothing to speak of, or what the queue's do")] = (
        Payload.HARMLESS
    ),
    job_type: Annotated[str | None, typer.Option(metavar="TYPE", help="what it is for: managed, user")] = None,
    resource_type: Annotated[str | None, typer.Option(metavar="TYPE", help="what it is for: SCORE, …")] = None,
    timeout: Patience = 600,
    as_json: JsonOption = False,
) -> None:
    """Submit one worker, watch it to its end, clean up; the service takes no notice of it."""
    from harvester.cli import probing
    from harvester.core.kinds import WorkerKind, said
    from harvester.probes.submitting import Wish

    wish = Wish(payload is Payload.CONFIGURED, WorkerKind(said(job_type), said(resource_type)), timeout)
    probing.submitter(config, queue, wish, as_json=as_json)


@probe_app.command("monitor")
def probe_monitor(queue: Queue, config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """Ask the resource about the queue's live workers and for one that nobody has; nothing is changed."""
    from harvester.cli import probing

    probing.monitor(config, queue, as_json=as_json)


@probe_app.command("messenger")
def probe_messenger(queue: Queue, config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """Give a job to a worker that is none and read what it says, in an access point of its own."""
    from harvester.cli import probing

    probing.messenger(config, queue, as_json=as_json)


@probe_app.command("preparator")
def probe_preparator(
    queue: Queue,
    config: ConfigOption = None,
    *,
    lfn: Annotated[str, typer.Option(metavar="NAME", help="an input that is there; else a small file is made")] = "",
    scope: Scope = None,
    dataset: Dataset = None,
    endpoint: Endpoint = None,
    timeout: Patience = 300,
    as_json: JsonOption = False,
) -> None:
    """Have one input file brought, and look at it."""
    from harvester.cli import probing
    from harvester.probes.moving import Cargo

    probing.preparator(config, queue, Cargo(lfn, scope, dataset, endpoint, timeout), as_json=as_json)


@probe_app.command("stager")
def probe_stager(
    queue: Queue,
    config: ConfigOption = None,
    *,
    scope: Scope = None,
    dataset: Dataset = None,
    endpoint: Endpoint = None,
    timeout: Patience = 300,
    as_json: JsonOption = False,
) -> None:
    """Have a small output file taken away, look at it there, and remove it."""
    from harvester.cli import probing
    from harvester.probes.moving import Cargo

    probing.stager(config, queue, Cargo("", scope, dataset, endpoint, timeout), as_json=as_json)


@probe_app.command("credentials")
def probe_credentials(
    queue: Annotated[str | None, typer.Option("--queue", metavar="NAME", help="only managers of this queue")] = None,
    config: ConfigOption = None,
    *,
    renew: Annotated[bool, typer.Option("--renew/--no-renew", help="renew them now, or only look")] = True,
    as_json: JsonOption = False,
) -> None:
    """Look at all credentials, renew them, and look again."""
    from harvester.cli import probing

    probing.credentials(config, queue, renew=renew, as_json=as_json)


@probe_app.command("cacher")
def probe_cacher(config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """Fetch every document that is configured, and keep none of them."""
    from harvester.cli import probing

    probing.cacher(config, as_json=as_json)


@probe_app.command("server")
def probe_server(config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """Ask the PanDA server whether it is alive, with the credentials of the instance."""
    from harvester.cli import probing

    probing.server(config, as_json=as_json)


@probe_app.command("database")
def probe_database(config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """Write rows that nobody else sees, read and delete them, and tell how long it takes."""
    from harvester.cli import probing

    probing.database(config, as_json=as_json)
