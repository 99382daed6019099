"""`harvester job …`: looking at jobs."""

from typing import Annotated

import typer

from harvester.cli.operators import ConfigOption, JsonOption, Limit
from harvester.core.jobs import JobStatus

job_app = typer.Typer(no_args_is_help=True, help="Look at jobs.")

QueueFilter = Annotated[str | None, typer.Option("--queue", metavar="NAME", help="only those of this queue")]
JobId = Annotated[int, typer.Argument(metavar="PANDA_ID")]


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
