"""Brings the tables of a database up to what this version needs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from harvester.store.engine import Database, StoreUnavailableError

_LOCK: Final = 7_230_411


def upgrade(db: Database) -> None:
    """Create or change tables until they are current; several processes may do this at the same time.

    Raises:
        StoreUnavailableError: the database is away.
    """
    with db.write() as connection, _alone(connection, db.dialect):
        if current(connection) != newest():
            command.upgrade(_config(connection), "head")


def current(connection: Connection) -> str | None:
    """The version that the tables are at; None for an empty database."""
    return MigrationContext.configure(connection).get_current_revision()


def newest() -> str | None:
    """The version that this Harvester needs."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["connection"] = connection
    return config


@contextmanager
def _alone(connection: Connection, dialect: str) -> Iterator[None]:
    if dialect == "mysql":
        if connection.scalar(text("SELECT GET_LOCK('harvester_migration', 60)")) != 1:
            raise StoreUnavailableError("another process has been changing the tables for a minute; start again later")
        try:
            yield
        finally:
            if not connection.invalidated:  # a lost connection has lost the lock with it
                connection.execute(text("SELECT RELEASE_LOCK('harvester_migration')"))
    elif dialect == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        yield
    else:
        yield
