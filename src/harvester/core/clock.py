"""The one clock: time is passed in, never read below the composition root."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

Clock = Callable[[], datetime]
"""Returns the present moment as an aware UTC datetime."""

MOST_APART: Final = timedelta(seconds=15)
"""By no more than that do the times differ by which the processes of one instance live (`agents.housekeeper`)."""
_SHARE: Final = 0.1
"""Of the time that passes, by which a clock may be made faster or slower: an hour is made up for in ten."""
_TOO_FAR: Final = timedelta(days=1)


def utc_now() -> datetime:
    """The real clock; only the composition root and the faces hand it out."""
    return datetime.now(UTC)


class SteadyClock:
    """An instance's own time: that of the system, except that it never jumps.

    When somebody sets the system's clock, what was promised for a moment must neither come true at once nor wait until
    that moment comes again. So this clock goes on as if nothing had happened and only runs a little faster or slower
    until both agree; a difference of more than a day, which it would not make up for in time, is taken over at once.

    Args:
        system: the system's clock.
        tick: seconds of a clock that never goes back.
    """

    def __init__(self, system: Clock = utc_now, tick: Callable[[], float] = time.monotonic) -> None:
        self._system = system
        self._tick = tick
        self._lock = threading.Lock()
        self._now = system()
        self._ticked = tick()
        self._lean = timedelta()

    def __call__(self) -> datetime:
        """The instance's time."""
        with self._lock:
            ticked = self._tick()
            passed = timedelta(seconds=ticked - self._ticked)
            self._ticked = ticked
            missing = self._system() + self._lean - self._now - passed
            most = abs(missing) if abs(missing) > _TOO_FAR else passed * _SHARE
            self._now += passed + min(max(missing, -most), most)
            return self._now

    def ahead(self) -> timedelta:
        """By how much this clock is ahead of the system's; negative if it is behind."""
        return self() - self._system()

    def begin_at(self, moment: datetime) -> None:
        """Take over the time of an instance that is at work already."""
        with self._lock:
            self._now, self._ticked = moment, self._tick()

    def lean(self, by: timedelta) -> None:
        """Agree from now on with the system's clock plus so much, which is the time of somebody else."""
        with self._lock:
            self._lean = by
