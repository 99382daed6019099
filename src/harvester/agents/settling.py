"""How a submission ends in the database: the resource holds the worker, or certainly does not."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from harvester.agents.base import Instance
from harvester.agents.job_changes import shared_job_row
from harvester.core.clock import MOST_APART
from harvester.core.jobs import Job, JobStatus, JobSubstatus, PilotError
from harvester.core.shared_jobs import shared_state
from harvester.core.workers import MapType, Worker, WorkerStatus
from harvester.plugins.api import PluginSettings, Refused, Resource, Submitted
from harvester.store import history, jobs, leases, shared_workers, workers
from harvester.store.leases import (
    JOB_REPORT,
    QUEUE_FETCH,
    QUEUE_MONITOR,
    QUEUE_SIZE,
    TOGETHER,
    WORKER_KILL,
    WORKER_REPORT,
)
from harvester.store.schema import JobPhase, WorkerPhase


def time_to_settle(resource: Resource[PluginSettings]) -> timedelta:
    """How long after a submission a complete listing surely shows it, by the time of whichever process asks.

    Another process may have submitted it, which lives by a time a little different; where the resource shows at once
    what it has taken, that does not matter.
    """
    settle = timedelta(seconds=resource.settle_seconds)
    return settle + MOST_APART if settle else settle


def record_submitted(
    connection: Connection, taken: Sequence[tuple[Worker, Submitted]], fence: int, now: datetime, agent: str
) -> None:
    """The resource holds these workers: they are monitored from here on, and the server is told."""
    changes = [
        {
            "worker_id": worker.worker_id,
            "batch_id": answer.batch_id,
            "submission_host": answer.submission_host,
            "computing_element": answer.computing_element,
            "batch_queue": answer.batch_queue,
            "log_urls": answer.log_urls,
        }
        for worker, answer in taken
    ]
    same = {
        "status": WorkerStatus.SUBMITTED,
        "phase": WorkerPhase.MONITOR,
        "submitted_at": now,
        "due": None,
        **WORKER_REPORT.hasten(now + TOGETHER),
    }
    workers.settle(connection, changes, fence, same)
    events = [
        history.Event(
            history.Kind.WORKER,
            worker.worker_id,
            now,
            worker.status,
            WorkerStatus.SUBMITTED,
            f"batch id {answer.batch_id}",
            agent,
        )
        for worker, answer in taken
    ]
    history.record(connection, events)
    jobs.note_submitted(connection, [job for worker, _ in taken for job in worker.job_ids], now)
    names = sorted({worker.queue for worker, _ in taken})
    leases.nudge_queues(connection, QUEUE_MONITOR, names, now, timedelta(seconds=1))


def settle_absent(
    connection: Connection,
    instance: Instance,
    absent: Sequence[tuple[Worker, Refused]],
    *,
    fence: int,
    now: datetime,
    agent: str,
) -> None:
    """The resource certainly does not hold these workers: their queues' budgets are free, their jobs go on without.

    A job whose worker was to be killed ends; the others get another worker, as often as `maxSubmissionAttempts` allows.
    """
    unwanted = workers.condemned(connection, [worker.worker_id for worker, _ in absent])
    record_missed(
        connection, instance, [(worker, answer.reason) for worker, answer in absent], fence=fence, now=now, agent=agent
    )
    cancel_jobs_of(connection, [worker for worker, _ in absent if worker.worker_id in unwanted], now, agent)
    wanted = [(worker, answer) for worker, answer in absent if worker.worker_id not in unwanted]
    due = now + timedelta(seconds=instance.settings.submitter.check_interval)
    release_jobs(connection, instance, wanted, due=due, now=now, agent=agent)


def record_missed(
    connection: Connection,
    instance: Instance,
    missed: Sequence[tuple[Worker, str]],
    *,
    fence: int,
    now: datetime,
    agent: str,
) -> None:
    """These workers have ended without ever having been on the resource."""
    changes = [{"worker_id": worker.worker_id, "diagnostics": reason[:500]} for worker, reason in missed]
    same = {
        "status": WorkerStatus.MISSED,
        "phase": WorkerPhase.SWEEP,
        "ended_at": now,
        "due": now + instance.settings.sweeper.keep_time(WorkerStatus.MISSED),
        **WORKER_REPORT.set(now),
        **WORKER_KILL.set(None),
    }
    workers.settle(connection, changes, fence, same)
    events = [
        history.Event(history.Kind.WORKER, worker.worker_id, now, worker.status, WorkerStatus.MISSED, reason, agent)
        for worker, reason in missed
    ]
    history.record(connection, events)
    names = sorted({worker.queue for worker, _ in missed})
    for pair in (QUEUE_SIZE, QUEUE_FETCH):
        leases.nudge_queues(connection, pair, names, now, timedelta(seconds=1))


def cancel_jobs_of(connection: Connection, lost: Sequence[Worker], now: datetime, agent: str) -> None:
    """End the jobs of workers that are not wanted and do not run, unless other workers share them."""
    cancel_jobs(connection, _lost_for(connection, lost, now, agent), now, agent)


def _lost_for(connection: Connection, lost: Sequence[Worker], now: datetime, agent: str) -> Collection[int]:
    """The jobs for which nothing runs and nothing ever ran when these workers are lost.

    A job that other workers share goes on with those that are live, or ends here as those that have ended made it.
    """
    own = {job for worker in lost if worker.map_type is not MapType.ONE_TO_MANY for job in worker.job_ids}
    shared = {job for worker in lost if worker.map_type is MapType.ONE_TO_MANY for job in worker.job_ids}
    if not shared:
        return own
    ids = {worker.worker_id for worker in lost}
    working = jobs.find_working(connection, shared)
    siblings = shared_workers.of_jobs(connection, [job.job_id for job in working])
    rows, events = [], []
    for job in working:
        others = [each for each in siblings[job.job_id] if each.worker_id not in ids]
        state = shared_state(job, others, now)
        if state.status is JobStatus.MISSED:
            own.add(job.job_id)
        elif state.status.is_final:
            cause = "its last worker was never submitted, the others have ended"
            rows.append(shared_job_row(job, state, cause, now))
            became = f"{state.status}/{state.substatus}"
            events.append(history.Event(history.Kind.JOB, job.job_id, now, job.substatus, became, cause, agent))
    jobs.change_working(connection, rows)
    jobs.trigger_reports(connection, [event.subject for event in events], now)
    history.record(connection, events)
    return own


def cancel_jobs(connection: Connection, job_ids: Collection[int], now: datetime, agent: str) -> None:
    """End open jobs that are to be killed and for which nothing runs that would end them."""
    error = {"pilotErrorCode": PilotError.KILLED, "pilotErrorDiag": "killed before a worker ran it"}
    found = jobs.find(connection, jobs.lock_open(connection, job_ids)) if job_ids else []
    jobs.cancel(connection, {job.job_id: {**job.attributes, **error} for job in found}, now)
    events = [
        history.Event(
            history.Kind.JOB, job.job_id, now, job.substatus, JobSubstatus.KILLED, "it is not wanted any more", agent
        )
        for job in found
    ]
    history.record(connection, events)


def release_jobs(
    connection: Connection,
    instance: Instance,
    refused: Sequence[tuple[Worker, Refused]],
    *,
    due: datetime,
    now: datetime,
    agent: str,
) -> None:
    """Jobs that these workers never got have another worker when they are due, or end as missed if that cannot help.

    A refusal that is not permanent is tried again `maxSubmissionAttempts` times in all (core reference §3.6 step 13).
    """
    lost_for = frozenset(_lost_for(connection, [worker for worker, _ in refused], now, agent))
    reasons = {job: answer for worker, answer in refused for job in worker.job_ids if job in lost_for}
    if not reasons:
        return
    most = {name: queue.max_submission_attempts for name, queue in instance.plugins.queues.items()}
    again: list[Job] = []
    lost: list[Job] = []
    for job in jobs.find_working(connection, reasons):
        is_last = job.submission_attempts + 1 >= most.get(job.queue, 0)
        (lost if reasons[job.job_id].permanent or is_last else again).append(job)
    _retry(connection, again, due)
    are_shared = {job for worker, _ in refused if worker.map_type is MapType.ONE_TO_MANY for job in worker.job_ids}
    shared_workers.forget(connection, are_shared.intersection(job.job_id for job in again))
    _end(connection, lost, reasons, now)
    ends = [(job, JobSubstatus.PREPARED) for job in again] + [(job, JobSubstatus.MISSED) for job in lost]
    kind = history.Kind.JOB
    history.record(
        connection,
        [
            history.Event(kind, job.job_id, now, job.substatus, became, reasons[job.job_id].reason, agent)
            for job, became in ends
        ],
    )


def _retry(connection: Connection, again: Sequence[Job], due: datetime) -> None:
    changes = [{"job_id": job.job_id, "submission_attempts": job.submission_attempts + 1} for job in again]
    jobs.change_working(connection, changes, {"substatus": JobSubstatus.PREPARED, "phase": JobPhase.SUBMIT, "due": due})


def _end(connection: Connection, lost: Sequence[Job], reasons: Mapping[int, Refused], now: datetime) -> None:
    changes = [
        {
            "job_id": job.job_id,
            "submission_attempts": job.submission_attempts + 1,
            "attributes": {
                **job.attributes,
                "pilotErrorCode": PilotError.SETUP,
                "pilotErrorDiag": reasons[job.job_id].reason,
            },
        }
        for job in lost
    ]
    same = {
        "status": JobStatus.MISSED,
        "substatus": JobSubstatus.MISSED,
        "phase": JobPhase.REPORT,
        "ended_at": now,
        **JOB_REPORT.set(now),
    }
    jobs.change_working(connection, changes, same)
