"""Everything that the database has of one queue, and its removal.

Rows go part by part, each part in a transaction that takes all that belongs to it along: whoever is interrupted begins
again. Unless it is abandoned, nothing goes that may still exist outside (I6) or that the server has to hear of (I4).
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, delete, func, or_, select

from harvester.store import events
from harvester.store import jobs as job_rows
from harvester.store import workers as worker_rows
from harvester.store.leases import BATCH
from harvester.store.schema import (
    JobPhase,
    WorkerPhase,
    event_requests,
    holds,
    jobs,
    ordered_workers,
    queue_notes,
    queue_versions,
    queues,
    worker_logs,
    workers,
)

_IS_OUTSIDE = workers.c.phase != WorkerPhase.SWEEP
_IS_UNTOLD = or_(jobs.c.phase != JobPhase.SWEEP, jobs.c.report_due.is_not(None))
_ALL_TABLES = (event_requests, worker_logs, ordered_workers, holds, queue_notes, queue_versions)


@dataclass(frozen=True, slots=True)
class Belongings:
    """What there is of a queue.

    Attributes:
        outside: workers that the resource has, may have, or may soon be asked to take.
        jobs_untold: jobs that have not ended, or of whose end the server has not heard.
        workers_untold: workers that have ended without the server having heard of it.
        uncleaned: ended workers whose access points and other remains were not cleaned up yet.
    """

    workers: int
    jobs: int
    outside: int
    jobs_untold: int
    workers_untold: int
    uncleaned: int

    @property
    def may_go(self) -> bool:
        """Whether nothing outside is lost with it."""
        return not (self.outside or self.jobs_untold or self.workers_untold)


def belongings(connection: Connection, queue: str) -> Belongings:
    """What there is of a queue now."""
    of_workers = workers.c.queue == queue
    of_jobs = jobs.c.queue == queue
    return Belongings(
        workers=_count(connection, of_workers),
        jobs=_count(connection, of_jobs),
        outside=_count(connection, and_(of_workers, _IS_OUTSIDE)),
        jobs_untold=_count(connection, and_(of_jobs, _IS_UNTOLD)),
        workers_untold=_count(connection, and_(of_workers, ~_IS_OUTSIDE, workers.c.report_due.is_not(None))),
        uncleaned=_count(connection, and_(of_workers, ~_IS_OUTSIDE)),
    )


def _count(connection: Connection, where: ColumnElement[bool]) -> int:
    return connection.scalar(select(func.count()).where(where)) or 0


def remove_workers(connection: Connection, queue: str, now: datetime, *, abandon: bool) -> int:
    """Some workers are gone with all that belongs to them; how many, 0 when none are left that may go."""
    may_go = () if abandon else (~_IS_OUTSIDE, workers.c.report_due.is_(None))
    query = select(workers.c.worker_id).where(workers.c.queue == queue, *may_go).limit(BATCH)
    ids = list(connection.scalars(query.with_for_update()))
    if ids:
        worker_rows.remove(connection, ids, now)
    return len(ids)


def remove_jobs(connection: Connection, queue: str, *, abandon: bool) -> int:
    """Some jobs are gone with all that belongs to them; how many, 0 when none are left that may go."""
    may_go = () if abandon else (~_IS_UNTOLD,)
    query = select(jobs.c.job_id).where(jobs.c.queue == queue, *may_go).limit(BATCH)
    ids = list(connection.scalars(query.with_for_update()))
    if ids:
        events.forget(connection, ids)
        job_rows.remove(connection, ids)
    return len(ids)


def remove_queue(connection: Connection, queue: str) -> bool:
    """Nothing is left of the queue; False, and nothing is done, while it has jobs or workers."""
    for table in (workers, jobs):
        if connection.scalar(select(func.count()).where(table.c.queue == queue)):
            return False
    for table in _ALL_TABLES:
        connection.execute(delete(table).where(table.c.queue == queue))
    connection.execute(delete(queues).where(queues.c.name == queue))
    return True
