"""The built-in server of a process, where workers talk HTTP to it, and the sockets that outlive the process.

What serves HTTP is imported when it is wanted: it takes a tenth of a second and 7 MB, and most services have no door.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from harvester.core.clock import utc_now
from harvester.web.wanted import wants_server

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harvester.config.instance_sections import Frontend
    from harvester.service import Harvester
    from harvester.startup.loading import Configuration
    from harvester.web.embedded import EmbeddedServer


def sockets_for(configuration: Configuration, inherited: Sequence[int]) -> list[socket.socket]:
    """Sockets that listen as the configuration wants; those that are there already if they do.

    Args:
        configuration: whose `[frontend]` counts.
        inherited: file descriptors of sockets that an earlier program in this process has left.

    Raises:
        DoorError: the address, the port or the certificate cannot be used.
    """
    frontend, left = configuration.settings.frontend, sockets_of(inherited)
    is_wanted = wants_server(configuration.settings, configuration.queues)
    if is_wanted and left and _fit(left, frontend):
        return left
    for each in left:
        each.close()
    return _new_sockets(frontend) if is_wanted else []


def sockets_after(present: Sequence[socket.socket], configuration: Configuration) -> Sequence[socket.socket]:
    """Sockets for the program that takes the place of this one, had while this one could still go on without.

    Args:
        present: those of this one.
        configuration: whose `[frontend]` counts.

    Raises:
        DoorError: the address or the port cannot be had.
    """
    if still_fit(present, configuration):
        return present
    frontend = configuration.settings.frontend
    is_wanted = wants_server(configuration.settings, configuration.queues)
    if not is_wanted or any(each.getsockname()[1] == frontend.port_number for each in present):
        return []  # the same port at another address is free when this program has gone
    return _new_sockets(frontend)


def require_door(configuration: Configuration) -> None:
    """Make sure that workers could be let in, where the configuration wants that; the port is not tried.

    Raises:
        DoorError: the certificate cannot be used, or nothing would protect the tokens.
        KeyFileError: workers have to show tokens, and there is no usable key.
    """
    if not wants_server(configuration.settings, configuration.queues):
        return
    from harvester.plugins.worker_door import worker_tokens  # noqa: PLC0415 (see above)
    from harvester.web.embedded import require_usable  # noqa: PLC0415 (see above)

    require_usable(configuration.settings.frontend)
    if configuration.settings.frontend.auth_enable:
        worker_tokens(configuration.settings, utc_now).require_keys()


def _new_sockets(frontend: Frontend) -> list[socket.socket]:
    from harvester.web.embedded import listen, require_usable  # noqa: PLC0415 (see above)

    require_usable(frontend)
    return listen(frontend)


def sockets_of(handles: Sequence[int]) -> list[socket.socket]:
    """Sockets by their file descriptors."""
    return [socket.socket(fileno=handle) for handle in handles]


def still_fit(sockets: Sequence[socket.socket], configuration: Configuration) -> bool:
    """Whether these sockets, or none, are what the configuration wants."""
    if not wants_server(configuration.settings, configuration.queues):
        return not sockets
    return _fit(sockets, configuration.settings.frontend)


def open_door(harvester: Harvester, sockets: Sequence[socket.socket]) -> EmbeddedServer | None:
    """Answer workers from now on, where there are sockets for it; these stay open when the server is stopped.

    Raises:
        KeyFileError: workers have to show tokens, and there is no key.
    """
    if not sockets:
        return None
    from harvester.web.app import app_of  # noqa: PLC0415 (see above)
    from harvester.web.embedded import EmbeddedServer  # noqa: PLC0415 (see above)

    frontend = harvester.settings.frontend
    return EmbeddedServer(app_of(harvester), frontend, sockets=[each.dup() for each in sockets]).start()


def _fit(sockets: Sequence[socket.socket], frontend: Frontend) -> bool:
    wanted = socket.getaddrinfo(frontend.address, frontend.port_number, type=socket.SOCK_STREAM)[0][4]
    return [each.getsockname()[:2] for each in sockets] == [wanted[:2]]
