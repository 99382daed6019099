"""What holds for all tests, and database servers, each started once per test process, when first asked for."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import settings

from real_services import DatabaseServer, EmptyDatabase, new_mariadb, new_postgresql, running

settings.register_profile("harvester", deadline=None)  # how long an example takes says how busy the machine is
settings.load_profile("harvester")


@pytest.fixture(autouse=True)
def own_logging(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test, or a command that it calls in this process, does to logging is undone."""
    configure = structlog.configure
    # a cached logger would write as this test had it for as long as the process lives
    uncached = {"cache_logger_on_first_use": False}
    monkeypatch.setattr(structlog, "configure", lambda **how: configure(**{**how, **uncached}))
    root, ours = logging.getLogger(), logging.getLogger("harvester")
    levels = {logger: logger.level for logger in (root, ours, logging.getLogger("sqlalchemy.engine"))}
    others = list(root.handlers)
    yield
    logging.captureWarnings(capture=False)
    for handler in [each for each in root.handlers if each not in others]:
        root.removeHandler(handler)
        handler.close()
    for logger, level in levels.items():
        logger.setLevel(level)
    structlog.reset_defaults()


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
