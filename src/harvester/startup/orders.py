"""Waiting for orders: what signals mean to a service."""

import os
import queue
import signal
import time
from enum import Enum
from types import FrameType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_GLANCE: Final = 1.0
"""Seconds after which the handler gets its chance, although nobody interrupted the wait: the signal came when the wait
was about to begin, or the kernel gave it to another thread."""
_STOP: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2)
"""SIGUSR2 is what service scripts of the earlier Harvester send (core reference §7.2)."""
SIGNALS: Final = frozenset({*_STOP, signal.SIGHUP})
"""All that have a meaning."""


class Order(Enum):
    """What the service is to do."""

    STOP = "stop"
    RELOAD = "reload"


class Orders:
    """Turns signals into orders; a second order to stop ends the process at once.

    SIGHUP is an order to reload for a service, which has no terminal. With one it says that the terminal is gone, and
    stops. The handler only puts into a SimpleQueue, which is made to be used inside signal handlers.

    Attributes:
        before_the_end: called before the process ends at once.
    """

    def __init__(self) -> None:
        self.before_the_end: Callable[[], object] | None = None
        self._orders: queue.SimpleQueue[Order] = queue.SimpleQueue()
        self._stopping = False
        self._has_terminal = _has_terminal()
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup wants the terminal to close without an end
                signal.signal(number, self._handle)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)  # they were held back while this program took over

    def leave_terminal(self) -> None:
        """From now on this is a service without a terminal."""
        self._has_terminal = False
        signal.signal(signal.SIGHUP, self._handle)

    def stop(self) -> None:
        """Give the order to stop, from within the process."""
        self._stopping = True
        self._orders.put(Order.STOP)

    def hold_back(self) -> bool:
        """Let signals wait for the program that takes this one's place; False if this one was ordered to stop first."""
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        return not self._stopping

    def wait(self, seconds: float | None = None) -> Order | None:
        """Wait for an order, at most so long; the order to stop stays."""
        end = None if seconds is None else time.monotonic() + seconds
        while not self._stopping:
            left = _GLANCE if end is None else end - time.monotonic()
            try:
                return self._orders.get(timeout=max(min(left, _GLANCE), 0))
            except queue.Empty:
                if left <= 0:
                    return None
        return Order.STOP

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP and not self._has_terminal:
            self._orders.put(Order.RELOAD)
            return
        if self._stopping:
            if self.before_the_end:
                self.before_the_end()
            os._exit(128 + number)
        self.stop()


def _has_terminal() -> bool:
    """Whether this process would be told that its terminal closes."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
