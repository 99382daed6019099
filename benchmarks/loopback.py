"""Ports of this machine that nobody has."""

import errno
import random
import socket
from contextlib import suppress
from typing import Final

_NEVER_A_CLIENTS: Final = range(10_000, 32_768)
"""Below those that Linux gives to whoever calls: a server that goes away for a while finds its port free again."""


def free_socket() -> socket.socket:
    """A socket that listens on a free port of loopback."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    return listener


def free_port() -> int:
    """A port that was free a moment ago, for programs that want a number."""
    for port in random.sample(_NEVER_A_CLIENTS, 100):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError(errno.EADDRINUSE, "a hundred ports of loopback are taken")
