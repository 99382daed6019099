"""How often somebody may ask."""

import threading
import time
from collections.abc import Callable, Hashable
from typing import Final

_REMEMBERED: Final = 100_000


class Rate:
    """So many calls a second for each of many callers, and some at once after a time without any.

    Args:
        per_second: calls that a caller may make in the long run.
        at_once: calls that it may make in a moment.
        tick: seconds of a clock that never goes back.
    """

    def __init__(self, per_second: float, at_once: float, tick: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._at_once = at_once
        self._tick = tick
        self._lock = threading.Lock()
        self._rooms: dict[Hashable, tuple[float, float]] = {}
        """What a caller had left, and when that was."""

    def allows(self, caller: Hashable) -> bool:
        """Whether the caller may ask now; if so, it has."""
        now = self._tick()
        with self._lock:
            left, since = self._rooms.pop(caller, (self._at_once, now))
            left = min(left + (now - since) * self._per_second, self._at_once)
            is_allowed = left >= 1
            self._rooms[caller] = (left - 1 if is_allowed else left, now)
            if len(self._rooms) > _REMEMBERED:
                del self._rooms[next(iter(self._rooms))]
            return is_allowed
