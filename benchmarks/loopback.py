"""Ports of this machine that nobody has."""

import socket


def free_socket() -> socket.socket:
    """A socket that listens on a free port of loopback."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    return listener


def free_port() -> int:
    """A port that was free a moment ago, for programs that want a number."""
    with free_socket() as listener:
        return int(listener.getsockname()[1])
