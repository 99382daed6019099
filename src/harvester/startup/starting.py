"""What has to be done before the agents can work, whoever starts them: the command line or a web server."""

from collections.abc import Callable
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Final, TypeVar

import stamina
import structlog
from sqlalchemy.exc import SQLAlchemyError

from harvester.agents.told_findings import tell_findings
from harvester.config.service import Settings
from harvester.core.clock import utc_now
from harvester.core.errors import HarvesterError
from harvester.logs import set_up_logs
from harvester.panda.errors import CredentialError
from harvester.service import Harvester, database_url, open_database
from harvester.startup.doors import require_door
from harvester.startup.loading import Configuration
from harvester.startup.orders import Order
from harvester.startup.processes import list_processes
from harvester.startup.settings_checks import (
    credential_finding,
    missing_driver,
    place_error,
    unusable_credential,
    unwritable,
)
from harvester.startup.states import State, Tell
from harvester.store.engine import Database, StoreRefusedError, StoreUnavailableError
from harvester.store.migrate import TablesError

T = TypeVar("T")
Wait = Callable[[float], Order | None]
"""Waits so many seconds for an order."""

_RETRY_SECONDS: Final = 3.0


class StartError(HarvesterError):
    """The service cannot start; the message says what to correct."""


class OrderedError(HarvesterError):
    """An order came before the service had started."""

    def __init__(self, order: Order) -> None:
        super().__init__(f"{order.value} was ordered before the service had started")
        self.order = order


def prepare(configuration: Configuration, output: Path | None = None) -> None:
    """Set up the log, and make sure that the service could start.

    Args:
        configuration: what is to be started.
        output: the file of a daemon, in place of standard error.

    Raises:
        StartError: as for `require_places`.
    """
    require_places(configuration)
    set_up_logs(configuration.settings, output)
    stamina.instrumentation.set_on_retry_hooks([])  # what is retried and why is logged by those who ask


def require_places(configuration: Configuration) -> None:
    """Make sure of what a start needs on this host; neither the database nor a server is asked.

    Raises:
        StartError: something cannot be written, or a Python module is missing.
    """
    for section, key, place, why in unwritable(configuration.settings):
        raise StartError(place_error(configuration.key_at, section, key, place, why).as_line())
    if missing := missing_driver(configuration.settings.db):
        raise StartError("; ".join(missing))


def require_startable(configuration: Configuration) -> None:
    """Make sure of all that a start needs on this host, before a service that works gives way to another start.

    Raises:
        HarvesterError: something cannot be written, read or used.
    """
    require_places(configuration)
    if problem := unusable_credential(configuration.settings, configuration.key_at):
        raise StartError(problem.as_line())
    require_door(configuration)


def introduce(configuration: Configuration) -> None:
    """Say in the log what is started, and what is wrong with its configuration."""
    settings = configuration.settings
    structlog.get_logger("harvester.service").info(
        "starting",
        version=version("harvester"),
        instance=settings.master.harvester_id,
        configuration=", ".join(configuration.files),
        database=database_url(settings).render_as_string(hide_password=True),
        state=settings.master.work_dir,
        server=settings.pandacon.server_url,
    )
    tell_findings(configuration.findings)
    if not configuration.queues.active:
        structlog.get_logger("harvester.config").warning(
            "no queue is served: see the queue configuration and [qconf] queueList"
        )


def start(configuration: Configuration, wait: Wait, tell: Tell) -> Harvester:
    """The service at work; a database that is away is waited for. A start that fails leaves nothing behind.

    Raises:
        StartError: it cannot start.
        OrderedError: it was told to stop, or to reload, before.
    """
    settings = configuration.settings
    try:
        with ExitStack() as undone:
            db = _patiently(lambda: open_database(settings), wait, tell)
            undone.callback(db.close)
            _warn_of_others(settings, db)
            harvester = Harvester(settings, configuration.queues, configuration.loader, db=db)
            undone.pop_all()
            undone.callback(harvester.abandon)
            _patiently(lambda: harvester.start(lambda seconds: _pause(wait, seconds)), wait, tell)
            undone.pop_all()
    except CredentialError as error:
        raise StartError(credential_finding(settings, configuration.key_at, error).as_line()) from error
    except (StoreRefusedError, TablesError) as error:
        raise StartError(str(error)) from error
    except SQLAlchemyError as error:
        raise StartError(
            f"the database cannot be used: {getattr(error, 'orig', None) or error}; correct [db]"
        ) from error
    return harvester


def _warn_of_others(settings: Settings, db: Database) -> None:
    """Several processes may share a database server; with SQLite they only hinder each other."""
    if settings.db.engine != "sqlite":
        return
    with db.read() as connection:
        others = [each for each in list_processes(connection, utc_now()) if each.alive]
    for other in others:
        structlog.get_logger("harvester.service").warning(
            "another process of this instance runs on the same SQLite database; stop one of the two, "
            "or use [db] engine = mariadb or postgresql",
            host=other.host,
            pid=other.pid,
        )


def _patiently(attempt: Callable[[], T], wait: Wait, tell: Tell) -> T:
    """The result of something that needs the database, which is waited for until the order to stop."""
    log = structlog.get_logger("harvester.service")
    while True:
        try:
            return attempt()
        except StoreRefusedError:
            raise  # waiting mends no password
        except StoreUnavailableError as error:
            log.warning("not started yet", reason=str(error), retry_seconds=_RETRY_SECONDS)
            tell(State.WAITING)
        _pause(wait, _RETRY_SECONDS)


def _pause(wait: Wait, seconds: float) -> None:
    """Wait so long.

    Raises:
        OrderedError: an order came.
    """
    if order := wait(seconds):
        raise OrderedError(order)
