"""Brings the tables of a database up to what this version needs.

The scripts are imported when there is something to do: most starts find the tables up to date.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import Column, Connection, MetaData, String, Table, inspect, select, text

from harvester.core.errors import HarvesterError
from harvester.store.engine import Database, StoreUnavailableError
from harvester.store.schema import metadata

VERSION_TABLE: Final = "alembic_version"
"""Has one row, the version that the tables are at."""
VERSIONS: Final = Table(VERSION_TABLE, MetaData(), Column("version_num", String(32), primary_key=True))
RESTORING: Final = "restoring"
"""Stands there in place of a version while a backup is brought back: nobody may take the tables for whole."""
_LOCK: Final = 7_230_411
_SCRIPTS: Final = Path(__file__).with_name("migrations") / "versions"
_OUR_VERSION: Final = re.compile(r"\d{4}")


class TablesError(HarvesterError):
    """The tables of the database are none that this version, or this instance, can work with."""


class ForeignTablesError(TablesError):
    """Somebody else's tables are where those of Harvester should be."""


class NewerTablesError(TablesError):
    """A newer version of Harvester has changed the tables."""


class UnfinishedRestoreError(TablesError):
    """A backup was being brought back, and that came to no end."""


def upgrade(db: Database) -> None:
    """Create or change tables until they are current; several processes may do this at the same time.

    Raises:
        StoreUnavailableError: the database is away.
        TablesError: they are not Harvester's, or those of a newer version.
    """
    with db.write() as connection, alone(connection, db.dialect):
        require_ours(connection)
        if current(connection) != newest():
            bring_to(connection, "head")


def bring_to(connection: Connection, version: str, version_table: str = VERSION_TABLE) -> None:
    """Create or change tables until they are at a version, `head` for the newest one.

    Args:
        connection: a write transaction; MariaDB commits it.
        version: that they are to be at.
        version_table: tells at which they are.
    """
    from harvester.store.migration_scripts import run  # noqa: PLC0415 (see above)

    run(connection, version, version_table)


def current(connection: Connection) -> str | None:
    """The version that the tables are at; None for an empty database."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.scalar(select(VERSIONS.c.version_num))


def versions() -> list[str]:
    """The versions that this Harvester knows, oldest first; the name of each script begins with its own."""
    return sorted(path.name.partition("_")[0] for path in _SCRIPTS.glob("[0-9]*.py"))


def newest() -> str:
    """The version that this Harvester needs."""
    return versions()[-1]


def steps_from(version: str | None) -> dict[str, str]:
    """The versions that are still to come, oldest first, each with what it is for."""
    from harvester.store.migration_scripts import purposes  # noqa: PLC0415 (see above)

    known, words = versions(), purposes()
    done = known.index(version) + 1 if version in known else 0
    return {each: words[each] for each in known[done:]}


def require_ours(connection: Connection) -> None:
    """Do nothing if the tables are Harvester's, or there are none yet.

    Raises:
        TablesError: they are somebody else's, those of a newer version, or half of a backup.
    """
    found = current(connection)
    if found is None:
        _require_room(connection)
    elif found == RESTORING:
        raise UnfinishedRestoreError(
            "a backup was being brought back into the database and that came to no end; do it again: "
            "`harvester db restore FILE --replace`"
        )
    elif found not in versions():
        _refuse(found)


def _require_room(connection: Connection) -> None:
    """Whoever died while he made the tables has left the table of the version, which is made before all others."""
    present = set(inspect(connection).get_table_names())
    taken = sorted(present & metadata.tables.keys())
    if taken and VERSION_TABLE not in present:
        raise ForeignTablesError(
            f"the database has tables of somebody else under the names {', '.join(taken)}; "
            "give Harvester a database of its own and name it in [db]"
        )


def _refuse(found: str) -> None:
    if _OUR_VERSION.fullmatch(found):
        raise NewerTablesError(
            f"the tables of the database are at {found}, which is newer than {newest()}, the newest that this version "
            "of Harvester knows; start the newer version, or restore the backup from before the upgrade into an empty "
            "database"
        )
    raise ForeignTablesError(
        f"the tables of the database are at a version {found} that is none of Harvester's; "
        "give Harvester a database of its own and name it in [db]"
    )


@contextmanager
def alone(connection: Connection, dialect: str) -> Iterator[None]:
    """Nobody else changes tables meanwhile.

    Raises:
        StoreUnavailableError: somebody else does, and comes to no end.
    """
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
