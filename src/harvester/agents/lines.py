"""Whether the server answers, and when it is asked again while it does not: by one agent, once, and cheaply."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from harvester.panda.errors import PandaRefused, PandaUnavailable

_FIRST: Final = 0.5
_LAST: Final = 5.0
"""Seconds from one attempt to the next while the server does not answer: what is due is told soon after it does."""


class Line:
    """What one agent knows of the server.

    While it is in trouble the agent begins one unit at a time, at growing distances, and its other work waits as rows
    in the database. Whoever asks the server says so: work that was done without asking tells nothing about it.

    Args:
        most: failures in a row that mean trouble.
        tick: seconds of a clock that never goes back.
    """

    def __init__(self, most: int = 1, tick: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._tick = tick
        self._lock = threading.Lock()
        self._failures = 0
        self._pause = _FIRST
        self._next = 0.0

    @property
    def is_in_trouble(self) -> bool:
        """Whether the server has not answered lately."""
        return self._failures >= self._most

    @property
    def is_open(self) -> bool:
        """Whether the server may be asked now."""
        with self._lock:
            return not self.is_in_trouble or self._tick() >= self._next

    def begin(self) -> None:
        """The server is about to be asked."""
        with self._lock:
            if self.is_in_trouble:
                self._pause = min(self._pause * 2, _LAST)
                self._next = self._tick() + self._pause

    @contextmanager
    def asking(self) -> Iterator[None]:
        """A call to the server, from which is learnt whether it answers; to say no is an answer."""
        try:
            yield
        except PandaUnavailable:
            self.note_failure()
            raise
        except PandaRefused:
            self.note_answer()
            raise
        self.note_answer()

    def note_nothing_asked(self) -> None:
        """The server was not needed after all, so the next unit need not wait for its sake."""
        with self._lock:
            self._next = self._tick()

    def note_answer(self) -> None:
        """The server has answered what it was asked."""
        with self._lock:
            self._failures, self._pause = 0, _FIRST

    def note_failure(self) -> None:
        """The server could not be asked, or failed."""
        with self._lock:
            self._failures += 1
            if self._failures == self._most:
                self._next = self._tick() + self._pause
