"""Claims on workers: what each agent finds to do, and when there will be something."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Connection, select, update

from harvester.core.held import Held
from harvester.core.workers import Worker
from harvester.store.leases import (
    WORKER_KILL,
    WORKER_LOG,
    WORKER_REPORT,
    WORKER_WORK,
    ClaimTicket,
    claim_rows,
    lock_due,
    next_due,
)
from harvester.store.schema import JobPhase, WorkerPhase, job_workers, jobs, worker_logs, workers
from harvester.store.sets import none_of, one_of, unindexed
from harvester.store.workers import HAS_PUSHED_JOBS, HELD, WORKER, held_of, worker_of

_LOGS_AWAITED: Final = timedelta(days=3)
"""How long after its end a worker is kept for the sake of a log that cannot be uploaded: not for ever."""


def claim_intents(connection: Connection, ticket: ClaimTicket) -> list[Worker]:
    """Workers that the resource was not asked to take yet.

    From here on only a search by marker decides about them: whoever finds this claim abandoned must not submit.
    """
    rows = claim_rows(
        connection,
        WORKER_WORK,
        WORKER,
        ticket,
        workers.c.phase == WorkerPhase.SUBMIT,
        workers.c.kill_error.is_(None),
        *none_of(workers.c.queue, ticket.busy),
        also={"phase": WorkerPhase.SETTLE, "tries": workers.c.tries + 1},
    )
    return [worker_of(values) for values in rows]


def return_intents(connection: Connection, worker_ids: Sequence[int], fence: int, due: datetime) -> None:
    """The resource was not asked to take these claimed workers after all; they may be submitted at `due`."""
    mine = update(workers).where(one_of(connection, workers.c.worker_id, worker_ids), WORKER_WORK.fence == fence)
    connection.execute(mine.values(phase=WorkerPhase.SUBMIT, tries=workers.c.tries - 1, **WORKER_WORK.set(due)))


def condemned_intents(connection: Connection, ticket: ClaimTicket) -> list[Worker]:
    """Workers that are to be killed before the resource was asked to take them; locked until the transaction ends.

    The phases are excluded, not named, as in `claim_to_kill`.
    """
    asked = [WorkerPhase.SETTLE, WorkerPhase.MONITOR, WorkerPhase.SWEEP]
    rows = lock_due(connection, WORKER_KILL, WORKER, ticket, workers.c.phase.not_in(asked))
    return [worker_of(values) for values in rows]


def claim_unsettled(connection: Connection, ticket: ClaimTicket) -> list[Held]:
    """Workers that the resource may or may not have taken: the answer was never recorded."""
    is_open = workers.c.phase == WorkerPhase.SETTLE
    rows = claim_rows(connection, WORKER_WORK, HELD, ticket, is_open, *none_of(workers.c.queue, ticket.busy))
    return [held_of(values) for values in rows]


def claim_to_report(connection: Connection, ticket: ClaimTicket) -> list[Worker]:
    """Workers that the server has to be told about."""
    return [worker_of(values) for values in claim_rows(connection, WORKER_REPORT, WORKER, ticket)]


def claim_to_kill(connection: Connection, ticket: ClaimTicket) -> list[Worker]:
    """Workers that are to be killed and that the resource holds for certain; ended ones are never to be killed.

    The phases are excluded, not named: SQLite would otherwise go through all workers of the phase.
    """
    taken = workers.c.phase.not_in([WorkerPhase.SUBMIT, WorkerPhase.SETTLE])
    rows = claim_rows(connection, WORKER_KILL, WORKER, ticket, taken, *none_of(workers.c.queue, ticket.busy))
    return [worker_of(values) for values in rows]


def next_to_kill(connection: Connection, besides: Collection[str]) -> datetime | None:
    """When the next worker may be killed that need not be found first, outside the queues `besides`."""
    is_known = unindexed(workers.c.phase) != WorkerPhase.SETTLE
    return next_due(connection, WORKER_KILL, None, is_known, besides=besides)


def claim_to_sweep(connection: Connection, ticket: ClaimTicket) -> list[Worker]:
    """Ended workers whose keep time is over and that nobody has to hear of any more."""
    is_over = (workers.c.phase == WorkerPhase.SWEEP, *_is_told(ticket.now))
    rows = claim_rows(connection, WORKER_WORK, WORKER, ticket, *is_over, *none_of(workers.c.queue, ticket.busy))
    return [worker_of(values) for values in rows]


def next_to_sweep(connection: Connection, besides: Collection[str], now: datetime) -> datetime | None:
    """When the next worker may be claimed to be swept that waits for nothing else, outside the queues `besides`."""
    return next_due(connection, WORKER_WORK, WorkerPhase.SWEEP, *_is_told(now), besides=besides)


def _is_told(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """The server knows how a worker and its jobs have ended, and has its logs or has not taken them for too long."""
    open_job = (
        select(job_workers.c.job_id)
        .join(jobs, jobs.c.job_id == job_workers.c.job_id)
        .where(job_workers.c.worker_id == workers.c.worker_id, jobs.c.phase != JobPhase.SWEEP, HAS_PUSHED_JOBS)
        .exists()
    )
    log_to_bring = (
        select(worker_logs.c.worker_id)
        .where(worker_logs.c.worker_id == workers.c.worker_id, WORKER_LOG.due.is_not(None))
        .where(workers.c.ended_at > now - _LOGS_AWAITED)
        .exists()
    )
    return workers.c.report_due.is_(None), ~open_job, ~log_to_bring
