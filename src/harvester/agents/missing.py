"""What becomes of jobs whose worker could not be submitted."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from harvester.core.jobs import Job, JobStatus, JobSubstatus, PilotError
from harvester.core.workers import Worker
from harvester.plugins.api import Refused
from harvester.store import history, jobs
from harvester.store.schema import JobPhase


def release_jobs(
    connection: Connection,
    refused: Sequence[tuple[Worker, Refused]],
    max_attempts: Mapping[str, int],
    now: datetime,
    retry_after: timedelta,
) -> None:
    """Jobs get another worker after a while, or end as missed when that cannot help any more.

    A refusal that is not permanent is tried again `maxSubmissionAttempts` times in all (core reference §3.6 step 13).
    """
    reasons = {job: answer for worker, answer in refused for job in worker.job_ids}
    if not reasons:
        return
    found = jobs.find(connection, reasons)
    lost = [
        job
        for job in found
        if reasons[job.job_id].permanent or job.submission_attempts + 1 >= max_attempts.get(job.queue, 0)
    ]
    again = [job for job in found if job not in lost]
    _retry(connection, again, now + retry_after)
    _end(connection, lost, reasons, now)
    causes = {job.job_id: reasons[job.job_id].reason for job in found}
    events = [_event(job, JobSubstatus.PREPARED, causes[job.job_id], now) for job in again]
    events += [_event(job, JobSubstatus.MISSED, causes[job.job_id], now) for job in lost]
    history.record(connection, events)


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
        "report_due": now,
        "report_fence": 0,
    }
    jobs.change_working(connection, changes, same)


def _event(job: Job, became: str, reason: str, now: datetime) -> history.Event:
    return history.Event(history.Kind.JOB, job.job_id, now, job.substatus, became, reason, "submitter")
