"""The one WSGI application of Harvester, the same under the built-in server, mod_wsgi and uWSGI."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import ClassVar, Protocol

import falcon
import structlog
from falcon import App, HTTPError, Request, Response

from harvester.config.service import Settings
from harvester.core.clock import Clock, utc_now
from harvester.plugins.pool import PluginPool
from harvester.plugins.worker_door import SAFE_DOOR, worker_tokens
from harvester.service import Harvester
from harvester.store import queues
from harvester.store.engine import Database
from harvester.web.callers import Callers
from harvester.web.door import Door
from harvester.web.known_workers import KnownWorkers
from harvester.web.monitoring import add_monitoring
from harvester.web.news import News
from harvester.web.wanted import queues_at_door

log = structlog.get_logger(__name__)

Application = App[Request, Response]


class Face(Protocol):
    """What serves a path; it says whom it admits, since each looks at its callers itself."""

    admits: ClassVar[str]


def nobody(*_agents: str) -> None:
    """Wakes no agent, where none runs in this process."""


def make_app(
    settings: Settings,
    db: Database,
    plugins: PluginPool,
    *,
    clock: Clock = utc_now,
    tick: Callable[[], float] = time.monotonic,
    wake: Callable[..., None] = nobody,
) -> Application:
    """The application with the door for workers.

    Args:
        settings: the main configuration.
        db: the instance's database.
        plugins: know what the files of workers are called.
        clock: the instance's time.
        tick: seconds of a clock that never goes back.
        wake: wakes agents of this process.

    Raises:
        KeyFileError: workers have to show tokens, and there is no key to verify them with.
    """
    frontend = settings.frontend
    tokens = worker_tokens(settings, clock, tick) if frontend.auth_enable else None
    if tokens is not None:
        tokens.require_keys()
    _tell_safety(settings, db, plugins, clock())
    callers = Callers(tokens, frontend.trusted_networks, tick)
    door = Door(callers, KnownWorkers(db, plugins, tick), News(db, clock, wake), verbose=frontend.verbose, tick=tick)
    app = App(media_type=falcon.MEDIA_TEXT)
    app.set_error_serializer(_serialize)
    app.add_error_handler(Exception, _last_resort)
    add_face(app, "/entry", door)
    return app


def add_face(app: Application, path: str, face: Face) -> None:
    """Serve something under a path; whoever does has decided whom it admits."""
    app.add_route(path, face)


def app_of(harvester: Harvester) -> Application:
    """The application of a service that runs in this process; faces that look into the service are added here.

    Raises:
        KeyFileError: as for `make_app`.
    """
    app = make_app(harvester.settings, harvester.db, harvester.plugins, clock=harvester.clock, wake=harvester.wake)
    add_monitoring(app, harvester)
    return app


def _tell_safety(settings: Settings, db: Database, plugins: PluginPool, now: datetime) -> None:
    """A door without tokens is told in the log, and in the notes of its queues until it asks for tokens again."""
    is_safe = settings.frontend.auth_enable
    places = ", ".join(["this host", *settings.frontend.trusted_networks])
    problem = (
        "" if is_safe else f"no token is asked for ([frontend] authEnable): whoever is on {places} may speak for them"
    )
    if problem:
        log.warning("the door is open without tokens: a worker may speak for any other", places=places)
    note = {"text": SAFE_DOOR if is_safe else "its workers are not told apart", "problem": problem}
    with db.write() as connection:
        queues.note(connection, "door", dict.fromkeys(queues_at_door(plugins), note), now)


def _serialize(_request: Request, response: Response, error: HTTPError) -> None:
    """What the framework refuses, such as a path that is none, in one line of text."""
    response.content_type = falcon.MEDIA_TEXT
    response.text = error.title


def _last_resort(request: Request, response: Response, error: Exception, _parameters: object) -> None:
    """A mistake of ours is told to the operator in full, and to the caller not at all."""
    log.error("a request could not be served", path=request.path[:100], exc_info=error)
    response.status = falcon.HTTP_500
    response.content_type = falcon.MEDIA_TEXT
    response.text = "internal error"
