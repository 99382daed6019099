"""`harvester worker …`: looking at workers, and ending them."""

from typing import Annotated

import typer

from harvester.cli.operators import ConfigOption, DryRunOption, JsonOption, Limit, YesOption
from harvester.core.holds import EVERY_QUEUE
from harvester.core.workers import WorkerStatus

worker_app = typer.Typer(no_args_is_help=True, help="Look at workers, and end them.")

WorkerId = Annotated[int, typer.Argument(metavar="WORKER_ID")]
Queues = Annotated[
    list[str] | None, typer.Option("--queue", metavar="NAME", help=f"of these queues, {EVERY_QUEUE} for all")
]
Statuses = Annotated[list[WorkerStatus] | None, typer.Option("--status", help="in these statuses")]
Elements = Annotated[list[str] | None, typer.Option("--ce", metavar="NAME", help="at these computing elements")]
Hosts = Annotated[list[str] | None, typer.Option("--host", metavar="NAME", help="submitted from these hosts")]
Age = Annotated[str | None, typer.Option("--older-than", metavar="TIME", help="made longer ago: 30m, 2h, 3d")]


@worker_app.command("ls")
def list_workers(
    config: ConfigOption = None,
    *,
    queue: Queues = None,
    status: Statuses = None,
    element: Elements = None,
    host: Hosts = None,
    older_than: Age = None,
    limit: Limit = 100,
    as_json: JsonOption = False,
) -> None:
    """List workers, the newest first."""
    from harvester.cli import looking
    from harvester.cli.choosing import Filters

    filters = Filters((), queue or (), status or (), element or (), host or (), older_than)
    looking.list_workers(config, filters, limit, as_json=as_json)


@worker_app.command("kill")
def kill_workers(
    worker_ids: Annotated[list[int] | None, typer.Argument(metavar="WORKER_ID")] = None,
    config: ConfigOption = None,
    *,
    queue: Queues = None,
    status: Statuses = None,
    element: Elements = None,
    host: Hosts = None,
    older_than: Age = None,
    reason: Annotated[str, typer.Option(help="for those who wonder later")] = "",
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """End workers that live, those that all conditions hold for; the service asks their resources within seconds."""
    from harvester.cli import killing
    from harvester.cli.choosing import Filters

    filters = Filters(worker_ids or (), queue or (), status or (), element or (), host or (), older_than)
    killing.kill(config, filters, reason=reason, dry_run=dry_run, yes=yes, as_json=as_json)


@worker_app.command("show")
def show_worker(worker_id: WorkerId, config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """Show all that is known of a worker."""
    from harvester.cli import looking

    looking.show_worker(config, worker_id, as_json=as_json)


@worker_app.command("explain")
def explain_worker(worker_id: WorkerId, config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """Say what happened to a worker and why, and what it waits for."""
    from harvester.cli import looking

    looking.explain_worker(config, worker_id, as_json=as_json)
