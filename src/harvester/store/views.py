"""What a person wants to know of one job, one worker or one queue; reads only."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, func, select

from harvester.core.files import File, FileKind
from harvester.core.jobs import Job
from harvester.core.workers import Worker, WorkerStatus
from harvester.store import files, history, worker_counts
from harvester.store import jobs as job_rows
from harvester.store import workers as worker_rows
from harvester.store.schema import JobPhase, WorkerPhase, job_workers, jobs, workers

_ANY: Final = "ANY"


@dataclass(frozen=True, slots=True)
class JobView:
    """A job with where it stands.

    Attributes:
        phase: whom it waits for.
        due: when it is looked at next; None if something else has to happen first.
        report_due: when the server is told; None if it knows all.
        worker_ids: the workers that run or ran it.
    """

    job: Job
    phase: JobPhase
    due: datetime | None
    report_due: datetime | None
    fetched_at: datetime
    worker_ids: tuple[int, ...]
    files: tuple[File, ...]
    events: tuple[history.Event, ...]


@dataclass(frozen=True, slots=True)
class WorkerView:
    """A worker with where it stands.

    Attributes:
        phase: whom it waits for.
        due: when it is looked at next on its own account; monitored workers are looked at together.
        report_due: when the server is told; None if it knows all.
        kill_due: when it is killed next; None if nobody wants that.
        tries: how often the resource was asked to take it.
        absences: complete listings in a row that did not hold its marker.
        batch_end: how the batch job ended, while its outputs are still being collected.
    """

    worker: Worker
    phase: WorkerPhase
    due: datetime | None
    report_due: datetime | None
    kill_due: datetime | None
    tries: int
    absences: int
    batch_end: WorkerStatus | None
    events: tuple[history.Event, ...]


def job(connection: Connection, job_id: int) -> JobView | None:
    """One job; None if there is none."""
    found = job_rows.find(connection, [job_id])
    if not found:
        return None
    columns = (jobs.c.phase, jobs.c.due, jobs.c.report_due, jobs.c.fetched_at)
    phase, due, report_due, fetched_at = connection.execute(select(*columns).where(jobs.c.job_id == job_id)).one()
    relation = select(job_workers.c.worker_id).where(job_workers.c.job_id == job_id)
    return JobView(
        job=found[0],
        phase=phase,
        due=due,
        report_due=report_due,
        fetched_at=fetched_at,
        worker_ids=tuple(connection.scalars(relation.order_by(job_workers.c.worker_id))),
        files=tuple(files.of_jobs(connection, [job_id], list(FileKind))[job_id]),
        events=tuple(history.of(connection, history.Kind.JOB, job_id)),
    )


def worker(connection: Connection, worker_id: int) -> WorkerView | None:
    """One worker; None if there is none."""
    found = worker_rows.find(connection, [worker_id])
    if not found:
        return None
    columns = (workers.c.phase, workers.c.due, workers.c.report_due, workers.c.kill_due)
    mine = select(*columns).where(workers.c.worker_id == worker_id)
    phase, due, report_due, kill_due = connection.execute(mine).one()
    return WorkerView(
        worker=found[0].worker,
        phase=phase,
        due=due,
        report_due=report_due,
        kill_due=kill_due,
        tries=found[0].tries,
        absences=found[0].absences,
        batch_end=found[0].batch_end,
        events=tuple(history.of(connection, history.Kind.WORKER, worker_id)),
    )


def jobs_by_phase(connection: Connection, queue: str) -> Mapping[JobPhase, int]:
    """Jobs of a queue by whom they wait for."""
    query = select(jobs.c.phase, func.count()).where(jobs.c.queue == queue).group_by(jobs.c.phase)
    return {row[0]: row[1] for row in connection.execute(query)}


ByKind = dict[str, dict[str, dict[str, int]]]
"""Numbers by job type, resource type and status; `ANY` where a type is not known."""


def workers_by_kind(connection: Connection, queues: Collection[str]) -> dict[str, ByKind]:
    """Workers of each of these queues by what they are for."""
    found: dict[str, ByKind] = {queue: {} for queue in queues}
    for queue, kinds in worker_counts.by_type(connection, queues).items():
        for kind, numbers in kinds.items():
            by_type = found[queue].setdefault(kind.job_type or _ANY, {}).setdefault(kind.resource_type or _ANY, {})
            by_type.update({status.value: number for status, number in numbers.items()})
    return found


def jobs_by_kind(connection: Connection, queues: Collection[str]) -> dict[str, ByKind]:
    """Jobs of each of these queues by what they are; their job type is the source label."""
    columns = (jobs.c.queue, jobs.c.label, jobs.c.resource_type, jobs.c.status)
    query = select(*columns, func.count()).where(jobs.c.queue.in_(queues)).group_by(*columns)
    found: dict[str, ByKind] = {queue: {} for queue in queues}
    for queue, label, resource_type, status, number in connection.execute(query):
        by_type = found[queue].setdefault(label or _ANY, {}).setdefault(resource_type or _ANY, {})
        by_type[status.value] = number
    return found


def open_jobs(connection: Connection, limit: int) -> list[int]:
    """Some jobs that are not done, the oldest first."""
    query = select(jobs.c.job_id).where(jobs.c.phase != JobPhase.SWEEP)
    return list(connection.scalars(query.order_by(jobs.c.fetched_at, jobs.c.job_id).limit(limit)))


def open_workers(connection: Connection, limit: int) -> list[int]:
    """Some workers that have not ended, the oldest first."""
    query = select(workers.c.worker_id).where(workers.c.phase != WorkerPhase.SWEEP)
    return list(connection.scalars(query.order_by(workers.c.worker_id).limit(limit)))
