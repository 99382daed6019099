"""A child of the service, seen from its parent and by itself.

Both hold an end of a socket pair. The child writes there how it does, and stops when the other end is gone: so none is
left over when the parent is killed, and the parent knows which of its children work.
"""

import socket
import subprocess
import threading
from dataclasses import dataclass
from typing import Final

from harvester.startup.orders import Orders
from harvester.startup.serving import STOP_SECONDS
from harvester.startup.states import State

_GRACE: Final = STOP_SECONDS + 10.0
"""Seconds after which a child that was told to stop is killed."""
_SILENT: Final = 300.0
"""Seconds without a word after which a child that has worked is stuck."""


class ParentLine:
    """The line of a child to its parent.

    Args:
        handle: file descriptor of its end.
        orders: get the order to stop when the parent is gone.
    """

    def __init__(self, handle: int, orders: Orders) -> None:
        self._line = socket.socket(fileno=handle)
        self._orders = orders
        threading.Thread(target=self._listen, name="parent", daemon=True).start()

    def tell(self, state: State) -> None:
        """Say how it does; whoever has no parent any more is about to stop."""
        try:
            self._line.send(state.value)
        except OSError:
            return

    def _listen(self) -> None:
        """A parent never says anything: what ends the waiting is its end."""
        try:
            self._line.recv(1)
        finally:
            self._orders.stop()


@dataclass(slots=True)
class Child:
    """A process, and what it has said last.

    Attributes:
        heard: when it said something last; a tick of the parent, as `born` and `killed_after`.
        killed_after: it was told to stop, and is killed if it has not until then.
    """

    process: subprocess.Popen[bytes]
    line: socket.socket
    born: float
    heard: float
    state: State | None = None
    killed_after: float | None = None

    @property
    def is_ready(self) -> bool:
        """Whether it works."""
        return self.state is State.READY

    def has_ended(self) -> bool:
        """Whether it is no more."""
        return self.process.poll() is not None

    def listen(self, now: float) -> None:
        """Hear what it has said since."""
        try:
            words = self.line.recv(4096)
        except BlockingIOError:
            return
        if words:
            self.heard = now
            said = [State(bytes([word])) for word in words]
            self.state = State.READY if self.is_ready or State.READY in said else said[-1]

    def is_stuck(self, now: float) -> bool:
        """Whether it has worked, and lives without doing anything."""
        return self.is_ready and now - self.heard > _SILENT

    def stop(self, now: float) -> None:
        """Tell it to stop, unless it knows."""
        if self.killed_after is None:
            self.killed_after = now + _GRACE
            self.process.terminate()

    def kill_if_late(self, now: float) -> None:
        """It had time enough."""
        if self.killed_after is not None and now > self.killed_after:
            self.process.kill()
