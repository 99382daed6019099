"""How much work waits for agents, and for how long; by the kinds of work, not by queues."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Select, func, literal, select, union_all

from harvester.store.leases import (
    EVENT_REQUEST,
    JOB_REPORT,
    JOB_WORK,
    QUEUE_FETCH,
    QUEUE_MONITOR,
    QUEUE_SIZE,
    WORKER_KILL,
    WORKER_LOG,
    WORKER_REPORT,
    WORKER_WORK,
    Pair,
)
from harvester.store.schema import JobPhase, WorkerPhase, queues
from harvester.store.types import UtcTime


@dataclass(frozen=True, slots=True)
class Backlog:
    """Work of one kind that is due and that nobody holds.

    Attributes:
        work: its kind.
        number: of jobs, workers or queues.
        oldest: since when the most overdue of them has waited; None if nothing waits.
    """

    work: str
    number: int
    oldest: datetime | None


def backlogs(connection: Connection, now: datetime) -> list[Backlog]:
    """All kinds of work, in one statement: each is counted in the index by which its agent finds it."""
    return [Backlog(*row) for row in connection.execute(union_all(*_kinds(now)))]


def _kinds(now: datetime) -> Iterator[Select[str, int, datetime]]:
    for job_phase in (JobPhase.PREPARE, JobPhase.STAGE, JobPhase.SWEEP):
        yield _due(f"jobs to {job_phase}", JOB_WORK, now).where(JOB_WORK.table.c.phase == job_phase)
    for phase in (WorkerPhase.SUBMIT, WorkerPhase.SETTLE, WorkerPhase.SWEEP):
        yield _due(f"workers to {phase}", WORKER_WORK, now).where(WORKER_WORK.table.c.phase == phase)
    yield _due("jobs to report", JOB_REPORT, now)
    yield _due("workers to report", WORKER_REPORT, now)
    yield _due("workers to kill", WORKER_KILL, now)
    yield _due("workers to give events", EVENT_REQUEST, now)
    yield _due("workers with logs", WORKER_LOG, now)
    yield _due("queues to fetch for", QUEUE_FETCH, now).where(queues.c.active == 1)
    yield _due("queues to size", QUEUE_SIZE, now).where(queues.c.active == 1)
    yield _due("queues to monitor", QUEUE_MONITOR, now)


def _due(work: str, pair: Pair, now: datetime) -> Select[str, int, datetime]:
    oldest = func.min(pair.due, type_=UtcTime).label("oldest")
    return select(literal(work).label("work"), func.count().label("number"), oldest).where(pair.due <= now)
