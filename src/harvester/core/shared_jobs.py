"""What becomes of a job that several workers share (mapType OneToMany), from all its workers (core reference §4.1)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from harvester.core.jobs import Job, JobStatus, JobSubstatus, PilotError
from harvester.core.workers import WorkerStatus

_STARTED: Final = frozenset({WorkerStatus.RUNNING, WorkerStatus.IDLE})
_BEST_END_FIRST: Final = (
    (WorkerStatus.FINISHED, JobStatus.FINISHED),
    (WorkerStatus.FAILED, JobStatus.FAILED),
    (WorkerStatus.CANCELLED, JobStatus.CANCELLED),
)


@dataclass(frozen=True, slots=True)
class JobWorker:
    """One worker of a job, as far as the job's own state depends on it."""

    worker_id: int
    status: WorkerStatus
    cores: int
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class SharedState:
    """How a job stands with all its workers; `status` is MISSED if none of them was ever taken by the resource."""

    status: JobStatus
    substatus: JobSubstatus
    cores: int
    started_at: datetime | None
    ended_at: datetime | None


def shared_state(job: Job, workers: Sequence[JobWorker], now: datetime) -> SharedState:
    """The job ends when all its workers have: one that finished is enough, else one that failed.

    Args:
        job: as it is known.
        workers: all that it ever had.
        now: when it ends if it does.
    """
    started = min((each.started_at for each in workers if each.started_at), default=None)
    started_at = job.started_at or started
    statuses = {each.status for each in workers}
    if all(status.is_final for status in statuses):
        end = next((became for status, became in _BEST_END_FIRST if status in statuses), JobStatus.MISSED)
        substatus = JobSubstatus.MISSED if end is JobStatus.MISSED else JobSubstatus.TO_TRANSFER
        return SharedState(end, substatus, _cores_used(job, workers, started_at, now), started_at, now)
    if _STARTED & statuses or job.status is JobStatus.RUNNING:
        cores = sum(each.cores for each in workers if each.status is WorkerStatus.RUNNING) or job.cores
        return SharedState(JobStatus.RUNNING, JobSubstatus.RUNNING, cores, started_at, None)
    is_taken = bool(statuses - {WorkerStatus.PENDING, WorkerStatus.MISSED})
    return SharedState(job.status, JobSubstatus.SUBMITTED if is_taken else job.substatus, job.cores, started_at, None)


def _cores_used(job: Job, workers: Sequence[JobWorker], started_at: datetime | None, now: datetime) -> int:
    """The cores that would have done in the job's whole time what its workers did in theirs."""
    spans = [
        (each.cores, ((each.ended_at or now) - each.started_at).total_seconds()) for each in workers if each.started_at
    ]
    lasted = (now - started_at).total_seconds() if started_at else 0
    if lasted <= 0:
        return job.cores
    return max(math.ceil(sum(cores * seconds for cores, seconds in spans) / lasted), 1)


def with_shared_error(job: Job, state: SharedState, cause: str) -> dict[str, object]:
    """The job's attributes, with a pilot error where it has ended badly and nothing else tells why."""
    if not state.status.is_final or state.status is JobStatus.FINISHED or job.attributes.get("pilotErrorCode"):
        return dict(job.attributes)
    code = PilotError.KILLED if state.status is JobStatus.CANCELLED else PilotError.GENERAL
    return {**job.attributes, "pilotErrorCode": code, "pilotErrorDiag": cause[:500]}
