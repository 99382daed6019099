"""Named instants at which the process can be made to die or to freeze, to prove that nothing is lost by that.

`HARVESTER_KILL_AT=submitter.before_commit` kills the process with SIGKILL when it gets there for the first time,
`…:3` for the third time; `HARVESTER_FREEZE_AT` stops it with SIGSTOP while none of its other threads writes, for SQLite
lets nobody in beside a frozen writer. Without the variables the points do nothing.
"""

import os
import signal
import threading
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from typing import Final

_LOCK: Final = threading.Lock()
_TAKES_EFFECT: Final = 0.1
"""Seconds until a signal has reached all threads."""


@dataclass
class _Stillness:
    lock: AbstractContextManager[object] = field(default_factory=nullcontext)


_STILLNESS: Final = _Stillness()


def freeze_only_with(lock: AbstractContextManager[object]) -> None:
    """Whoever freezes holds this meanwhile: the right to write."""
    _STILLNESS.lock = lock


class _Trap:
    """A signal that this process sends to itself when it comes to a point for the n-th time."""

    def __init__(self, variable: str, number: signal.Signals) -> None:
        self._point, _, count = os.environ.get(variable, "").partition(":")
        self._left = int(count or 1)
        self._number = number

    def is_sprung_by(self, name: str) -> bool:
        """Whether this was the n-th time."""
        if name != self._point:
            return False
        with _LOCK:
            self._left -= 1
            return self._left == 0

    def spring(self) -> None:
        """Send the signal."""
        if self._number is signal.SIGKILL:
            os.kill(os.getpid(), self._number)
        with _STILLNESS.lock:
            os.kill(os.getpid(), self._number)
            time.sleep(_TAKES_EFFECT)


@cache
def _traps() -> tuple[_Trap, ...]:
    """Read when the first point is reached: a process may be forked from one that has imported this already."""
    return _Trap("HARVESTER_KILL_AT", signal.SIGKILL), _Trap("HARVESTER_FREEZE_AT", signal.SIGSTOP)


def reach(name: str) -> None:
    """The process has come to the named instant."""
    for trap in _traps():
        if trap.is_sprung_by(name):
            trap.spring()
