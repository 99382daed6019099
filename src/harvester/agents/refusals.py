"""Queues whose resource takes nothing: they rest, for longer with every refusal, before new workers are made."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from harvester.core.rests import Rest


@dataclass(frozen=True, slots=True)
class Resting:
    """Why a queue gets no workers now.

    Attributes:
        seconds: how much longer.
        refusals: submissions in a row of which nothing was taken.
        reason: what the resource said last.
    """

    seconds: float
    refusals: int
    reason: str


class Refusals:
    """The queues of this process that rest.

    Without it, a queue whose workers fetch their own jobs would make and lose workers as fast as the resource refuses
    them, for no job runs out of attempts there.
    """

    def __init__(self, tick: Callable[[], float] = time.monotonic) -> None:
        self._tick = tick
        self._lock = threading.Lock()
        self._queues: dict[str, tuple[Rest, str]] = {}

    def note_refusal(self, queue: str, reason: str) -> None:
        """The resource took nothing of a submission."""
        with self._lock:
            rest, _ = self._queues.get(queue, (Rest(), ""))
            rest = replace(rest)
            rest.extend(self._tick())
            self._queues[queue] = rest, reason

    def forgive(self, queue: str) -> None:
        """The resource took something."""
        with self._lock:
            self._queues.pop(queue, None)

    def resting(self, queue: str) -> Resting | None:
        """How the queue rests; None if it may get workers."""
        with self._lock:
            rest, reason = self._queues.get(queue, (Rest(), ""))
        left = rest.until - self._tick()
        return Resting(left, rest.failures, reason) if left > 0 else None
