"""Named instants at which the process can be made to die or to freeze, to prove that nothing is lost by that.

`HARVESTER_KILL_AT=submitter.before_commit` kills the process with SIGKILL when it gets there for the first time,
`…:3` for the third time; `HARVESTER_FREEZE_AT` stops it with SIGSTOP, after a pause in which the other threads finish
what they are writing: SQLite lets nobody in beside a frozen writer. Without the variables the points do nothing.
"""

import os
import signal
import threading
import time
from functools import cache
from typing import Final

_LOCK: Final = threading.Lock()


class _Trap:
    """A signal that this process sends to itself, after a pause, when it comes to a point for the n-th time."""

    def __init__(self, variable: str, number: signal.Signals, pause: float) -> None:
        self._point, _, count = os.environ.get(variable, "").partition(":")
        self._left = int(count or 1)
        self._number = number
        self._pause = pause

    def is_sprung_by(self, name: str) -> bool:
        """Whether this was the n-th time."""
        if name != self._point:
            return False
        with _LOCK:
            self._left -= 1
            return self._left == 0

    def spring(self) -> None:
        """Send the signal."""
        time.sleep(self._pause)
        os.kill(os.getpid(), self._number)


@cache
def _traps() -> tuple[_Trap, ...]:
    """Read when the first point is reached: a process may be forked from one that has imported this already."""
    return (
        _Trap("HARVESTER_KILL_AT", signal.SIGKILL, pause=0),
        _Trap("HARVESTER_FREEZE_AT", signal.SIGSTOP, pause=0.5),
    )


def reach(name: str) -> None:
    """The process has come to the named instant."""
    for trap in _traps():
        if trap.is_sprung_by(name):
            trap.spring()
