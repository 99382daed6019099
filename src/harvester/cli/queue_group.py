"""`harvester queue …`: looking at queues, holding them back, their configuration."""

from typing import Annotated

import typer

from harvester.cli.operators import ConfigOption, DryRunOption, JsonOption, WrittenOption, YesOption
from harvester.core.holds import EVERY_QUEUE, HoldMode

queue_app = typer.Typer(
    no_args_is_help=True, help="Look at queues and their configuration, hold them back, let them go on."
)

Name = Annotated[str, typer.Argument(metavar="NAME")]
SomeQueue = Annotated[str, typer.Argument(metavar="NAME", help=f"a queue, or {EVERY_QUEUE} for all of the instance")]
Reason = Annotated[str, typer.Option(help="for those who wonder later")]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="2h, 3d or 2026-03-01 18:00 (UTC); else until resumed")]


@queue_app.command("ls")
def list_queues(config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """List queues with their jobs and workers."""
    from harvester.cli import looking

    looking.list_queues(config, as_json=as_json)


@queue_app.command("show")
def show_queue(name: Name, config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """Show all that is known of a queue."""
    from harvester.cli import looking

    looking.show_queue(config, name, as_json=as_json)


@queue_app.command("explain")
def explain_queue(name: Name, config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """Say why a queue has the workers and jobs that it has."""
    from harvester.cli import looking

    looking.explain_queue(config, name, as_json=as_json)


@queue_app.command("config")
def show_config(
    name: Annotated[str | None, typer.Argument(metavar="NAME")] = None,
    config: ConfigOption = None,
    version: Annotated[int | None, typer.Option("--id", metavar="NUMBER", help="of a version that is kept")] = None,
    *,
    written: WrittenOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show a queue's configuration as it counts, and where each value comes from; secrets are hidden."""
    from harvester.cli import configuring

    configuring.show_queue(config, name, version, written=written, as_json=as_json)


@queue_app.command("versions")
def list_versions(
    name: Annotated[str | None, typer.Argument(metavar="NAME")] = None,
    config: ConfigOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """List the configurations that jobs and workers of queues were made with."""
    from harvester.cli import configuring

    configuring.list_versions(config, name, as_json=as_json)


@queue_app.command("reload")
def reload_queues(config: ConfigOption = None) -> None:
    """Have all processes read the queue configuration again now, also if nothing seems to have changed."""
    from harvester.cli import reloading

    reloading.reload(config)


@queue_app.command("purge")
def purge_queue(
    name: Name,
    config: ConfigOption = None,
    *,
    abandon: Annotated[
        bool,
        typer.Option(
            "--abandon",
            help="also what may still run, ends that the server has not heard of, and a queue that is only fetched",
        ),
    ] = False,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Delete all that is known of a queue that is not configured any more."""
    from harvester.cli import purging

    purging.purge(config, name, abandon=abandon, dry_run=dry_run, yes=yes, as_json=as_json)


@queue_app.command("pause")
def pause_queue(name: SomeQueue, reason: Reason, until: Until = None, config: ConfigOption = None) -> None:
    """Fetch no jobs and submit nothing; what runs goes on."""
    from harvester.cli import holding

    holding.hold_back(config, name, HoldMode.PAUSE, reason=reason, until=until)


@queue_app.command("drain")
def drain_queue(name: SomeQueue, reason: Reason, until: Until = None, config: ConfigOption = None) -> None:
    """Fetch no jobs, and make workers only for jobs that are here, until nothing is left."""
    from harvester.cli import holding

    holding.hold_back(config, name, HoldMode.DRAIN, reason=reason, until=until)


@queue_app.command("resume")
def resume_queue(name: SomeQueue, config: ConfigOption = None) -> None:
    """Let a paused or drained queue go on."""
    from harvester.cli import holding

    holding.resume(config, name)
