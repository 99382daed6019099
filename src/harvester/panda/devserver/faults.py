"""Faults on demand: what a sick server or network does to a client."""

from dataclasses import dataclass
from enum import StrEnum
from threading import Lock

EVERY_METHOD = "*"


class FaultKind(StrEnum):
    """What happens to a call; those that act do so before they go wrong."""

    HTTP_500 = "http_500"
    HTML = "html"
    HALF_BODY = "half_body"
    """Acts, and sends the first half of the answer."""
    HANG = "hang"
    """Says nothing for `seconds`, then closes the connection; does not act."""
    SLOW = "slow"
    """Answers rightly, after `seconds`."""
    REFUSE = "refuse"
    """Success false."""
    DB_DOWN = "db_down"
    """The answers a real server gives while its database is away."""
    DROP_AFTER = "drop_after"
    """Acts, and closes the connection without a word."""
    SHORT_LIST = "short_list"
    """Acts, and leaves the last entry out of a list of answers."""


@dataclass(slots=True)
class Fault:
    """A fault that is switched on for one method, as `pilot/acquire_jobs`, or for all; `count` None = until cleared."""

    kind: FaultKind
    method: str = EVERY_METHOD
    count: int | None = None
    seconds: float = 0.0


class Faults:
    """All faults that are on; the oldest that fits comes first."""

    def __init__(self) -> None:
        self._on: list[Fault] = []
        self._lock = Lock()

    def add(self, fault: Fault) -> None:
        """Switch a fault on."""
        with self._lock:
            self._on.append(fault)

    def clear(self) -> None:
        """Switch all faults off."""
        with self._lock:
            self._on.clear()

    def take(self, method: str) -> Fault | None:
        """Give the fault of this call and use it up by one."""
        with self._lock:
            for fault in self._on:
                if fault.method in {EVERY_METHOD, method}:
                    self._use(fault)
                    return fault
            return None

    def _use(self, fault: Fault) -> None:
        if fault.count is not None:
            fault.count -= 1
            if fault.count <= 0:
                self._on.remove(fault)
