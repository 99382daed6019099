"""How workers find the door through which they talk to Harvester, and what shows there who they are.

The token of a worker is a file in its access point, readable by the owner only. What goes to the batch job is where the
door and that file are, never the token itself: batch systems show scripts and environments to many.
"""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Final

from harvester.plugins.tools.atomic_files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from harvester.config.instance_sections import Frontend
    from harvester.config.service import Settings
    from harvester.core.clock import Clock
    from harvester.core.workers import Worker
    from harvester.plugins.tools.worker_tokens import WorkerTokens

SHOWN_AT_DOOR: Final = "door_token"
"""Name of the file in the access point; no pattern of log files fits it."""
URL_VARIABLE: Final = "HARVESTER_DOOR_URL"
SHOWN_VARIABLE: Final = "HARVESTER_DOOR_TOKEN_FILE"
SAFE_DOOR: Final = "its workers show their tokens at the door"
"""What the note of a queue says while there is nothing to complain about."""

_UNKNOWN_WALLTIME: Final = timedelta(days=4)
"""What a worker may take that states nothing; upstream's tokens live so long (plugins reference §5.3)."""
_GRACE: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class WorkerDoor:
    """The door as workers are told of it.

    Attributes:
        url: where it is; empty if the configuration does not say it.
        tokens: issues what workers show there; None where nothing is asked for.
        waiting: how long a worker may wait in the batch system before it runs.
    """

    url: str
    tokens: WorkerTokens | None
    waiting: timedelta

    @classmethod
    def of(cls, settings: Settings, clock: Clock) -> WorkerDoor:
        """The door that the configuration describes; its keys are read when they are needed."""
        frontend = settings.frontend
        tokens = worker_tokens(settings, clock) if frontend.auth_enable else None
        return cls(url_of(frontend), tokens, timedelta(seconds=settings.monitor.worker_queue_time_limit))

    def admit(self, worker: Worker) -> Mapping[str, str]:
        """Put the worker's token into its access point; returns the variables that its batch job is to have.

        Raises:
            KeyFileError: no token can be signed.
            OSError: it cannot be written.
        """
        place = {URL_VARIABLE: self.url} if self.url else {}
        if self.tokens is None:
            return place
        file = f"{worker.access_point}/{SHOWN_AT_DOOR}"
        write_atomically(file, self.tokens.issue(worker.worker_id, self._lifetime(worker)), private=True)
        return {**place, SHOWN_VARIABLE: file}

    def _lifetime(self, worker: Worker) -> timedelta:
        """As long as the worker may wait and run; once it has ended the token is worth nothing anyhow."""
        return self.waiting + (timedelta(seconds=worker.walltime_s) or _UNKNOWN_WALLTIME) + _GRACE


def worker_tokens(settings: Settings, clock: Clock, tick: Callable[[], float] = time.monotonic) -> WorkerTokens:
    """The tokens of the instance's workers, by the keys of `[frontend] secretFile`."""
    from harvester.plugins.tools.worker_tokens import KeyFile, WorkerTokens  # noqa: PLC0415 (few need its library)

    secret_file = settings.frontend.secret_file
    return WorkerTokens(settings.master.harvester_id, KeyFile(Path(secret_file) if secret_file else None, tick), clock)


def url_of(frontend: Frontend) -> str:
    """Where workers find the door; empty if another server opens it and nobody has said where."""
    if frontend.url:
        return frontend.url.rstrip("/")
    if frontend.type != "simple":
        return ""
    host = socket.getfqdn() if _is_any(frontend.address) else frontend.address
    scheme = "https" if frontend.cert_file else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{frontend.port_number}"


def is_loopback(address: str) -> bool:
    """Whether what listens there is reached from this host alone."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _is_any(address: str) -> bool:
    """Whether it stands for all addresses of this host."""
    try:
        return ip_address(address).is_unspecified
    except ValueError:
        return False
