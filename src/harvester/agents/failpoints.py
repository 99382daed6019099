"""Named instants at which the process can be made to die or to freeze, to prove that nothing is lost by that.

`HARVESTER_KILL_AT=submitter.before_commit` kills the process with SIGKILL when it gets there for the first time,
`…:3` for the third time; `HARVESTER_FREEZE_AT` stops it with SIGSTOP. Without the variables the points do nothing.
"""

import os
import signal
import threading
from functools import cache
from typing import Final

_LOCK: Final = threading.Lock()


class _Trap:
    """A signal that this process sends to itself when it comes to a point for the n-th time."""

    def __init__(self, variable: str, number: signal.Signals) -> None:
        self._point, _, count = os.environ.get(variable, "").partition(":")
        self._left = int(count or 1)
        self._number = number

    def reach(self, name: str) -> None:
        if name != self._point:
            return
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), self._number)


@cache
def _traps() -> tuple[_Trap, ...]:
    """Read when the first point is reached: a process may be forked from one that has imported this already."""
    return _Trap("HARVESTER_KILL_AT", signal.SIGKILL), _Trap("HARVESTER_FREEZE_AT", signal.SIGSTOP)


def reach(name: str) -> None:
    """The process has come to the named instant."""
    with _LOCK:
        for trap in _traps():
            trap.reach(name)
