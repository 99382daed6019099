"""The web servers that Harvester can run in, and what each of them says of the end of a process."""

import atexit
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

from harvester.core.errors import HarvesterError


class HostingError(HarvesterError):
    """The web server is set up so that agents could not work in its processes."""


@dataclass(frozen=True, slots=True)
class Host:
    """A web server.

    Attributes:
        stop_seconds: how long it lets work in hand go on when a process is to end.
        at_the_end: has something called then.
    """

    stop_seconds: float
    at_the_end: Callable[[Callable[[], object]], object]


def find_host() -> Host:
    """The web server whose process this is.

    Raises:
        HostingError: its configuration has to be changed.
    """
    if uwsgi := _module("uwsgi"):
        sys.executable = str(Path(sys.prefix, "bin", "python"))  # it says that it is the interpreter itself
        return _uwsgi(uwsgi)
    mod_wsgi = _module("mod_wsgi")
    if mod_wsgi and hasattr(mod_wsgi, "process_group"):  # without, it is the package that builds the module
        return _mod_wsgi(mod_wsgi)
    return Host(25.0, atexit.register)


def _uwsgi(uwsgi: ModuleType) -> Host:
    """It waits for `worker-reload-mercy`, which the shipped file sets to more than this."""
    if uwsgi.worker_id() == 0:
        raise HostingError(
            "uWSGI has loaded Harvester before it forked its processes, in which no agent would run then: "
            "set lazy-apps = true"
        )

    def at_the_end(stop: Callable[[], object]) -> None:
        uwsgi.atexit = stop  # type: ignore[attr-defined]  # the module's own way to register

    return Host(25.0, at_the_end)


def _mod_wsgi(mod_wsgi: ModuleType) -> Host:
    """Apache kills processes three seconds after it told them to stop; what is not finished then is taken over."""
    if not mod_wsgi.process_group:
        raise HostingError(
            "Harvester needs daemon processes of mod_wsgi, those of Apache itself come and go: "
            "set WSGIDaemonProcess and WSGIProcessGroup"
        )
    return Host(1.5, atexit.register)


def _module(name: str) -> ModuleType | None:
    """A module that only exists inside of its server."""
    try:
        return import_module(name)
    except ImportError:
        return None
