"""`harvester queue|worker|job ls|show|explain`, and `harvester queue pause|drain|resume`."""

from typing import Annotated

import typer

from harvester.cli.operators import ConfigOption, JsonOption
from harvester.core.holds import EVERY_QUEUE, HoldMode
from harvester.core.jobs import JobStatus
from harvester.core.workers import WorkerStatus

queue_app = typer.Typer(no_args_is_help=True, help="Look at queues, hold them back and let them go on.")
worker_app = typer.Typer(no_args_is_help=True, help="Look at workers.")
job_app = typer.Typer(no_args_is_help=True, help="Look at jobs.")

QueueFilter = Annotated[str | None, typer.Option("--queue", metavar="NAME", help="only those of this queue")]
Limit = Annotated[int, typer.Option(min=1, help="the newest so many")]
Name = Annotated[str, typer.Argument(metavar="NAME")]
WorkerId = Annotated[int, typer.Argument(metavar="WORKER_ID")]
JobId = Annotated[int, typer.Argument(metavar="PANDA_ID")]
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


@worker_app.command("ls")
def list_workers(
    config: ConfigOption = None,
    queue: QueueFilter = None,
    status: Annotated[WorkerStatus | None, typer.Option(help="only those in this status")] = None,
    limit: Limit = 100,
    *,
    as_json: JsonOption = False,
) -> None:
    """List workers, the newest first."""
    from harvester.cli import looking

    looking.list_workers(config, queue, status, limit, as_json=as_json)


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


@job_app.command("ls")
def list_jobs(
    config: ConfigOption = None,
    queue: QueueFilter = None,
    status: Annotated[JobStatus | None, typer.Option(help="only those in this status")] = None,
    limit: Limit = 100,
    *,
    as_json: JsonOption = False,
) -> None:
    """List jobs, the newest first."""
    from harvester.cli import looking

    looking.list_jobs(config, queue, status, limit, as_json=as_json)


@job_app.command("show")
def show_job(job_id: JobId, config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """Show all that is known of a job."""
    from harvester.cli import looking

    looking.show_job(config, job_id, as_json=as_json)


@job_app.command("explain")
def explain_job(job_id: JobId, config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """Say what happened to a job and why, and what it waits for."""
    from harvester.cli import looking

    looking.explain_job(config, job_id, as_json=as_json)
