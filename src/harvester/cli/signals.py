"""Waiting for the order to stop."""

import os
import queue
import signal
import time
from types import FrameType
from typing import Final

_GLANCE: Final = 1.0
"""Seconds after which the handler gets its chance, although nobody interrupted the wait: the signal came when the wait
was about to begin, or the kernel gave it to another thread."""


class StopSignals:
    """Turns SIGTERM, SIGINT and SIGHUP into an order to stop; a second one ends the process at once.

    The handler only puts into a SimpleQueue, which is made to be used inside signal handlers.
    """

    def __init__(self) -> None:
        self._orders: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._stopping = False
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup wants the terminal to close without an end
                signal.signal(number, self._handle)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the order, at most so long; whether it has come."""
        end = None if seconds is None else time.monotonic() + seconds
        while not self._stopping:
            left = _GLANCE if end is None else end - time.monotonic()
            try:
                self._orders.get(timeout=max(min(left, _GLANCE), 0))
            except queue.Empty:
                if left <= 0:
                    break
        return self._stopping

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self._stopping:
            os._exit(128 + number)
        self._stopping = True
        self._orders.put(number)
