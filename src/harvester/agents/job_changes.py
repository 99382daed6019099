"""Writes what a round of checks means for the jobs of the workers that were seen."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection

from harvester.agents.base import Instance
from harvester.agents.event_news import speaks_of_events, store_event_news
from harvester.agents.outputs import store_outputs
from harvester.core.jobs import Job, JobStatus, JobSubstatus
from harvester.core.judging import JobChange, Observation, Verdict, judge_job
from harvester.core.shared_jobs import JobWorker, SharedState, shared_state, with_shared_error
from harvester.core.workers import MapType, Worker
from harvester.plugins.api import ReportedFile
from harvester.store import asking, history, jobs, shared_workers
from harvester.store.leases import TOGETHER
from harvester.store.schema import JobPhase


def write_jobs(
    instance: Instance,
    connection: Connection,
    seen: Sequence[Observation],
    verdicts: Mapping[int, Verdict],
    *,
    agent: str,
) -> Sequence[str]:
    """Jobs whose workers have news: their outputs, what was said of them and where they stand.

    The verdicts on workers are already written in this transaction.

    Returns:
        the agents to wake.
    """
    now = instance.clock()
    concerned = {
        job: each
        for each in seen
        if each.held.worker.worker_id in verdicts or each.news.attributes or each.news.files or speaks_of_events(each)
        if each.has_pushed_jobs
        for job in each.held.worker.job_ids
    }
    if not concerned:
        return ()
    working = jobs.find_working(connection, concerned)
    told = list(_outputs_of(seen, {job.job_id for job in working}))
    has_early_outputs = store_outputs(instance, connection, told, now)
    wants_ranges = store_event_news(connection, [each for each in seen if each.has_pushed_jobs], working, now)
    shared = [job for job in working if concerned[job.job_id].held.worker.map_type is MapType.ONE_TO_MANY]
    own = [job for job in working if concerned[job.job_id].held.worker.map_type is not MapType.ONE_TO_MANY]
    left = _without_untaken(working, seen, verdicts)
    asking.unrelate(connection, left)
    lost = {job for _, job in left}
    events = _write_own(
        connection, [job for job in own if job.job_id not in lost], concerned, verdicts, now=now, agent=agent
    )
    if shared and verdicts:
        siblings = shared_workers.of_jobs(connection, [job.job_id for job in shared])
        lost -= siblings.keys()
        shared = [job for job in shared if job.job_id in siblings]
        events += _write_shared(connection, shared, siblings, concerned, verdicts, now=now, agent=agent)
    events += _release(connection, [job for job in working if job.job_id in lost], now, agent)
    jobs.trigger_reports(connection, [event.subject for event in events], now + TOGETHER)
    history.record(connection, events)
    return (
        *(("early stager",) if has_early_outputs else ()),
        *(("event feeder",) if wants_ranges else ()),
        *(("stager", "propagator") if events else ()),
    )


def _without_untaken(
    working: Iterable[Job], seen: Iterable[Observation], verdicts: Mapping[int, Verdict]
) -> set[tuple[int, int]]:
    """Workers that have ended and jobs that they never took up, nor ever spoke of, and that are still wanted."""
    silent = {job.job_id for job in working if "jobStatus" not in job.attributes}
    return {
        (each.held.worker.worker_id, job)
        for each in seen
        if each.untaken and each.leaves_jobs
        if (verdict := verdicts.get(each.held.worker.worker_id)) and verdict.status.is_final
        for job in silent.intersection(each.untaken)
        if job not in each.news.attributes and all(file.job_id != job for file in each.news.files)
    }


def _release(connection: Connection, untaken: Sequence[Job], now: datetime, agent: str) -> list[history.Event]:
    """Jobs that nobody has taken up wait for a worker again."""
    if not untaken:
        return []
    jobs.unbind(connection, [job.job_id for job in untaken], now)
    asking.hasten(connection, {job.queue for job in untaken}, now)
    cause, became = "its worker has ended without taking it up", JobSubstatus.PREPARED
    return [history.Event(history.Kind.JOB, job.job_id, now, job.substatus, became, cause, agent) for job in untaken]


def _outputs_of(seen: Iterable[Observation], working: Collection[int]) -> Iterator[tuple[Worker, ReportedFile]]:
    """Workers may speak of jobs that they were given and that have not ended."""
    for each in seen:
        if each.news.files and each.has_pushed_jobs:
            mine = frozenset(each.held.worker.job_ids).intersection(working)
            yield from ((each.held.worker, file) for file in each.news.files if file.job_id in mine)


def _write_own(
    connection: Connection,
    working: Sequence[Job],
    concerned: Mapping[int, Observation],
    verdicts: Mapping[int, Verdict],
    *,
    now: datetime,
    agent: str,
) -> list[history.Event]:
    """Jobs that have one worker each."""
    rows, events = [], []
    for job in working:
        each = concerned[job.job_id]
        worker = each.held.worker
        verdict = verdicts.get(worker.worker_id)
        change = judge_job(job, each, verdict, now)
        if change is None:
            continue
        rows.append(_job_row(job.job_id, change, now))
        if (change.status, change.substatus) != (job.status, job.substatus):
            cause = f"worker {worker.worker_id}: {verdict.cause if verdict else 'its own word'}"
            events.append(_event(job, change, cause, now, agent))
    _write_rows(connection, rows)
    return events


def _write_shared(
    connection: Connection,
    working: Sequence[Job],
    siblings: Mapping[int, Sequence[JobWorker]],
    concerned: Mapping[int, Observation],
    verdicts: Mapping[int, Verdict],
    *,
    now: datetime,
    agent: str,
) -> list[history.Event]:
    """Jobs that have several workers: all of them count, not only those that were seen now."""
    rows, events = [], []
    for job in working:
        worker = concerned[job.job_id].held.worker
        verdict = verdicts.get(worker.worker_id)
        state = shared_state(job, siblings[job.job_id], now)
        if (state.status, state.substatus, state.cores) == (job.status, job.substatus, job.cores):
            continue
        cause = f"worker {worker.worker_id}: {verdict.cause if verdict else 'its own word'}"
        rows.append(shared_job_row(job, state, cause, now))
        if (state.status, state.substatus) != (job.status, job.substatus):
            events.append(_event(job, state, cause, now, agent))
    _write_rows(connection, rows)
    return events


def _write_rows(connection: Connection, rows: Sequence[Mapping[str, object]]) -> None:
    jobs.change_working(connection, [row for row in rows if row["phase"] is JobPhase.WORK])
    jobs.change_working(connection, [row for row in rows if row["phase"] is JobPhase.STAGE])


def _event(job: Job, change: JobChange | SharedState, cause: str, now: datetime, agent: str) -> history.Event:
    became = f"{change.status}/{change.substatus}"
    return history.Event(history.Kind.JOB, job.job_id, now, f"{job.status}/{job.substatus}", became, cause, agent)


def _job_row(job_id: int, change: JobChange, now: datetime) -> dict[str, object]:
    row: dict[str, object] = {
        "job_id": job_id,
        "status": change.status,
        "substatus": change.substatus,
        "attributes": change.attributes,
        "meta_data": change.meta_data,
        "started_at": change.started_at,
        "ended_at": change.ended_at,
    }
    return row | _next_phase(change.status, now)


def shared_job_row(job: Job, state: SharedState, cause: str, now: datetime) -> dict[str, object]:
    """What is written of a job that several workers share."""
    row: dict[str, object] = {
        "job_id": job.job_id,
        "status": state.status,
        "substatus": state.substatus,
        "attributes": with_shared_error(job, state, cause),
        "cores": state.cores,
        "started_at": state.started_at,
        "ended_at": state.ended_at,
    }
    return row | _next_phase(state.status, now)


def _next_phase(status: JobStatus, now: datetime) -> dict[str, object]:
    return {"phase": JobPhase.STAGE, "due": now} if status.is_final else {"phase": JobPhase.WORK}
