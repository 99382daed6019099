"""The instance's database for commands, whether the service runs or not."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from harvester.config.places import barred_by, is_file, this_account, why_unchangeable
from harvester.config.service import Settings
from harvester.config.sources import NO_RIGHTS
from harvester.core.errors import HarvesterError
from harvester.service import database_url
from harvester.startup.loading import settings_of
from harvester.startup.settings_checks import missing_driver
from harvester.store import belonging, migrate
from harvester.store.engine import Database, StoreRefusedError, StoreUnavailableError


class NothingToReadError(HarvesterError):
    """There is no database that this version could read."""


@contextmanager
def reading(config: Sequence[Path] | None) -> Iterator[Connection]:
    """A transaction that only reads; nothing is created or changed.

    Raises:
        NothingToReadError: there is no database, it is away, or its tables are those of another version.
        OtherInstanceError: it belongs to another instance.
        StoreRefusedError: it does not let this account in.
    """
    with opened(config) as db, db.read() as connection:
        require_tables(connection)
        yield connection


@contextmanager
def writing(config: Sequence[Path] | None) -> Iterator[Connection]:
    """A transaction that changes what the service will find; what is raised undoes it.

    Raises:
        NothingToReadError: as for `reading`.
        OtherInstanceError: likewise.
        StoreRefusedError: likewise.
    """
    with opened(config) as db, db.write() as connection:
        require_tables(connection)
        yield connection


@contextmanager
def opened(
    config: Sequence[Path] | None, *, may_be_new: bool = False, may_be_of_another: bool = False
) -> Iterator[Database]:
    """The database itself, for what takes more than one transaction; whether it has tables is not known yet.

    Args:
        config: the main configuration.
        may_be_new: an SQLite file that is not there may be made.
        may_be_of_another: it may belong to an instance of another name.

    Raises:
        NothingToReadError: it is not there, is away, or cannot be used.
        OtherInstanceError: it belongs to another instance.
        StoreRefusedError: it does not let this account in.
    """
    settings = settings_of(config)
    if missing := missing_driver(settings.db):
        raise NothingToReadError("; ".join(missing))
    if not may_be_new:
        _require_file(settings)
    db = Database(database_url(settings), 1)
    try:
        if not may_be_of_another:
            with db.read() as connection:
                belonging.require(connection, settings.master.harvester_id)
        yield db
    except StoreRefusedError:
        raise
    except StoreUnavailableError as error:
        raise NothingToReadError(f"{error}; try again when it can, or correct [db]") from error
    except SQLAlchemyError as error:
        reason = getattr(error, "orig", None) or error
        raise NothingToReadError(f"the database cannot be used: {reason}; check [db]") from error
    finally:
        db.close()


def _require_file(settings: Settings) -> None:
    """SQLite would make the file, and does not say why it cannot open it."""
    if settings.db.engine != "sqlite":
        return
    path = Path(settings.db.database_filename)
    if directory := barred_by(path):
        raise NothingToReadError(f"the database {path}: {directory} cannot be read by {this_account()}; {NO_RIGHTS}")
    if why := why_unchangeable(path):
        raise NothingToReadError(f"the database {path} {why}; {NO_RIGHTS}")
    if not is_file(path):
        raise NothingToReadError(
            f"there is no database {path} yet; `harvester run` makes it, or correct [db] database_filename"
        )


def require_tables(connection: Connection) -> None:
    """See that the database has the tables that this version reads.

    Raises:
        NothingToReadError: it has not.
        TablesError: they are somebody else's, those of a newer version, or half of a backup.
    """
    migrate.require_ours(connection)
    found, wanted = migrate.current(connection), migrate.newest()
    if found is None:
        raise NothingToReadError(
            "the database has no tables of Harvester yet; `harvester run` makes them, or wait a moment if it was just "
            "started"
        )
    if found != wanted:
        raise NothingToReadError(
            f"the tables of the database are at {found} and this version reads {wanted}; bring them up to date with "
            "`harvester db upgrade`, or start `harvester run`, which does that too"
        )
