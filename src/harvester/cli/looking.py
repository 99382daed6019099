"""What the commands `ls`, `show` and `explain` do."""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TypeVar

import typer
from sqlalchemy import Connection

from harvester.cli.choosing import Filters, NotThereError, choice_of, require_known
from harvester.cli.database import reading
from harvester.cli.explaining import explain_job as words_of_job
from harvester.cli.explaining import explain_queue as words_of_queue
from harvester.cli.explaining import explain_worker as words_of_worker
from harvester.cli.overview import (
    QueueOverview,
    look_at_queues,
    print_queues,
    served,
    text_of,
    words_of_rest,
    words_of_unknown,
)
from harvester.cli.shown import counts, moment, print_fields, print_json, print_table
from harvester.core.clock import utc_now
from harvester.core.jobs import Job, JobStatus
from harvester.core.workers import Worker, WorkerStatus
from harvester.startup.loading import NO_TROUBLES, QueueTroubles, left_out_now, queue_troubles
from harvester.store import jobs, views, worker_choice, workers

Config = Sequence[Path] | None
T = TypeVar("T")


# ---- queues ----------------------------------------------------------------------------------------------------------


def list_queues(config: Config, *, as_json: bool) -> None:
    """All queues."""
    with reading(config) as connection:
        found = look_at_queues(connection, utc_now())
    if as_json:
        print_json(found)
    else:
        print_queues(found)


def show_queue(config: Config, name: str, *, as_json: bool) -> None:
    """One queue with all that agents said of it."""
    with reading(config) as connection:
        queue = _queue(connection, name, config)
        phases = views.jobs_by_phase(connection, name)
        kinds = views.workers_by_kind(connection, [name])[name]
    if as_json:
        print_json({**_plain(queue), "jobs_by_phase": phases, "workers_by_kind": kinds})
        return
    service = {"queue": queue.name, "served": served(queue), "held back": queue.held and queue.held.words}
    held = {"jobs": counts(queue.jobs), "jobs by phase": counts(phases), "workers": counts(queue.workers)}
    held |= {f"workers {job_type}/{name}": counts(some) for job_type, by in kinds.items() for name, some in by.items()}
    said = {each.agent: f"{text_of(each)} (since {moment(each.since)})" for each in queue.notes}
    print_fields({**service, **held, **said})


def explain_queue(config: Config, name: str, *, as_json: bool) -> None:
    """One queue in words."""
    with reading(config) as connection:
        queue = _queue(connection, name, config)
        words = words_of_rest(connection, utc_now())
        words += queue_in_words(connection, queue, queue_troubles(config))
    _print_words(words, queue, as_json=as_json)


def queue_in_words(connection: Connection, queue: QueueOverview, troubles: QueueTroubles = NO_TROUBLES) -> list[str]:
    """Why a queue has the workers and jobs that it has, and how its workers last came to a bad end."""
    return words_of_queue(
        queue,
        views.jobs_by_phase(connection, queue.name),
        troubles,
        failed=workers.last_ended(connection, queue.name, WorkerStatus.FAILED),
        refused=workers.last_ended(connection, queue.name, WorkerStatus.MISSED),
    )


def _queue(connection: Connection, name: str, config: Config) -> QueueOverview:
    now = utc_now()
    found = {each.name: each for each in look_at_queues(connection, now)}
    if name not in found:
        raise NotThereError(words_of_unknown(connection, name, queue_troubles(config), now))
    return found[name]


# ---- workers ---------------------------------------------------------------------------------------------------------


def list_workers(config: Config, filters: Filters, limit: int, *, as_json: bool) -> None:
    """Workers, the newest first."""
    require_known(config, filters.queues)
    with reading(config) as connection:
        found = worker_choice.listed(connection, choice_of(connection, filters), limit)
    if as_json:
        print_json(found)
        return
    headings = ("worker", "queue", "status", "batch id", "native status", "submitted", "ended", "jobs")
    print_table(headings, map(_worker_row, found), empty="no workers" if filters.are_empty else "no such workers")


def _worker_row(worker: Worker) -> tuple[object, ...]:
    how = (worker.worker_id, worker.queue, worker.status, worker.batch_id, worker.native_status)
    return (*how, worker.submitted_at, worker.ended_at, worker.job_ids)


def show_worker(config: Config, worker_id: int, *, as_json: bool) -> None:
    """All fields of a worker."""
    with reading(config) as connection:
        view = _require(views.worker(connection, worker_id), f"worker {worker_id}", "worker")
    if as_json:
        print_json(view)
    else:
        print_fields({**_plain(view.worker), **_besides(view, "worker", "events")})


def explain_worker(config: Config, worker_id: int, *, as_json: bool) -> None:
    """One worker in words."""
    with reading(config) as connection:
        view = _require(views.worker(connection, worker_id), f"worker {worker_id}", "worker")
        words = words_of_worker(view, left_out_now(config)) + words_of_rest(connection, utc_now())
    _print_words(words, view, as_json=as_json)


# ---- jobs ------------------------------------------------------------------------------------------------------------


def list_jobs(config: Config, queue: str | None, status: JobStatus | None, limit: int, *, as_json: bool) -> None:
    """Jobs, the newest first."""
    require_known(config, [queue] if queue else [])
    with reading(config) as connection:
        found = jobs.listed(connection, queue=queue, status=status, limit=limit)
    if as_json:
        print_json(found)
        return
    headings = ("job", "queue", "status", "substatus", "attempt", "task", "started", "ended")
    print_table(headings, map(_job_row, found), empty="no such jobs" if queue or status else "no jobs")


def _job_row(job: Job) -> tuple[object, ...]:
    what = (job.job_id, job.queue, job.status, job.substatus, job.attempt, job.task_id)
    return (*what, job.started_at, job.ended_at)


def show_job(config: Config, job_id: int, *, as_json: bool) -> None:
    """All fields of a job, and its files."""
    with reading(config) as connection:
        view = _require(views.job(connection, job_id), f"job {job_id}", "job")
    if as_json:
        print_json(view)
        return
    files = {
        f"{each.kind} {each.lfn}": (each.status, each.path, each.size and f"{each.size} bytes", each.checksum)
        for each in view.files
    }
    print_fields({**_plain(view.job), **_besides(view, "job", "files", "events"), **files})


def explain_job(config: Config, job_id: int, *, as_json: bool) -> None:
    """One job in words."""
    with reading(config) as connection:
        view = _require(views.job(connection, job_id), f"job {job_id}", "job")
        held = [each.worker for each in workers.find(connection, view.worker_ids)]
        queue = next((each for each in look_at_queues(connection, utc_now()) if each.name == view.job.queue), None)
        words = words_of_job(view, held, queue) + words_of_rest(connection, utc_now())
    _print_words(words, view, as_json=as_json)


# ---- all of them -----------------------------------------------------------------------------------------------------


def _require(found: T | None, what: str, group: str) -> T:
    if found is None:
        raise NotThereError(f"{what} is not in the database; `harvester {group} ls` shows what is, swept ones are gone")
    return found


def _print_words(words: Sequence[str], facts: object, *, as_json: bool) -> None:
    if as_json:
        print_json({"explanation": words, "facts": facts})
        return
    for line in words:
        typer.echo(line)


def _plain(value: object) -> dict[str, object]:
    """The fields of a dataclass, as they are."""
    return {each.name: getattr(value, each.name) for each in fields(value)}  # type: ignore[arg-type]  # dataclasses only


def _besides(value: object, *left_out: str) -> dict[str, object]:
    return {name: each for name, each in _plain(value).items() if name not in left_out}
