"""What plugins answer, as far as decisions are made of it; `plugins.api` hands these values on to their authors."""

from dataclasses import dataclass
from datetime import datetime

from harvester.core.records import record_type
from harvester.core.workers import WorkerStatus


@record_type
class Done:
    """The item was dealt with; repeating the call would change nothing."""


@dataclass(frozen=True, slots=True)
class Later:
    """The item cannot be dealt with now; ask again."""

    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The item cannot be dealt with, and asking again will not help."""

    reason: str


@record_type
class Seen:
    """The resource told the state of the batch job.

    Attributes:
        status: submitted, running, idle, finished, failed or cancelled.
        native_status: the batch system's own word.
        diagnostics: one line for the operator, at most 500 characters are kept.
        error_code: supplemental error code (≥ 1000) if the batch system told a reason, else 0.
    """

    status: WorkerStatus
    native_status: str | None = None
    exit_code: int | None = None
    diagnostics: str = ""
    error_code: int = 0
    node: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Gone:
    """A complete listing does not hold the batch job, and nothing tells how it ended."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """The resource could not be asked, or the answer cannot be trusted; nothing changes but the worker's timer."""

    reason: str


CheckOutcome = Seen | Gone | Unknown
