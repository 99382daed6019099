"""Tells systemd how the service does: sd_notify(3), for units of `Type=notify`, with watchdog."""

import os
import socket
import time
from collections.abc import Mapping
from typing import Final

from harvester.startup.states import State

_SOCKET: Final = "NOTIFY_SOCKET"
_WORDS: Final[Mapping[State, str]] = {
    State.WAITING: "STATUS=waiting for the database\nEXTEND_TIMEOUT_USEC=60000000",
    State.READY: "READY=1\nSTATUS=at work",
    State.ALIVE: "WATCHDOG=1",
    State.RELOADING: "RELOADING=1\nSTATUS=starting anew",
    State.STOPPING: "STOPPING=1\nSTATUS=finishing the work in hand",
}
"""Waiting is no failure to start, however long it takes."""


class Manager:
    """The service manager, if one wants to be told.

    The variable is taken out of the environment: commands of plugins must not speak for the service.
    """

    def __init__(self) -> None:
        self._address = os.environ.pop(_SOCKET, "")

    def tell(self, state: State) -> None:
        """Say it; a manager that cannot be reached is no reason to do anything else."""
        if not self._address:
            return
        words = _WORDS[state]
        if state is State.RELOADING:
            words += f"\nMONOTONIC_USEC={time.monotonic_ns() // 1000}"
        place = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            try:
                line.sendto(words.encode(), place)
            except OSError:
                return

    def hand_over(self) -> None:
        """Let the program that takes this one's place speak for the service."""
        if self._address:
            os.environ[_SOCKET] = self._address
