"""One request at a time, as long as none is stuck.

Python lets another thread in at each system call. Threads that are all in the middle of a request hand the interpreter
to and fro a dozen times in each, from core to core, and that costs as much as the requests themselves.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock


class Turn:
    """What threads wait for before they serve a request.

    Args:
        patience: seconds after which a thread goes on beside whoever has the turn, who may wait for a disk or a client.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._lock = Lock()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Wait for the turn, but not for long."""
        is_mine = self._lock.acquire(timeout=self._patience)
        try:
            yield
        finally:
            if is_mine:
                self._lock.release()
