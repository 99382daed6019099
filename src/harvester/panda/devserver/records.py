"""What the development server remembers; every field is JSON, so that a state file can hold it.

Times are seconds since 1970, as the server's clock gave them.
"""

from dataclasses import dataclass, field, fields
from typing import Self

from pydantic import JsonValue

FINAL_JOB_STATUSES = frozenset({"finished", "failed", "cancelled", "closed"})
FINAL_WORKER_STATUSES = frozenset({"finished", "failed", "cancelled", "missed"})


@dataclass(slots=True)
class Record:
    """Something that can be stored and read back."""

    def to_record(self) -> dict[str, JsonValue]:
        """Give all fields but those that are stored apart."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.metadata.get("stored", True)}

    @classmethod
    def from_record(cls, record: dict[str, JsonValue], **apart: JsonValue) -> Self:
        """Read back what `to_record` gave."""
        return cls(**record, **apart)


@dataclass(slots=True)
class Job(Record):
    """One job with its whole history.

    Attributes:
        params: the dictionary of `acquire_jobs`, exactly as it is given out.
        closing: `finished` or `failed` while the Adder has not run yet and the status is `holding`.
        workers: `[harvester_id, worker_id]` pairs.
        received: `[time, status, sub_status, command answered, times in a row]` for each status ever received.
        times_acquired: more than 1 would be a fault of this server.
    """

    job_id: int
    site: str
    label: str
    resource_type: str
    priority: int
    attempt: int
    created: float
    params: dict[str, JsonValue] = field(metadata={"stored": False})
    status: str = "activated"
    sub_status: str | None = None
    command: str | None = None
    closing: str | None = None
    batch_id: str | None = None
    changed: float = 0.0
    acquired: float | None = None
    acquired_by: str | None = None
    times_acquired: int = 0
    updates: int = 0
    attributes: dict[str, JsonValue] = field(default_factory=dict)
    output_report: str | None = None
    meta_data: str | None = None
    errors: dict[str, JsonValue] = field(default_factory=dict)
    workers: list[list[str | int]] = field(default_factory=list)
    received: list[list[JsonValue]] = field(default_factory=list)

    @property
    def is_final(self) -> bool:
        """Whether the Adder has had its say."""
        return self.status in FINAL_JOB_STATUSES


@dataclass(slots=True)
class Worker(Record):
    """One worker as its Harvester, and later its pilot, reported it; `fields` has the wire's names.

    Attributes:
        statuses: those that it has had.
        told: those that were ever reported, also when they came too late to count.
    """

    harvester_id: str
    worker_id: int
    status: str
    changed: float
    fields: dict[str, JsonValue] = field(default_factory=dict)
    job_ids: list[int] = field(default_factory=list)
    pilot_status: str | None = None
    updates: int = 0
    statuses: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    @property
    def is_final(self) -> bool:
        """Whether the worker has ended."""
        return self.status in FINAL_WORKER_STATUSES


@dataclass(slots=True)
class CommandRecord(Record):
    """One order to an instance: `new`, then `retrieved`, then perhaps `acknowledged`."""

    command_id: int
    harvester_id: str
    command: str
    params: JsonValue
    ack_requested: int
    created: float
    state: str = "new"


@dataclass(slots=True)
class Instance(Record):
    """One Harvester instance, known since its first heartbeat.

    Attributes:
        metrics: the last service metrics, as they came.
        dialogs: the last messages by their number; one of the same number takes the old one's place.
    """

    harvester_id: str
    first_beat: float
    last_beat: float
    beats: int = 1
    columns: dict[str, JsonValue] = field(default_factory=dict)
    locks: list[JsonValue] = field(default_factory=list)
    statistics: dict[str, JsonValue] = field(default_factory=dict)
    metrics: list[JsonValue] = field(default_factory=list)
    dialogs: dict[str, JsonValue] = field(default_factory=dict)

    def serves(self, queue: str) -> bool:
        """Whether it has said anything about a queue: a lock on its commands, or its statistics."""
        locked = (lock.get("computingSite") for lock in self.locks if isinstance(lock, dict))
        return queue in self.statistics or queue in locked
