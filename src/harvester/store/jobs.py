"""Jobs in the database."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Final

from pydantic import JsonValue
from sqlalchemy import ColumnElement, Connection, Select, and_, delete, func, select, update

from harvester.core.events import EventMode
from harvester.core.job_fetch import JobCounts
from harvester.core.jobs import Job, JobStatus, JobSubstatus
from harvester.core.records import record_type
from harvester.core.workers import FINAL_WORKER_STATUSES
from harvester.store import history
from harvester.store.leases import JOB_REPORT, JOB_WORK, TOGETHER, UNCLAIMED, ClaimTicket, claim_rows
from harvester.store.schema import OPEN_JOB_PHASES, JobPhase, files, job_params, job_workers, jobs, workers
from harvester.store.selection import Selection, Values
from harvester.store.sets import change_rows, insert_rows, none_of, one_of, unindexed

_FIELDS: Final = (
    "job_id",
    "queue",
    "status",
    "substatus",
    "attempt",
    "task_id",
    "priority",
    "cores",
    "resource_type",
    "label",
    "events",
    "events_left",
    "outputs_needed",
    "submission_attempts",
    "attributes",
    "output_report",
    "meta_data",
    "started_at",
    "ended_at",
    "config_version",
)
_JOB: Final = Selection([jobs.c[name] for name in _FIELDS])
_ATTRIBUTES: Final = _FIELDS.index("attributes")
_IS_OPEN: Final = unindexed(jobs.c.phase).in_(OPEN_JOB_PHASES)
_BEST_FIRST: Final = (jobs.c.priority.desc(), jobs.c.task_id, jobs.c.job_id)
_WORKERS_OF_JOB: Final = select(func.count()).select_from(job_workers).correlate(jobs)
_HAS_WORKER: Final = unindexed(jobs.c.phase) == JobPhase.WORK

Params = Mapping[str, JsonValue]
"""The server's dictionary of a job."""


@record_type
class NewJob:
    """A job as fetched, with the server's whole dictionary; one that has failed already is only reported."""

    job: Job
    params: Mapping[str, object]


def insert_fetched(connection: Connection, fetched: Sequence[NewJob], now: datetime) -> list[int]:
    """Store jobs from the server and return those that are new.

    A job that is known and not yet done stays as it is (the server repeated itself); one that is done gives way to
    its new attempt, and its workers belong to it no longer. One that comes twice is taken as it came first.
    """
    if not fetched:
        return []
    fetched = list({each.job.job_id: each for each in reversed(fetched)}.values())[::-1]
    ids = [each.job.job_id for each in fetched]
    query = select(jobs.c.job_id, jobs.c.phase).where(one_of(connection, jobs.c.job_id, ids))
    known: dict[int, JobPhase] = {row[0]: row[1] for row in connection.execute(query)}
    remove(connection, [job for job, phase in known.items() if phase is JobPhase.SWEEP])
    fresh = [each for each in fetched if known.get(each.job.job_id, JobPhase.SWEEP) is JobPhase.SWEEP]
    former = one_of(connection, job_workers.c.job_id, [each.job.job_id for each in fresh])
    connection.execute(delete(job_workers).where(former))
    insert_rows(connection, jobs, (*_FIELDS, "phase", "due", "fetched_at", "report_due"), _rows(fresh, now))
    params = [(each.job.job_id, each.params) for each in fresh]
    insert_rows(connection, job_params, ("job_id", "params"), params)
    return [each.job.job_id for each in fresh]


def _rows(fetched: Sequence[NewJob], now: datetime) -> list[Values]:
    values_of = attrgetter(*_FIELDS)
    begun, over = (JobPhase.PREPARE, now, now, now + TOGETHER), (JobPhase.REPORT, None, now, now)
    return [(*values_of(each.job), *(over if each.job.status.is_final else begun)) for each in fetched]


def count_starting(connection: Connection, queues: Sequence[str]) -> dict[str, int]:
    """Jobs by queue that are fetched and not yet running."""
    waiting = and_(
        jobs.c.queue.in_(queues),
        jobs.c.phase.in_(OPEN_JOB_PHASES),
        jobs.c.status == JobStatus.STARTING,
    )
    query = select(jobs.c.queue, func.count()).where(waiting).group_by(jobs.c.queue)
    return {**dict.fromkeys(queues, 0), **{row[0]: row[1] for row in connection.execute(query)}}


def count_loads(connection: Connection, queues: Sequence[str]) -> dict[str, JobCounts]:
    """Jobs by queue that are not over, with their cores; every row is read for it, so only for queues that need to."""
    query = select(jobs.c.queue, jobs.c.status, func.count(), func.sum(jobs.c.cores))
    open_jobs = and_(jobs.c.queue.in_(queues), jobs.c.phase.in_(OPEN_JOB_PHASES))
    totals: dict[str, dict[JobStatus, tuple[int, int]]] = {queue: {} for queue in queues}
    for queue, status, number, cores in connection.execute(
        query.where(open_jobs).group_by(jobs.c.queue, jobs.c.status)
    ):
        totals[queue][status] = number, int(cores)
    return {queue: _job_counts(by_status) for queue, by_status in totals.items()}


def _job_counts(by_status: Mapping[JobStatus, tuple[int, int]]) -> JobCounts:
    starting, starting_cores = by_status.get(JobStatus.STARTING, (0, 0))
    running, running_cores = by_status.get(JobStatus.RUNNING, (0, 0))
    return JobCounts(starting, running, starting_cores, running_cores)


def count_waiting(connection: Connection, queues: Sequence[str], now: datetime) -> dict[str, int]:
    """Jobs by queue that wait for a worker now."""
    waiting = and_(jobs.c.queue.in_(queues), jobs.c.phase == JobPhase.SUBMIT, jobs.c.due <= now)
    query = select(jobs.c.queue, func.count()).where(waiting).group_by(jobs.c.queue)
    return {**dict.fromkeys(queues, 0), **{row[0]: row[1] for row in connection.execute(query)}}


def best_waiting(connection: Connection, queue: str, number: int, now: datetime) -> list[Job]:
    """The jobs of a queue that should get a worker next: highest priority first, then the oldest task."""
    waiting = and_(jobs.c.queue == queue, jobs.c.phase == JobPhase.SUBMIT, jobs.c.due <= now)
    best = select(*_JOB.raw).where(waiting).order_by(*_BEST_FIRST)
    return _found(connection, best.limit(number))


def bind(connection: Connection, job_ids: Sequence[int]) -> frozenset[int]:
    """Give jobs that wait for a worker to one; returns those that were still waiting."""
    waiting = and_(one_of(connection, jobs.c.job_id, job_ids), unindexed(jobs.c.phase) == JobPhase.SUBMIT)
    bound = frozenset(connection.scalars(select(jobs.c.job_id).where(waiting).with_for_update()))
    mine = update(jobs).where(one_of(connection, jobs.c.job_id, bound))
    connection.execute(mine.values(phase=JobPhase.WORK, **JOB_WORK.set(None)))
    return bound


def unbind(connection: Connection, job_ids: Collection[int], now: datetime) -> None:
    """These jobs have no worker after all; they wait for one again."""
    if job_ids:
        mine = update(jobs).where(one_of(connection, jobs.c.job_id, job_ids), _HAS_WORKER)
        again = {"status": JobStatus.STARTING, "substatus": JobSubstatus.PREPARED, "phase": JobPhase.SUBMIT}
        connection.execute(mine.values(**again, grows_at=None, **JOB_WORK.set(now)))


def set_cores(connection: Connection, cores: Mapping[int, int]) -> None:
    """How many cores each job has, by its id."""
    change_rows(connection, jobs, [{"job_id": job, "cores": number} for job, number in cores.items()])


def postpone(connection: Connection, job_ids: Collection[int], due: datetime) -> None:
    """Jobs that wait for a worker wait at least until then."""
    waiting = and_(one_of(connection, jobs.c.job_id, job_ids), unindexed(jobs.c.phase) == JobPhase.SUBMIT)
    connection.execute(update(jobs).where(waiting).values(JOB_WORK.set(due)))


# ---- jobs with several workers ---------------------------------------------------------------------------------------


def count_growing(connection: Connection, queues: Sequence[str], now: datetime) -> dict[str, int]:
    """Jobs by queue that have workers and may get further ones now."""
    query = select(jobs.c.queue, func.count()).where(jobs.c.queue.in_(queues), *_is_growing(now))
    return {row[0]: row[1] for row in connection.execute(query.group_by(jobs.c.queue))}


def best_growing(connection: Connection, queue: str, number: int, now: datetime, in_total: int) -> list[Job]:
    """The jobs of a queue that should get a further worker next, in the order of `best_waiting`.

    Args:
        connection: any transaction.
        queue: their queue.
        number: how many jobs at the most.
        now: those that are to wait until later are left out.
        in_total: a job that has had so many workers gets no more.
    """
    ever = _WORKERS_OF_JOB.where(job_workers.c.job_id == jobs.c.job_id).scalar_subquery()
    query = select(*_JOB.raw).where(jobs.c.queue == queue, *_is_growing(now), ever < in_total)
    return _found(connection, query.order_by(*_BEST_FIRST).limit(number))


def _is_growing(now: datetime) -> tuple[ColumnElement[bool], ...]:
    live = _WORKERS_OF_JOB.join(workers, workers.c.worker_id == job_workers.c.worker_id).where(
        job_workers.c.job_id == jobs.c.job_id, workers.c.status.not_in(FINAL_WORKER_STATUSES)
    )
    return jobs.c.phase == JobPhase.WORK, jobs.c.grows_at <= now, live.scalar_subquery() < jobs.c.workers_at_once


def bind_shared(connection: Connection, at_once: Mapping[int, int], grows_at: datetime) -> frozenset[int]:
    """Give jobs a worker each, or one more; returns those that may still have it, locked until the transaction ends.

    Args:
        connection: a write transaction.
        at_once: how many live workers each job may have, by its id; the first number given to a job stays.
        grows_at: when they may get further ones.
    """
    first = bind(connection, list(at_once))
    rows = [{"job_id": job, "workers_at_once": at_once[job]} for job in first]
    change_rows(connection, jobs, rows, same={"grows_at": grows_at})
    more = and_(one_of(connection, jobs.c.job_id, at_once.keys() - first), _HAS_WORKER, jobs.c.grows_at.is_not(None))
    grown = frozenset(connection.scalars(select(jobs.c.job_id).where(more).with_for_update()))
    connection.execute(update(jobs).where(one_of(connection, jobs.c.job_id, grown)).values(grows_at=grows_at))
    return first | grown


def stop_growing(connection: Connection, job_ids: Collection[int]) -> None:
    """These jobs get no further workers."""
    mine = update(jobs).where(one_of(connection, jobs.c.job_id, job_ids), _HAS_WORKER)
    connection.execute(mine.values(grows_at=None))


def claim_phase(connection: Connection, phase: JobPhase, ticket: ClaimTicket) -> list[Job]:
    """Jobs that are due in a phase."""
    where = (jobs.c.phase == phase, *none_of(jobs.c.queue, ticket.busy))
    return [_job(values) for values in claim_rows(connection, JOB_WORK, _JOB, ticket, *where)]


def claim_to_report(connection: Connection, ticket: ClaimTicket, *, searches: bool = True) -> list[Job]:
    """Jobs that the server has to be told about; with or without those that search for hyper-parameters."""
    wanted = () if searches else (jobs.c.events.is_distinct_from(EventMode.SAMPLES),)
    return [_job(values) for values in claim_rows(connection, JOB_REPORT, _JOB, ticket, *wanted)]


def sweepable(connection: Connection, ticket: ClaimTicket) -> list[int]:
    """Jobs whose end the server knows, whose keep time is over and whose workers are all swept; locked for removal.

    Those with a worker are not looked at again before that is removed (`workers.remove`): a million of them would
    otherwise be gone through each time.
    """
    query = select(jobs.c.job_id).where(jobs.c.phase == JobPhase.SWEEP, JOB_WORK.due <= ticket.now)
    oldest = query.order_by(JOB_WORK.due).limit(ticket.limit)
    kept_long_enough = list(connection.scalars(oldest.with_for_update(skip_locked=True)))
    if not kept_long_enough:
        return []
    if len(kept_long_enough) == ticket.limit:
        ticket.reached_limit.set()
    related = select(job_workers.c.job_id).where(one_of(connection, job_workers.c.job_id, kept_long_enough))
    held = frozenset(connection.scalars(related))
    if held:
        connection.execute(update(jobs).where(one_of(connection, jobs.c.job_id, held)).values(JOB_WORK.set(None)))
    return [each for each in kept_long_enough if each not in held]


def find(connection: Connection, job_ids: Collection[int]) -> list[Job]:
    """Jobs by id; those that do not exist are left out."""
    query = select(*_JOB.raw).where(one_of(connection, jobs.c.job_id, job_ids))
    return _found(connection, query)


def params_of(connection: Connection, job_ids: Collection[int]) -> dict[int, Params]:
    """The server's dictionaries by job id."""
    query = select(job_params.c.job_id, job_params.c.params)
    rows = connection.execute(query.where(one_of(connection, job_params.c.job_id, job_ids)))
    return {row[0]: row[1] for row in rows}


def change_params(connection: Connection, params: Mapping[int, Mapping[str, JsonValue]]) -> None:
    """Write other dictionaries for jobs that have some."""
    change_rows(connection, job_params, [{"job_id": job, "params": each} for job, each in params.items()])


def listed(connection: Connection, *, queue: str | None, status: JobStatus | None, limit: int) -> list[Job]:
    """Jobs for a person to look at, newest first."""
    query = select(*_JOB.raw)
    if queue is not None:
        query = query.where(jobs.c.queue == queue)
    if status is not None:
        query = query.where(jobs.c.status == status)
    return _found(connection, query.order_by(jobs.c.fetched_at.desc(), jobs.c.job_id.desc()).limit(limit))


def count_by_queue_and_status(connection: Connection) -> dict[str, dict[JobStatus, int]]:
    """All jobs in the database, for a person to look at."""
    query = select(jobs.c.queue, jobs.c.status, func.count()).group_by(jobs.c.queue, jobs.c.status)
    counts: dict[str, dict[JobStatus, int]] = {}
    for row in connection.execute(query):
        counts.setdefault(row[0], {})[row[1]] = row[2]
    return counts


def find_working(connection: Connection, job_ids: Collection[int]) -> list[Job]:
    """Those of the jobs that a worker has and that have not ended; they stay so until the transaction ends."""
    query = select(*_JOB.raw).where(one_of(connection, jobs.c.job_id, job_ids), _HAS_WORKER)
    return _found(connection, query.with_for_update())


def change_held(connection: Connection, changes: Sequence[Mapping[str, object]], fence: int) -> int:
    """Write what became of claimed jobs; where the claim was lost nothing changes."""
    return change_rows(connection, jobs, changes, JOB_WORK.fence == fence, same={"fence": 0})


def change_working(
    connection: Connection, changes: Sequence[Mapping[str, object]], same: Mapping[str, object] | None = None
) -> None:
    """Write what a worker made of its jobs; a job that has ended meanwhile keeps its end."""
    change_rows(connection, jobs, changes, _HAS_WORKER, same=same)


def stage_early(connection: Connection, job_ids: Collection[int], now: datetime) -> None:
    """These jobs have outputs to be taken away while they run; those that are held are looked at by their holder."""
    if job_ids:
        mine = update(jobs).where(one_of(connection, jobs.c.job_id, job_ids), _HAS_WORKER, JOB_WORK.fence == UNCLAIMED)
        connection.execute(mine.values(due=now))


def rest_working(connection: Connection, dues: Mapping[int, datetime | None], fence: int) -> None:
    """Let go of claimed jobs that still run: they are due then, or not before they have new outputs."""
    rows = [{"job_id": job, "due": due} for job, due in dues.items()]
    change_rows(connection, jobs, rows, JOB_WORK.fence == fence, _HAS_WORKER, same={"fence": UNCLAIMED})


def note_submitted(connection: Connection, job_ids: Collection[int], now: datetime) -> None:
    """A resource holds the worker of these jobs; the server is told soon."""
    if job_ids:
        mine = update(jobs).where(one_of(connection, jobs.c.job_id, job_ids), _HAS_WORKER)
        connection.execute(mine.values(substatus=JobSubstatus.SUBMITTED, **JOB_REPORT.hasten(now + TOGETHER)))


def trigger_reports(connection: Connection, job_ids: Collection[int], due: datetime) -> None:
    """The server has to be told of these jobs at `due`; a report that is under way does not count."""
    if job_ids:
        mine = update(jobs).where(one_of(connection, jobs.c.job_id, job_ids))
        connection.execute(mine.values(JOB_REPORT.hasten(due)))


def settle_reports(
    connection: Connection, changes: Sequence[Mapping[str, object]], fence: int, same: Mapping[str, object]
) -> None:
    """Write what follows from reports; a job that changed while it was reported stays due as it is."""
    change_rows(connection, jobs, changes, JOB_REPORT.fence == fence, same={**same, "report_fence": 0})


def note_events_left(connection: Connection, left: Mapping[int, int]) -> None:
    """So many parts of these jobs the server may still have for their workers."""
    change_rows(connection, jobs, [{"job_id": job, "events_left": number} for job, number in left.items()])


def lock_open(connection: Connection, job_ids: Collection[int]) -> list[int]:
    """Which of these jobs have neither ended nor begun to store outputs; they stay so until the transaction ends."""
    wanted = and_(one_of(connection, jobs.c.job_id, job_ids), _IS_OPEN)
    return list(connection.scalars(select(jobs.c.job_id).where(wanted).with_for_update()))


def cancel(connection: Connection, attributes: Mapping[int, Mapping[str, object]], now: datetime) -> None:
    """End open jobs without waiting for a worker; the server is told.

    Args:
        connection: a write transaction.
        attributes: what is known of each, by job id.
        now: when they end.
    """
    same = {
        "status": JobStatus.CANCELLED,
        "substatus": JobSubstatus.KILLED,
        "phase": JobPhase.REPORT,
        "ended_at": now,
        **JOB_WORK.set(None),
        **JOB_REPORT.set(now),
    }
    rows = [{"job_id": job, "attributes": known} for job, known in attributes.items()]
    change_rows(connection, jobs, rows, _IS_OPEN, same=same)


def remove(connection: Connection, job_ids: Sequence[int]) -> None:
    """Delete jobs with their dictionaries, files and history."""
    if not job_ids:
        return
    for column in (jobs.c.job_id, job_params.c.job_id, files.c.job_id):
        connection.execute(delete(column.table).where(one_of(connection, column, job_ids)))
    history.forget(connection, history.Kind.JOB, job_ids)


def _found(connection: Connection, query: Select[*Values]) -> list[Job]:
    return [_job(values) for values in _JOB.convert(connection.execute(query).all())]


def _job(values: Values) -> Job:
    parts = list(values)
    parts[_ATTRIBUTES] = parts[_ATTRIBUTES] or {}
    return Job(*parts)
