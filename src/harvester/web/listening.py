"""The sockets on which the built-in server listens, as `[frontend]` wants them."""

import errno
import socket
from typing import Final

from harvester.config.instance_sections import Frontend
from harvester.core.errors import HarvesterError

BACKLOG: Final = 512
"""Connections that wait to be accepted."""
_ANY_PORT: Final = 0


class DoorError(HarvesterError):
    """Workers could not be let in; the message names the key and what to do."""


class PortTakenError(DoorError):
    """Somebody listens there; maybe another process of this service."""


def listen(frontend: Frontend) -> list[socket.socket]:
    """Sockets on the address and port of the configuration; processes that are started later may share them.

    Raises:
        PortTakenError: somebody listens there already.
        DoorError: the address or the port cannot be had.
    """
    require_address(frontend)
    try:
        return [_listener(frontend.address, frontend.port_number)]
    except OSError as error:
        kind = PortTakenError if error.errno == errno.EADDRINUSE else DoorError
        raise kind(
            f"[frontend] portNumber: {frontend.address}, port {frontend.port_number} cannot be had: {error.strerror}; "
            "stop whatever listens there, or choose another port"
        ) from None


def require_address(frontend: Frontend) -> None:
    """Make sure that this host has the address of the configuration; its port may be taken.

    Raises:
        DoorError: it has not.
    """
    try:
        _listener(frontend.address, _ANY_PORT).close()
    except OSError as error:
        raise DoorError(
            f"[frontend] address: {frontend.address} cannot be used: {error.strerror}; name an address of this host"
        ) from None


def _listener(host: str, port: int) -> socket.socket:
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener
