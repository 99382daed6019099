"""The service and its application in one process of a web server."""

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import structlog

from harvester.core.errors import HarvesterError
from harvester.startup.doors import require_door
from harvester.startup.loading import Configuration
from harvester.startup.orders import Order
from harvester.startup.starting import OrderedError, start
from harvester.startup.states import State
from harvester.web.app import app_of

if TYPE_CHECKING:
    from harvester.service import Harvester

log = structlog.get_logger("harvester.service")

_RETRY_SECONDS: Final = 30.0
_LAST_SECONDS: Final = 5.0
_NOT_YET: Final = b"Harvester is starting, or waits for its database\n"


class Served:
    """A WSGI application that starts the service behind it.

    The web server is not kept waiting: requests are answered with 503 until the service works.

    Args:
        configuration: what to start.
        stop_seconds: how long work in hand may take at the end.
    """

    def __init__(self, configuration: Configuration, stop_seconds: float) -> None:
        self._configuration = configuration
        self._stop_seconds = stop_seconds
        self._stopping = threading.Event()
        self._harvester: Harvester | None = None
        self._app: WSGIApplication | None = None
        self._starting = threading.Thread(target=self._start, name="start", daemon=True)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        if self._app is not None:
            return self._app(environ, start_response)
        start_response("503 Service Unavailable", [("Content-Type", "text/plain"), ("Retry-After", "5")])
        return [_NOT_YET]

    def start(self) -> None:
        """Begin to start the service."""
        self._starting.start()

    def stop(self) -> None:
        """End the service: finish the work in hand, or leave it, and give back what is held."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._starting.join(_LAST_SECONDS)
        if self._harvester is not None:
            self._harvester.stop(self._stop_seconds)

    def _start(self) -> None:
        """Try again and again: what is missing may come, such as a credential."""
        while not self._stopping.is_set():
            try:
                if self._harvester is None:
                    require_door(self._configuration)  # before agents work for workers that nobody lets in
                    self._harvester = start(self._configuration, self._wait, _say_nothing)
                self._app = app_of(self._harvester)
            except OrderedError:
                return
            except HarvesterError as error:
                log.error("cannot start, it is tried again", problem=str(error), seconds=_RETRY_SECONDS)  # noqa: TRY400
                self._stopping.wait(_RETRY_SECONDS)
            except (Exception, SystemExit):  # the thread's edge: nobody else would ever tell why there is no service
                log.exception("cannot start, it is tried again", seconds=_RETRY_SECONDS)
                self._stopping.wait(_RETRY_SECONDS)
            else:
                return

    def _wait(self, seconds: float) -> Order | None:
        return Order.STOP if self._stopping.wait(seconds) else None


def _say_nothing(_state: State) -> None:
    """The web server itself tells the service manager how it does."""
