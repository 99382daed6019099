"""Workers that ask for jobs while they run.

In phase MONITOR a worker is due, and held under a fence, to be given jobs: it has asked for some, or was given some and
may not know of them yet.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, and_, delete, literal, select, tuple_, update

from harvester.core.held import Held
from harvester.core.jobs import JobStatus, JobSubstatus
from harvester.core.workers import WorkerStatus
from harvester.store.leases import UNCLAIMED, WORKER_WORK, ClaimTicket, claim_rows
from harvester.store.schema import JobPhase, WorkerPhase, job_workers, jobs, workers
from harvester.store.sets import change_rows, insert_rows, none_of, one_of, unindexed
from harvester.store.types import Flag
from harvester.store.workers import HELD, held_of


def note_asked(connection: Connection, asked: Mapping[int, int], now: datetime) -> None:
    """These workers want so many jobs, by worker id; one whose last wish is not settled yet has to wait."""
    rows = [{"worker_id": worker, "jobs_asked": number} for worker, number in asked.items()]
    is_open = and_(unindexed(workers.c.phase) == WorkerPhase.MONITOR, workers.c.jobs_asked == 0)
    change_rows(connection, workers, rows, is_open, same=WORKER_WORK.set(now))


def claim(connection: Connection, ticket: ClaimTicket) -> list[Held]:
    """Workers that are to be given jobs."""
    where = (workers.c.phase == WorkerPhase.MONITOR, *none_of(workers.c.queue, ticket.busy))
    return [held_of(values) for values in claim_rows(connection, WORKER_WORK, HELD, ticket, *where)]


def hasten(connection: Connection, queues: Collection[str], now: datetime) -> None:
    """Jobs have come for the workers of these queues that ask for some."""
    asking = and_(workers.c.queue.in_(queues), workers.c.phase == WorkerPhase.MONITOR, workers.c.jobs_asked > 0)
    connection.execute(update(workers).where(asking, WORKER_WORK.fence == UNCLAIMED).values(due=now))


def lock_jobs_of(connection: Connection, worker_ids: Collection[int]) -> dict[int, frozenset[int]]:
    """The jobs of these workers, who get no further ones until the transaction ends."""
    connection.execute(
        select(workers.c.worker_id).where(one_of(connection, workers.c.worker_id, worker_ids)).with_for_update()
    ).all()
    query = select(job_workers.c.worker_id, job_workers.c.job_id)
    found: dict[int, set[int]] = {worker: set() for worker in worker_ids}
    for worker, job in connection.execute(query.where(one_of(connection, job_workers.c.worker_id, worker_ids))):
        found[worker].add(job)
    return {worker: frozenset(some) for worker, some in found.items()}


def bind(connection: Connection, given: Mapping[int, Collection[int]]) -> None:
    """These jobs, which were waiting, belong to these workers, by worker id; nobody has told the workers yet."""
    pairs = [(worker, job) for worker, some in given.items() for job in some]
    insert_rows(connection, job_workers, ("worker_id", "job_id", "told"), [(*pair, False) for pair in pairs])
    mine = update(jobs).where(one_of(connection, jobs.c.job_id, {job for _, job in pairs}))
    fresh = unindexed(jobs.c.status) == JobStatus.STARTING
    connection.execute(mine.where(fresh).values(substatus=JobSubstatus.QUEUED))
    bound = update(workers).where(one_of(connection, workers.c.worker_id, given))
    connection.execute(bound.values(late_binding=True))


def untold(connection: Connection, worker_ids: Collection[int]) -> dict[int, frozenset[int]]:
    """Jobs that these workers were given and may not know of yet, by worker id."""
    query = (
        select(job_workers.c.worker_id, jobs.c.job_id)
        .join(jobs, jobs.c.job_id == job_workers.c.job_id)
        .where(
            one_of(connection, job_workers.c.worker_id, worker_ids),
            job_workers.c.told == literal(value=False, type_=Flag()),
            unindexed(jobs.c.phase) == JobPhase.WORK,
        )
    )
    found: dict[int, set[int]] = defaultdict(set)
    for worker, job in connection.execute(query):
        found[worker].add(job)
    return {worker: frozenset(some) for worker, some in found.items()}


def begin_work(connection: Connection, worker_ids: Collection[int]) -> frozenset[int]:
    """Of these workers, those that are ready run now; returns them. What a check has made of the others stays."""
    ready = (one_of(connection, workers.c.worker_id, worker_ids), unindexed(workers.c.status) == WorkerStatus.READY)
    found = frozenset(connection.scalars(select(workers.c.worker_id).where(*ready).with_for_update()))
    if found:
        mine = update(workers).where(one_of(connection, workers.c.worker_id, found))
        connection.execute(mine.values(status=WorkerStatus.RUNNING))
    return found


def note_told(connection: Connection, worker_ids: Collection[int]) -> None:
    """These workers know of all jobs that they were given."""
    if worker_ids:
        mine = update(job_workers).where(one_of(connection, job_workers.c.worker_id, worker_ids))
        connection.execute(mine.values(told=True))


def unrelate(connection: Connection, pairs: Iterable[tuple[int, int]]) -> None:
    """These workers, by `(worker_id, job_id)`, never had these jobs."""
    chosen = sorted(pairs)
    if chosen:
        both = tuple_(job_workers.c.worker_id, job_workers.c.job_id)
        connection.execute(delete(job_workers).where(both.in_(chosen)))


def settle(
    connection: Connection,
    changes: Sequence[Mapping[str, object]],
    fence: int,
    same: Mapping[str, object] | None = None,
) -> None:
    """What became of claimed workers; one that has ended meanwhile keeps its end."""
    is_live = unindexed(workers.c.phase) == WorkerPhase.MONITOR
    change_rows(
        connection, workers, changes, WORKER_WORK.fence == fence, is_live, same={**(same or {}), "fence": UNCLAIMED}
    )
