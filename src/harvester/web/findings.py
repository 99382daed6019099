"""What `harvester check` says of the door for workers: whether it will open, and whom it would let in."""

import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from harvester.config.findings import Finding, Severity, severity_of_missing
from harvester.config.instance_sections import Frontend
from harvester.config.queues import LoadedQueues
from harvester.config.service import Loaded
from harvester.plugins.tools.worker_tokens import KeyFileError, read_keys
from harvester.web.embedded import require_usable
from harvester.web.listening import DoorError
from harvester.web.wanted import queues_at_door

_UNSAFE = "without tokens a worker may speak for any other"


@dataclass(frozen=True, slots=True)
class _Teller:
    """Makes findings about keys of `[frontend]`."""

    loaded: Loaded

    def __call__(self, severity: Severity, key: str, problem: str, advice: str) -> Finding:
        at = self.loaded.key_at("frontend", key)
        return Finding(severity, at.file, at.line, f"frontend.{key}", problem, advice)


def door_findings(loaded: Loaded, queues: LoadedQueues) -> Iterator[Finding]:
    """What keeps workers of the queues that are served from coming in, and what lets in others."""
    if loaded.settings is None:
        return
    frontend, tell = loaded.settings.frontend, _Teller(loaded)
    if not frontend.verify_token:
        yield tell(Severity.WARNING, "verifyToken", "tokens are verified all the same", "remove it")
    comers = queues_at_door(queues)
    is_built_in = frontend.type == "simple"
    if comers and is_built_in and frontend.enable is False:
        problem = f"workers of {', '.join(comers[:3])} talk HTTP, and the door stays shut"
        yield tell(Severity.WARNING, "enable", problem, "remove it, or take another messenger")
    if not comers and (is_built_in and not frontend.enable):
        return
    yield from _about_tokens(frontend, tell)
    if is_built_in and frontend.enable is not False:
        yield from _about_server(frontend, tell)
    elif comers and not frontend.url and not is_built_in:
        problem = "workers are not told where the door is"
        yield tell(Severity.WARNING, "url", problem, "write url = https://host:port as the web server has it")


def _about_tokens(frontend: Frontend, tell: _Teller) -> Iterator[Finding]:
    if not frontend.auth_enable:
        who = ", ".join(["this host", *frontend.trusted_networks])
        yield tell(
            Severity.WARNING, "authEnable", f"{_UNSAFE}; {who} may come in so", "remove it as soon as pilots can"
        )
        return
    if frontend.secret_file is None:
        problem = "no file has the key that tokens of workers are signed with, so none comes in"
        yield tell(Severity.ERROR, "secretFile", problem, "name one, and run harvester door-key")
        return
    try:
        read_keys(Path(frontend.secret_file))
    except KeyFileError as error:
        problem, _, advice = str(error).rpartition("; ")
        severity = Severity.ERROR
        if not Path(frontend.secret_file).exists():
            severity = severity_of_missing(frontend.secret_file, Severity.ERROR)
        yield tell(severity, "secretFile", problem, advice)


def _about_server(frontend: Frontend, tell: _Teller) -> Iterator[Finding]:
    try:
        require_usable(frontend)
    except DoorError as error:
        key, _, rest = str(error).removeprefix("[frontend] ").partition(": ")
        problem, _, advice = rest.rpartition("; ")
        yield tell(Severity.ERROR, key, problem, advice)
    else:
        if _is_taken(frontend):
            problem = f"port {frontend.port_number} is in use"
            advice = "that is well if this service has it, else choose another"
            yield tell(Severity.INFO, "portNumber", problem, advice)


def _is_taken(frontend: Frontend) -> bool:
    """Whether somebody answers there; to try to listen would get in the way of a service that starts."""
    host = "127.0.0.1" if frontend.address in {"0.0.0.0", "::"} else frontend.address  # noqa: S104 (compared, not bound)
    try:
        with closing(socket.create_connection((host, frontend.port_number), 1)):
            return True
    except OSError:
        return False
