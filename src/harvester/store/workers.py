"""Workers in the database."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Final

from sqlalchemy import Connection, String, and_, cast, delete, func, or_, select, type_coerce, update

from harvester.core.held import Held
from harvester.core.jobs import Kill, PilotError
from harvester.core.workers import FINAL_WORKER_STATUSES, MapType, Worker, WorkerStatus
from harvester.store import history
from harvester.store.leases import (
    JOB_WORK,
    TOGETHER,
    WORKER_KILL,
    WORKER_REPORT,
    WORKER_WORK,
)
from harvester.store.schema import (
    JobPhase,
    WorkerPhase,
    event_requests,
    job_workers,
    jobs,
    worker_logs,
    workers,
)
from harvester.store.selection import Selection, Values
from harvester.store.sets import change_rows, insert_missing, insert_rows, one_of, unindexed
from harvester.store.types import Ids

_FIELDS: Final = (
    "worker_id",
    "queue",
    "status",
    "marker",
    "map_type",
    "job_ids",
    "cores",
    "ram_mb",
    "disk_mb",
    "walltime_s",
    "job_type",
    "resource_type",
    "pilot_type",
    "access_point",
    "batch_id",
    "submission_host",
    "computing_element",
    "batch_queue",
    "node",
    "native_status",
    "exit_code",
    "error_code",
    "diagnostics",
    "sync_level",
    "log_urls",
    "created_at",
    "submitted_at",
    "started_at",
    "ended_at",
    "unseen_since",
    "config_version",
    "late_binding",
)
_JOB_IDS: Final = (
    select(func.aggregate_strings(cast(job_workers.c.job_id, String), ","))
    .where(job_workers.c.worker_id == workers.c.worker_id)
    .correlate(workers)
    .scalar_subquery()
)
"""Read in the same statement as the worker, so that nobody ever sees it without the jobs that it got meanwhile."""
WORKER: Final = Selection([type_coerce(_JOB_IDS, Ids()) if name == "job_ids" else workers.c[name] for name in _FIELDS])
HELD: Final = WORKER.with_columns(
    workers.c.tries,
    workers.c.absences,
    workers.c.batch_end,
    workers.c.kill_error,
    workers.c.jobs_asked,
    workers.c.ends_jobs,
)
HAS_PUSHED_JOBS: Final = workers.c.map_type != MapType.NO_JOB
"""What pulling workers say of the jobs they run is their own word and decides nothing about jobs of this instance."""
_WIDTH: Final = len(_FIELDS)


def insert_intents(connection: Connection, intents: Sequence[Worker], now: datetime) -> None:
    """The intent to submit these workers is stored and charged to their queues; nobody was asked yet."""
    names = [name for name in _FIELDS if name not in {"created_at", "job_ids"}]
    values_of, begin = attrgetter(*names), (now, WorkerPhase.SUBMIT, now)
    rows = [(*values_of(worker), *begin) for worker in intents]
    insert_rows(connection, workers, [*names, "created_at", "phase", "due"], rows)
    relations = [(worker.worker_id, job) for worker in intents for job in worker.job_ids]
    insert_rows(connection, job_workers, ("worker_id", "job_id"), relations)


def condemned(connection: Connection, worker_ids: Sequence[int]) -> frozenset[int]:
    """Which of these workers are to be killed."""
    query = select(workers.c.worker_id).where(
        one_of(connection, workers.c.worker_id, worker_ids), workers.c.kill_due.is_not(None)
    )
    return frozenset(connection.scalars(query))


def monitored(connection: Connection, queues: Sequence[str]) -> list[Held]:
    """Every worker of these queues that the resource holds."""
    here = and_(workers.c.queue.in_(queues), workers.c.phase == WorkerPhase.MONITOR)
    return [held_of(values) for values in HELD.read(connection, select(*HELD.raw).where(here))]


def monitored_queues_of(connection: Connection, worker_ids: Collection[int]) -> list[str]:
    """The queues of those of the workers that the resource holds."""
    held = (one_of(connection, workers.c.worker_id, worker_ids), unindexed(workers.c.phase) == WorkerPhase.MONITOR)
    return sorted(connection.scalars(select(workers.c.queue).where(*held).distinct()))


def find(connection: Connection, worker_ids: Sequence[int]) -> list[Held]:
    """Workers by id; those that do not exist are left out."""
    query = select(*HELD.raw).where(one_of(connection, workers.c.worker_id, worker_ids))
    return [held_of(values) for values in HELD.convert(connection.execute(query).all())]


def last_ended(connection: Connection, queue: str, status: WorkerStatus) -> Worker | None:
    """The worker of a queue that came to such an end last; None if none is remembered."""
    of_queue = (workers.c.queue == queue, workers.c.phase == WorkerPhase.SWEEP, workers.c.status == status)
    newest = (workers.c.ended_at.desc(), workers.c.worker_id.desc())
    rows = connection.execute(select(*WORKER.raw).where(*of_queue).order_by(*newest).limit(1)).all()
    return next((worker_of(values) for values in WORKER.convert(rows)), None)


def settle(
    connection: Connection, changes: Sequence[Mapping[str, object]], fence: int, same: Mapping[str, object]
) -> None:
    """Record what became of submissions; a claim that was taken over meanwhile changes nothing."""
    change_rows(connection, workers, changes, WORKER_WORK.fence == fence, same={**same, "fence": 0})


def change_seen(connection: Connection, changes: Sequence[Mapping[str, object]], now: datetime) -> None:
    """Record what a check told of live workers; the server is told soon. One that has ended meanwhile keeps its end."""
    alive = workers.c.status.not_in(FINAL_WORKER_STATUSES)
    change_rows(connection, workers, changes, alive, same=WORKER_REPORT.hasten(now + TOGETHER))


def change_ended(connection: Connection, changes: Sequence[Mapping[str, object]], now: datetime) -> None:
    """Record the end of workers: reported, never killed again, swept when their `due` comes."""
    alive = workers.c.status.not_in(FINAL_WORKER_STATUSES)
    same = {**WORKER_REPORT.set(now), **WORKER_KILL.set(None), "fence": 0}
    change_rows(connection, workers, changes, alive, same=same)


def mark_unseen(connection: Connection, worker_ids: Sequence[int], since: datetime | None) -> None:
    """These workers cannot be checked since then, or (None) can be checked again."""
    if worker_ids:
        mine = update(workers).where(one_of(connection, workers.c.worker_id, worker_ids))
        connection.execute(mine.values(unseen_since=since))


def request_kill(connection: Connection, kills: Mapping[int, Kill], now: datetime, agent: str) -> list[int]:
    """Mark live workers to be killed and return those for which that changes something.

    One that is marked already stays as it is, unless its jobs are to end now and were not to before.

    Args:
        connection: a write transaction.
        kills: why each is to be killed, by worker id.
        now: when the resource is asked first.
        agent: who wants it.
    """
    if not kills:
        return []
    live = (one_of(connection, workers.c.worker_id, kills), workers.c.status.not_in(FINAL_WORKER_STATUSES))
    known = select(workers.c.worker_id, workers.c.kill_due, workers.c.ends_jobs).where(*live)
    marked = [
        worker
        for worker, kill_due, ends_jobs in connection.execute(known.order_by(workers.c.worker_id).with_for_update())
        if kill_due is None or (kills[worker].ends_jobs and not ends_jobs)
    ]
    rows = [{"worker_id": each, "kill_error": kills[each].error, "ends_jobs": kills[each].ends_jobs} for each in marked]
    change_rows(connection, workers, rows, same=WORKER_KILL.set(now))
    kind = history.Kind.WORKER
    events = [history.Event(kind, each, now, None, "to be killed", kills[each].reason, agent) for each in marked]
    history.record(connection, events)
    return marked


def change_log_urls(connection: Connection, urls: Mapping[int, Mapping[str, str]], now: datetime) -> None:
    """The logs of these workers can be read there; the server is told soon."""
    rows = [{"worker_id": worker, "log_urls": dict(some)} for worker, some in urls.items()]
    change_rows(connection, workers, rows, same=WORKER_REPORT.hasten(now + TOGETHER))


def settle_reports(connection: Connection, changes: Sequence[Mapping[str, object]], fence: int) -> None:
    """Write when reported workers are due again; one that changed while it was reported stays due."""
    change_rows(connection, workers, changes, WORKER_REPORT.fence == fence, same={"report_fence": 0})


def settle_kills(connection: Connection, worker_ids: Sequence[int], fence: int, due: datetime) -> None:
    """These workers are killed again at `due` unless they have ended by then."""
    mine = one_of(connection, workers.c.worker_id, worker_ids)
    connection.execute(update(workers).where(mine, WORKER_KILL.fence == fence).values(WORKER_KILL.set(due)))


def live_of_jobs(connection: Connection, job_ids: Sequence[int]) -> dict[int, tuple[int, ...]]:
    """The live workers of each job that has any."""
    live = and_(workers.c.status.not_in(FINAL_WORKER_STATUSES), HAS_PUSHED_JOBS)
    query = (
        select(job_workers.c.job_id, job_workers.c.worker_id)
        .join(workers, workers.c.worker_id == job_workers.c.worker_id)
        .where(one_of(connection, job_workers.c.job_id, job_ids), live)
        .order_by(job_workers.c.worker_id)
    )
    found: dict[int, tuple[int, ...]] = {}
    for job, worker in connection.execute(query):
        found[job] = (*found.get(job, ()), worker)
    return found


def with_other_open_jobs(
    connection: Connection, worker_ids: Collection[int], job_ids: Collection[int]
) -> frozenset[int]:
    """Which of these workers run a job besides these jobs."""
    if not worker_ids:
        return frozenset()
    others = and_(~one_of(connection, jobs.c.job_id, job_ids), unindexed(jobs.c.phase) == JobPhase.WORK)
    query = (
        select(job_workers.c.worker_id)
        .join(jobs, jobs.c.job_id == job_workers.c.job_id)
        .where(one_of(connection, job_workers.c.worker_id, worker_ids), others)
    )
    return frozenset(connection.scalars(query))


def relate(connection: Connection, relations: Iterable[tuple[int, int]]) -> None:
    """Store which jobs pulling workers said they run, `(worker_id, job_id)`; known relations are kept."""
    rows = [{"worker_id": worker, "job_id": job} for worker, job in sorted(set(relations))]
    insert_missing(connection, job_workers, rows)


def remove(connection: Connection, worker_ids: Sequence[int], now: datetime) -> None:
    """Delete workers with their history and their relations to jobs, which may be swept after them."""
    related = select(job_workers.c.job_id).where(one_of(connection, job_workers.c.worker_id, worker_ids))
    job_ids = sorted(set(connection.scalars(related)))
    if job_ids:
        waiting = and_(unindexed(jobs.c.phase) == JobPhase.SWEEP, or_(JOB_WORK.due.is_(None), JOB_WORK.due <= now))
        mine = update(jobs).where(one_of(connection, jobs.c.job_id, job_ids), waiting)
        connection.execute(mine.values(JOB_WORK.set(now)))
    for table in (workers, worker_logs, event_requests):
        connection.execute(delete(table).where(one_of(connection, table.c.worker_id, worker_ids)))
    connection.execute(delete(job_workers).where(one_of(connection, job_workers.c.worker_id, worker_ids)))
    history.forget(connection, history.Kind.WORKER, worker_ids)


def worker_of(values: Values) -> Worker:
    """A worker from the values of `WORKER`."""
    return Worker(*values)


def held_of(values: Values) -> Held:
    """A worker from the values of `HELD`."""
    tries, absences, batch_end, kill_error, jobs_asked, ends_jobs = values[_WIDTH:]
    error = None if kill_error is None else PilotError(kill_error)
    return Held(worker_of(values[:_WIDTH]), tries, absences, batch_end, error, jobs_asked, ends_jobs)
