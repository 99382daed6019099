"""How many workers there are, by what decisions, reports and people want to know."""

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, func, select

from harvester.core.workers import WorkerStatus
from harvester.store.schema import WorkerPhase, workers

WorkerKind = tuple[str | None, str | None]
"""Job type and resource type of a worker."""


def live(connection: Connection, queues: Sequence[str]) -> dict[str, dict[WorkerStatus, int]]:
    """Live workers by queue and status: pending, out of sight and running ones alike."""
    is_live = workers.c.phase.in_([WorkerPhase.SUBMIT, WorkerPhase.SETTLE, WorkerPhase.MONITOR])
    query = select(workers.c.queue, workers.c.status, func.count()).where(workers.c.queue.in_(queues), is_live)
    counts: dict[str, dict[WorkerStatus, int]] = {queue: {} for queue in queues}
    for queue, status, number in connection.execute(query.group_by(workers.c.queue, workers.c.status)):
        counts[queue][status] = number
    return counts


def by_type(connection: Connection, queues: Collection[str]) -> dict[str, dict[WorkerKind, dict[WorkerStatus, int]]]:
    """Workers of these queues by job type, resource type and status."""
    columns = (workers.c.queue, workers.c.job_type, workers.c.resource_type, workers.c.status)
    counts: dict[str, dict[WorkerKind, dict[WorkerStatus, int]]] = {}
    for row in connection.execute(select(*columns, func.count()).where(columns[0].in_(queues)).group_by(*columns)):
        counts.setdefault(row[0], {}).setdefault((row[1], row[2]), {})[row[3]] = row[4]
    return counts


def by_queue_and_status(connection: Connection) -> dict[str, dict[WorkerStatus, int]]:
    """All workers in the database, for a person to look at."""
    query = select(workers.c.queue, workers.c.status, func.count()).group_by(workers.c.queue, workers.c.status)
    counts: dict[str, dict[WorkerStatus, int]] = {}
    for queue, status, number in connection.execute(query):
        counts.setdefault(queue, {})[status] = number
    return counts
