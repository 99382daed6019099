"""The store on each engine: `db` is migrated and empty, and the test that uses it runs once for each."""

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import URL, delete, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from store_tools import ENGINES

from harvester.store import migrate
from harvester.store.engine import Database, server_url, sqlite_url
from harvester.store.schema import metadata
from real_services import EmptyDatabase, new_mariadb, new_postgresql, require_mysqlclient

MakeUrl = Callable[[], URL]
UrlOf = Callable[[str], URL]


def _url(engine: str, where: EmptyDatabase) -> URL:
    return server_url(
        engine, host=where.host, port=where.port, user=where.user, password=where.password, schema=where.name
    )


@pytest.fixture(scope="session")
def url_of(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> UrlOf:
    """Makes empty databases, without tables, of an engine."""

    def make(engine: str) -> URL:
        if engine == "sqlite":
            return sqlite_url(tmp_path_factory.mktemp("sqlite") / "harvester.db")
        if engine == "postgresql":
            return _url(engine, new_postgresql(request.getfixturevalue("postgresql_server")))
        if engine == "mariadb-mysqldb":
            require_mysqlclient()
        return _url(engine, new_mariadb(*request.getfixturevalue("mariadb_server")))

    return make


@pytest.fixture(scope="session", params=ENGINES)
def new_url(request: pytest.FixtureRequest, url_of: UrlOf) -> MakeUrl:
    """Makes empty databases, without tables, of one engine after the other."""
    return lambda: url_of(request.param)


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
