"""What holds for all tests, and database servers, each started once per test process, when first asked for."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from real_services import DatabaseServer, EmptyDatabase, new_mariadb, new_postgresql, running

settings.register_profile("harvester", deadline=None)  # how long an example takes says how busy the machine is
settings.load_profile("harvester")


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[tuple[DatabaseServer, Path]]:
    """A MariaDB server, and the socket where root needs no password."""
    with running("mariadb") as directory:
        yield DatabaseServer.of(directory), directory / "socket"


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[DatabaseServer]:
    """A PostgreSQL server."""
    with running("postgresql") as directory:
        yield DatabaseServer.of(directory)


@pytest.fixture(scope="module")
def mariadb(mariadb_server: tuple[DatabaseServer, Path]) -> EmptyDatabase:
    """A fresh MariaDB database for a test module."""
    return new_mariadb(*mariadb_server)


@pytest.fixture(scope="module")
def postgresql(postgresql_server: DatabaseServer) -> EmptyDatabase:
    """A fresh PostgreSQL database for a test module."""
    return new_postgresql(postgresql_server)
