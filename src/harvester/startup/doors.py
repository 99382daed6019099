"""The built-in server of a process, where workers talk HTTP to it, and the sockets that outlive the process.

What serves HTTP is imported when it is wanted: it takes a tenth of a second and 7 MB, and most services have no door.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import structlog

from harvester.core.clock import utc_now
from harvester.core.errors import HarvesterError
from harvester.web.listening import DoorError, PortTakenError, listen, require_address
from harvester.web.wanted import wants_door, wants_server

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harvester.config.instance_sections import Frontend
    from harvester.service import Harvester
    from harvester.startup.loading import Configuration
    from harvester.web.embedded import EmbeddedServer

log = structlog.get_logger("harvester.service")


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
    if not wants_server(configuration.settings, configuration.queues):
        return []
    if not any(each.getsockname()[1] == frontend.port_number for each in present):
        return _new_sockets(frontend)
    require_address(frontend)
    return []  # the same port at another address is free when this program has gone


def require_door(configuration: Configuration) -> None:
    """Make sure that workers could be let in, where the configuration wants that; the port is not tried.

    Raises:
        DoorError: workers have to show tokens and there is no usable key, the certificate of the built-in server
            cannot be used, or nothing would protect the tokens.
    """
    settings = configuration.settings
    if not wants_door(settings, configuration.queues):
        return
    from harvester.plugins.tools.worker_tokens import KeyFileError  # noqa: PLC0415 (see above)
    from harvester.plugins.worker_door import worker_tokens  # noqa: PLC0415 (see above)
    from harvester.web.embedded import require_usable  # noqa: PLC0415 (see above)

    if settings.frontend.type == "simple":
        require_usable(settings.frontend)
    if not settings.frontend.auth_enable:
        return
    try:
        worker_tokens(settings, utc_now).require_keys()
    except KeyFileError as error:
        raise DoorError(f"[frontend] secretFile: {error}") from None


def _new_sockets(frontend: Frontend) -> list[socket.socket]:
    from harvester.web.embedded import require_usable  # noqa: PLC0415 (see above)

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


class ProcessDoor:
    """Where workers talk HTTP to one process: open from the start, or from when a queue comes whose workers do.

    Args:
        harvester: the service in this process.
        sockets: sockets that listen already; they stay open when the door is shut, for the next program.
        is_alone: whether no other process of this service wants the port.

    Raises:
        KeyFileError: workers have to show tokens, and there is no key.
    """

    def __init__(self, harvester: Harvester, sockets: Sequence[socket.socket], *, is_alone: bool) -> None:
        self._harvester = harvester
        self._is_alone = is_alone
        self._told = ""
        self.sockets = sockets
        self._server = self._opened(sockets) if sockets else None

    def open_if_wanted(self) -> None:
        """Open it now if a queue that has come meanwhile needs it; what is in the way is told once."""
        settings = self._harvester.settings
        if self._server is not None or not wants_server(settings, self._harvester.plugins):
            return
        try:
            sockets = _new_sockets(settings.frontend)
            self._server = self._opened(sockets)
        except (HarvesterError, OSError) as error:
            self._tell_trouble(error)
            return
        self.sockets = sockets
        if not self._is_alone:
            log.warning("the door is open in this process alone; start the service anew, so that all serve it")

    def shut(self) -> None:
        """Let nobody in any more; who is in is answered."""
        if self._server is not None:
            self._server.stop()

    def _opened(self, sockets: Sequence[socket.socket]) -> EmbeddedServer:
        from harvester.web.app import app_of  # noqa: PLC0415 (see above)
        from harvester.web.embedded import EmbeddedServer  # noqa: PLC0415 (see above)

        app = app_of(self._harvester)
        return EmbeddedServer(app, self._harvester.settings.frontend, sockets=[each.dup() for each in sockets]).start()

    def _tell_trouble(self, trouble: Exception) -> None:
        problem = str(trouble)
        if problem == self._told:
            return
        self._told = problem
        if isinstance(trouble, PortTakenError) and not self._is_alone:
            log.info("nothing is amiss if another process of this service has the door", problem=problem)
        else:
            log.error("a queue has workers that talk HTTP, and the door is shut; it is tried again", problem=problem)


def _fit(sockets: Sequence[socket.socket], frontend: Frontend) -> bool:
    wanted = socket.getaddrinfo(frontend.address, frontend.port_number, type=socket.SOCK_STREAM)[0][4]
    return [each.getsockname()[:2] for each in sockets] == [wanted[:2]]
