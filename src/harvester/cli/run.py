"""`harvester run`: the service in the foreground."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import typer

from harvester.cli.operators import ConfigOption, QueuesOption, fail

if TYPE_CHECKING:
    from collections.abc import Callable

    from harvester.cli.loading import Configuration
    from harvester.cli.signals import StopSignals
    from harvester.config.service import Settings
    from harvester.service import Harvester
    from harvester.store.engine import Database

T = TypeVar("T")

_RETRY_SECONDS: Final = 3.0
_STOP_SECONDS: Final = 25.0
"""How long work in hand may take after the order to stop; a clean stop takes less than 30 s in all."""


def run(config: ConfigOption = None, queues: QueuesOption = None) -> None:
    """Run the service in the foreground. SIGTERM, SIGHUP or Ctrl-C stops it cleanly, a second one at once."""
    from harvester.cli.signals import StopSignals

    stop = StopSignals()  # before the imports that take their time
    import stamina

    from harvester.cli.loading import load
    from harvester.logs import set_up_logs

    configuration = load(config, queues)
    set_up_logs(configuration.settings)
    stamina.instrumentation.set_on_retry_hooks([])  # what is retried and why is logged by those who ask
    _log_start(configuration)
    _log_findings(configuration)
    harvester = _started(configuration, stop)
    stop.wait()
    harvester.stop(_STOP_SECONDS)
    if harvester.watcher.has_ended_the_process:
        raise typer.Exit(1)  # not an end that was wished for: whoever watches over the service starts it again


def _log_findings(configuration: Configuration) -> None:
    import structlog

    from harvester.config.findings import Severity

    log = structlog.get_logger("harvester.config")
    tell = {Severity.ERROR: log.error, Severity.WARNING: log.warning, Severity.INFO: log.debug}
    for finding in configuration.findings:
        tell[finding.severity](finding.as_line())
    if not configuration.queues.active:
        log.warning("no queue is served: see the queue configuration and [qconf] queueList")


def _started(configuration: Configuration, stop: StopSignals) -> Harvester:
    from alembic.util import CommandError
    from sqlalchemy.exc import SQLAlchemyError

    from harvester.cli.settings_checks import credential_finding, missing_driver
    from harvester.panda.errors import CredentialError
    from harvester.service import Harvester, open_database

    settings = configuration.settings
    _require_places(configuration)
    if missing := missing_driver(settings.db.engine):
        fail("; ".join(missing))
    try:
        db = _patiently(stop, lambda: open_database(settings))
        _warn_of_others(settings, db)
        harvester = Harvester(settings, configuration.queues, configuration.loader, db=db)
        _patiently(stop, harvester.start)
    except CredentialError as error:
        fail(credential_finding(settings, configuration.key_at, error).as_line())
    except CommandError as error:
        fail(
            f"the tables of the database cannot be brought up to date: {error}; if a newer version has changed them, "
            "take that one, or restore the backup from before it"
        )
    except SQLAlchemyError as error:
        fail(f"the database cannot be used: {getattr(error, 'orig', None) or error}; correct [db]")
    return harvester


def _log_start(configuration: Configuration) -> None:
    from importlib.metadata import version

    import structlog

    from harvester.service import database_url

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


def _warn_of_others(settings: Settings, db: Database) -> None:
    """Several processes may share a database server; with SQLite they only hinder each other."""
    if settings.db.engine != "sqlite":
        return
    import structlog

    from harvester.cli.processes import list_processes
    from harvester.core.clock import utc_now

    with db.read() as connection:
        others = [each for each in list_processes(connection, utc_now()) if each.alive]
    for other in others:
        structlog.get_logger("harvester.service").warning(
            "another process of this instance runs on the same SQLite database; stop one of the two, "
            "or use [db] engine = mariadb or postgresql",
            host=other.host,
            pid=other.pid,
        )


def _require_places(configuration: Configuration) -> None:
    """The directories that the service writes into are there and can be written."""
    from harvester.cli.settings_checks import place_error, places_written
    from harvester.config.places import why_unwritable

    for (section, key), place in places_written(configuration.settings).items():
        if why := why_unwritable(place):
            fail(place_error(configuration.key_at, section, key, place, why).as_line())


def _patiently(stop: StopSignals, attempt: Callable[[], T]) -> T:
    """The result of something that needs the database, which is waited for until the order to stop."""
    import structlog

    from harvester.store.engine import StoreUnavailableError

    log = structlog.get_logger("harvester.service")
    while True:
        try:
            return attempt()
        except StoreUnavailableError as error:
            log.warning("not started yet", reason=str(error), retry_seconds=_RETRY_SECONDS)
        if stop.wait(_RETRY_SECONDS):
            raise typer.Exit
