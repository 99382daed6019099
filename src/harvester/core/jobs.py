"""Jobs: what the PanDA server owns and a worker executes, and how their statuses may change.

A job has a status that the server understands and a sub-status that says where inside Harvester it stands
(core reference §4.1).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Final

from harvester.core.events import EventMode
from harvester.core.records import record_type
from harvester.core.workers import WorkerStatus


class JobStatus(StrEnum):
    """The status of a job as the server knows it; `missed` and `cancelled` are rewritten for the wire."""

    STARTING = "starting"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"
    MISSED = "missed"

    @property
    def is_final(self) -> bool:
        """Whether the payload has ended."""
        return self in FINAL_JOB_STATUSES


FINAL_JOB_STATUSES: Final = frozenset({JobStatus.FINISHED, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.MISSED})


class JobSubstatus(StrEnum):
    """Where a job stands inside Harvester."""

    FETCHED = "fetched"
    PREPARING = "preparing"
    PREPARED = "prepared"
    QUEUED = "queued"
    """Given to a running worker that may not know of it yet."""
    SUBMITTED = "submitted"
    RUNNING = "running"
    IDLE = "idle"
    TO_TRANSFER = "to_transfer"
    TRANSFERRING = "transferring"
    STAGED = "staged"
    FAILED_TO_PREPARE = "failed_to_prepare"
    FAILED_TO_MAKE = "failed_to_make"
    FAILED_TO_STAGE_OUT = "failed_to_stage_out"
    MISSED = "missed"
    KILLED = "killed"
    DONE = "done"


class PilotError(IntEnum):
    """Pilot error codes that Harvester itself sets on a job (core reference, appendix A)."""

    GENERAL = 1008
    STAGE_IN = 1099
    SETUP = 1110
    STAGE_OUT = 1137
    KILLED = 1144
    KILLED_BY_HARVESTER = 1236


@dataclass(frozen=True, slots=True)
class Kill:
    """Why a worker is to be killed, and what that means for its jobs.

    Attributes:
        error: the pilot error that they get.
        ends_jobs: whether the server or a person wants it, so that also those end that it has not taken up; else others
            get these.
    """

    reason: str
    error: PilotError = PilotError.KILLED
    ends_jobs: bool = True


@record_type
class Job:
    """One job as Harvester holds it; the full dictionary of the server is kept apart, being large.

    Attributes:
        job_id: PandaID.
        queue: name of the queue that fetched it.
        attributes: what the worker said of it, in the server's camelCase names.
        output_report: outputs to report, by LFN: `{"guid", "fsize", "adler32"}`.
        events: what it is divided into, if its workers get it in parts.
        events_left: parts that the server may still have for its workers; 0 for none, None for not known.
        outputs_needed: how many of its outputs workers have to tell of, 0 for none; None if that is a matter of names.
        submission_attempts: how many workers could not be submitted for it, or it could not be given to.
        config_version: the version of its queue's configuration that it was fetched with; None counts as the present.
    """

    job_id: int
    queue: str
    status: JobStatus
    substatus: JobSubstatus
    attempt: int = 0
    task_id: int | None = None
    priority: int = 0
    cores: int = 1
    resource_type: str | None = None
    label: str | None = None
    events: EventMode | None = None
    events_left: int | None = None
    outputs_needed: int | None = None
    submission_attempts: int = 0
    attributes: Mapping[str, object] = field(default_factory=dict)
    output_report: Mapping[str, object] | None = None
    meta_data: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    config_version: int | None = None


_FROM_WORKER: Final[Mapping[WorkerStatus, tuple[JobStatus, JobSubstatus]]] = {
    WorkerStatus.PENDING: (JobStatus.STARTING, JobSubstatus.SUBMITTED),
    WorkerStatus.SUBMITTED: (JobStatus.STARTING, JobSubstatus.SUBMITTED),
    WorkerStatus.READY: (JobStatus.STARTING, JobSubstatus.SUBMITTED),
    WorkerStatus.RUNNING: (JobStatus.RUNNING, JobSubstatus.RUNNING),
    WorkerStatus.IDLE: (JobStatus.RUNNING, JobSubstatus.IDLE),
    WorkerStatus.FINISHED: (JobStatus.FINISHED, JobSubstatus.TO_TRANSFER),
    WorkerStatus.FAILED: (JobStatus.FAILED, JobSubstatus.TO_TRANSFER),
    WorkerStatus.CANCELLED: (JobStatus.CANCELLED, JobSubstatus.TO_TRANSFER),
    WorkerStatus.MISSED: (JobStatus.MISSED, JobSubstatus.MISSED),
}


def job_status_from_worker(worker: WorkerStatus) -> tuple[JobStatus, JobSubstatus]:
    """What a job is when its worker is in the given status (core reference §4.1, mapping worker → job)."""
    return _FROM_WORKER[worker]


def wire_status(job: Job, *, events_open: bool = False) -> tuple[str, str]:
    """Status and sub-status as the server is told (core reference §4.1, protocol reference §6.4).

    An ended job whose outputs are still on their way, or whose event ranges the server does not know all, is
    `transferring`, unless it ended because the server wants it killed; `cancelled` and `missed` are unknown to the
    server and travel as `failed` with the original word as sub-status, or `pilot_closed` where Harvester gave up a
    worker before any pilot ran: the server then closes the job and tries it elsewhere.
    """
    if not job.status.is_final:
        return job.status, job.substatus
    is_held_up = events_open and job.substatus is not JobSubstatus.KILLED
    if is_held_up or job.substatus in {JobSubstatus.TO_TRANSFER, JobSubstatus.TRANSFERRING}:
        return "transferring", job.substatus
    if job.status is JobStatus.MISSED or _never_ran(job):
        return "failed", "pilot_closed"
    if job.status is JobStatus.CANCELLED:
        return "failed", job.status
    return job.status, job.substatus


def _never_ran(job: Job) -> bool:
    """Whether Harvester itself has ended the job's worker while it still waited in the batch system."""
    given_up = job.attributes.get("pilotErrorCode") == PilotError.KILLED_BY_HARVESTER
    return job.status is JobStatus.CANCELLED and given_up and job.started_at is None
