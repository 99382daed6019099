"""The store on each engine: `db` is migrated and empty, and the test that uses it runs three times."""

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import URL, delete, event
from sqlalchemy.engine.interfaces import DBAPIConnection

from harvester.store import migrate
from harvester.store.engine import Database, server_url, sqlite_url
from harvester.store.schema import metadata
from real_services import EmptyDatabase, new_mariadb, new_postgresql

ENGINES = ("sqlite", "mariadb", "postgresql")

MakeUrl = Callable[[], URL]


def _url(engine: str, where: EmptyDatabase) -> URL:
    return server_url(
        engine, host=where.host, port=where.port, user=where.user, password=where.password, schema=where.name
    )


@pytest.fixture(scope="session", params=ENGINES)
def new_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> MakeUrl:
    """Makes empty databases, without tables, of one engine after the other."""
    if request.param == "sqlite":
        return lambda: sqlite_url(tmp_path_factory.mktemp("sqlite") / "harvester.db")
    if request.param == "mariadb":
        server = request.getfixturevalue("mariadb_server")
        return lambda: _url("mariadb", new_mariadb(*server))
    postgresql = request.getfixturevalue("postgresql_server")
    return lambda: _url("postgresql", new_postgresql(postgresql))


@pytest.fixture(scope="session")
def migrated(new_url: MakeUrl) -> Iterator[Database]:
    """One database for all tests of a process."""
    database = Database(new_url())
    if database.dialect == "sqlite":
        event.listen(database.engine, "connect", _do_not_wait_for_the_disk)
    migrate.upgrade(database)
    yield database
    database.close()


def _do_not_wait_for_the_disk(connection: DBAPIConnection, _: object) -> None:
    connection.cursor().execute("PRAGMA synchronous = OFF")


@pytest.fixture
def db(migrated: Database) -> Database:
    """A database whose tables are empty."""
    with migrated.write() as connection:
        for table in metadata.sorted_tables:
            connection.execute(delete(table))
    return migrated


@pytest.fixture
def other(migrated: Database) -> Iterator[Database]:
    """The same database as `db`, seen by another process."""
    database = Database(migrated.engine.url)
    yield database
    database.close()
