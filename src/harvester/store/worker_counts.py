"""How many workers there are, by what decisions, reports and people want to know."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, case, func, select

from harvester.core.kinds import WorkerKind
from harvester.core.loads import Load
from harvester.core.workers import WorkerStatus
from harvester.store.schema import WorkerPhase, job_workers, workers

_IS_LIVE = workers.c.phase.in_([WorkerPhase.SUBMIT, WorkerPhase.SETTLE, WorkerPhase.MONITOR])


def live(connection: Connection, queues: Sequence[str]) -> dict[str, dict[WorkerStatus, int]]:
    """Live workers by queue and status: pending, out of sight and running ones alike."""
    query = select(workers.c.queue, workers.c.status, func.count()).where(workers.c.queue.in_(queues), _IS_LIVE)
    counts: dict[str, dict[WorkerStatus, int]] = {queue: {} for queue in queues}
    for queue, status, number in connection.execute(query.group_by(workers.c.queue, workers.c.status)):
        counts[queue][status] = number
    return counts


def loads(connection: Connection, queues: Sequence[str]) -> dict[str, list[Load]]:
    """Live workers by queue with what they take; every row is read for it, so only for queues that need to know."""
    kinds = (workers.c.queue, workers.c.status, workers.c.resource_type, workers.c.pilot_type)
    sums = (func.count(), func.sum(workers.c.cores), func.sum(workers.c.ram_mb))
    query = select(*kinds, *sums).where(workers.c.queue.in_(queues), _IS_LIVE).group_by(*kinds)
    found: dict[str, list[Load]] = {queue: [] for queue in queues}
    for queue, status, resource_type, pilot_type, number, cores, ram_mb in connection.execute(query):
        found[queue].append(Load(status, resource_type, pilot_type, number, int(cores), int(ram_mb)))
    return found


def jobless(connection: Connection, queue: str) -> int:
    """Live workers of a queue to which no job was given, or that have fetched none."""
    has_job = select(job_workers.c.job_id).where(job_workers.c.worker_id == workers.c.worker_id).exists()
    query = select(func.count()).select_from(workers).where(workers.c.queue == queue, _IS_LIVE, ~has_job)
    return connection.scalar(query) or 0


class Missed(NamedTuple):
    """Workers of a queue that could not be submitted, by computing element and for each of the moments asked about."""

    element: str | None
    numbers: tuple[int, ...]


def missed(connection: Connection, queues: Sequence[str], moments: Sequence[datetime]) -> dict[str, list[Missed]]:
    """Workers of these queues that could not be submitted since each of these moments."""
    found: dict[str, list[Missed]] = {queue: [] for queue in queues}
    if not moments:
        return found
    where = (workers.c.phase == WorkerPhase.SWEEP, workers.c.status == WorkerStatus.MISSED)
    kinds = (workers.c.queue, workers.c.computing_element)
    sums = [func.sum(case((workers.c.ended_at >= moment, 1), else_=0)) for moment in moments]
    query = select(*kinds, *sums).where(workers.c.queue.in_(queues), *where).group_by(*kinds)
    for queue, element, *numbers in connection.execute(query):
        found[queue].append(Missed(element, tuple(map(int, numbers))))
    return found


def by_type(connection: Connection, queues: Collection[str]) -> dict[str, dict[WorkerKind, dict[WorkerStatus, int]]]:
    """Workers of these queues by job type, resource type and status."""
    columns = (workers.c.queue, workers.c.job_type, workers.c.resource_type, workers.c.status)
    counts: dict[str, dict[WorkerKind, dict[WorkerStatus, int]]] = {}
    for row in connection.execute(select(*columns, func.count()).where(columns[0].in_(queues)).group_by(*columns)):
        counts.setdefault(row[0], {}).setdefault(WorkerKind(row[1], row[2]), {})[row[3]] = row[4]
    return counts


def by_queue_and_status(connection: Connection) -> dict[str, dict[WorkerStatus, int]]:
    """All workers in the database, for a person to look at."""
    query = select(workers.c.queue, workers.c.status, func.count()).group_by(workers.c.queue, workers.c.status)
    counts: dict[str, dict[WorkerStatus, int]] = {}
    for queue, status, number in connection.execute(query):
        counts.setdefault(queue, {})[status] = number
    return counts
