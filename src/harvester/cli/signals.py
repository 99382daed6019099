"""Waiting for the order to stop."""

import os
import queue
import signal
from types import FrameType


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
        if self._stopping:
            return True
        try:
            self._orders.get(timeout=seconds)
        except queue.Empty:
            return False
        return True

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self._stopping:
            os._exit(128 + number)
        self._stopping = True
        self._orders.put(number)
