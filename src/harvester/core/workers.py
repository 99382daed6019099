"""Workers: one batch job each (a pilot), from the intent to submit one to its clean-up.

The life of a worker (core reference §4.2)::

    pending → submitted → running ⇄ idle → finished | failed | cancelled
       └────→ missed (it was never accepted by the resource)

`pending` is the intent, committed before the resource is asked (reliability: intent before action). A worker that was
submitted without jobs and asks for some is `ready` until it has them, whether it was seen running before or not.
"""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from typing import Final

from harvester.core.errors import IllegalTransitionError
from harvester.core.records import record_type


class MapType(StrEnum):
    """How jobs map to workers; the values are those of the queue configuration."""

    NO_JOB = "NoJob"
    ONE_TO_ONE = "OneToOne"
    ONE_TO_MANY = "OneToMany"
    MANY_TO_ONE = "ManyToOne"


class WorkerStatus(StrEnum):
    """The status of a worker; the values are those of the wire."""

    PENDING = "pending"
    SUBMITTED = "submitted"
    READY = "ready"
    RUNNING = "running"
    IDLE = "idle"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"
    MISSED = "missed"

    @property
    def is_final(self) -> bool:
        """Whether nothing of the worker can run any more."""
        return self in FINAL_WORKER_STATUSES


FINAL_WORKER_STATUSES: Final = frozenset(
    {WorkerStatus.FINISHED, WorkerStatus.FAILED, WorkerStatus.CANCELLED, WorkerStatus.MISSED}
)
LIVE_WORKER_STATUSES: Final = frozenset(WorkerStatus) - FINAL_WORKER_STATUSES
QUEUED_WORKER_STATUSES: Final = frozenset({WorkerStatus.PENDING, WorkerStatus.SUBMITTED, WorkerStatus.IDLE})

_BEGUN: Final = frozenset({WorkerStatus.READY, WorkerStatus.RUNNING, WorkerStatus.IDLE})
_ENDS: Final = frozenset({WorkerStatus.FINISHED, WorkerStatus.FAILED, WorkerStatus.CANCELLED})
_LEGAL: Final[Mapping[WorkerStatus, frozenset[WorkerStatus]]] = {
    WorkerStatus.PENDING: frozenset({WorkerStatus.SUBMITTED, WorkerStatus.MISSED}),
    WorkerStatus.SUBMITTED: _ENDS | {WorkerStatus.READY, WorkerStatus.RUNNING, WorkerStatus.IDLE},
    WorkerStatus.READY: _ENDS | {WorkerStatus.RUNNING, WorkerStatus.IDLE},
    WorkerStatus.RUNNING: _ENDS | {WorkerStatus.IDLE, WorkerStatus.READY},
    WorkerStatus.IDLE: _ENDS | {WorkerStatus.RUNNING, WorkerStatus.READY},
}


def next_worker_status(current: WorkerStatus, seen: WorkerStatus) -> WorkerStatus:
    """The status after the resource was seen in `seen`.

    A worker that has begun and is seen queued again (requeued by the batch system) becomes idle: it never goes back to
    submitted (core reference §4.2; a ready worker asks for jobs because it runs).

    Raises:
        IllegalTransitionError: an ended worker, or one whose submission is not settled, cannot change so.
    """
    if seen is current:
        return current
    if current in _BEGUN and seen is WorkerStatus.SUBMITTED:
        return WorkerStatus.IDLE
    if seen not in _LEGAL.get(current, frozenset()):
        raise IllegalTransitionError(f"a worker cannot go from {current} to {seen}")
    return seen


@record_type
class Worker:
    """One worker as the database holds it and as plugins see it.

    Attributes:
        marker: `<instance>-<worker id>`; travels in the batch job's name, comment or label and finds it again.
        ram_mb: memory for the whole worker in MB.
        disk_mb: scratch space in MB.
        walltime_s: requested walltime in seconds.
        access_point: directory that the worker shares with Harvester, placeholders already filled in.
        batch_id: identifier in the batch system, None until the submission is recorded.
        native_status: the batch system's own word for its state.
        error_code: supplemental error (≥ 1000), see worker error codes in the protocol.
        diagnostics: the last thing the resource said of it.
        log_urls: where its logs can be read: `stdOut`, `stdErr`, `batchLog`, `jdl`.
        unseen_since: since when every check of it answered "unknown"; None after a good check.
        config_version: the version of its queue's configuration that it was made with; None counts as the present one.
        late_binding: whether it gets jobs, or further ones, while it runs.
        launch_script: what its worker maker lets the batch job run; known only while it is submitted.
        variables: what its messenger has the batch job find in its environment; likewise.
    """

    worker_id: int
    queue: str
    status: WorkerStatus
    marker: str
    map_type: MapType = MapType.NO_JOB
    job_ids: tuple[int, ...] = ()
    cores: int = 1
    ram_mb: int = 0
    disk_mb: int = 0
    walltime_s: int = 0
    job_type: str | None = None
    resource_type: str | None = None
    pilot_type: str | None = None
    access_point: str = ""
    batch_id: str | None = None
    submission_host: str | None = None
    computing_element: str | None = None
    batch_queue: str | None = None
    node: str | None = None
    native_status: str | None = None
    exit_code: int | None = None
    error_code: int = 0
    diagnostics: str = ""
    sync_level: int | None = None
    log_urls: Mapping[str, str] = field(default_factory=dict)
    created_at: datetime | None = None
    submitted_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    unseen_since: datetime | None = None
    config_version: int | None = None
    late_binding: bool = False
    launch_script: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)


def log_of_worker(lfn: str, worker: Worker) -> str:
    """What the job's log is called that one of several workers of the job has packed (plugins reference §4.10).

    The server takes a file of this name for the one that the job declares.
    """
    return f"{lfn}._{worker.worker_id}"


def marker_of(instance: str, worker_id: int) -> str:
    """The text that identifies a worker's batch job on the resource."""
    return f"{instance}-{worker_id}"


def worker_of(instance: str, marker: str) -> int | None:
    """The worker that a marker identifies; None if it is of another instance, or no marker."""
    number = marker.removeprefix(f"{instance}-")
    return int(number) if number != marker and number.isascii() and number.isdigit() else None
