from collections.abc import Iterator
from pathlib import Path

import pytest
from world import MovingClock, World, client_of, open_copy

from harvester.panda.devserver import DevControl, DevServer
from harvester.store import migrate
from harvester.store.engine import Database, sqlite_url


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database with all tables."""
    path = tmp_path_factory.mktemp("template") / "harvester.db"
    db = Database(sqlite_url(path))
    migrate.upgrade(db)
    db.close()
    return path


@pytest.fixture
def db(template: Path, tmp_path: Path) -> Iterator[Database]:
    database = open_copy(template, tmp_path)
    yield database
    database.close()


@pytest.fixture
def clock() -> MovingClock:
    return MovingClock()


@pytest.fixture
def world(db: Database, clock: MovingClock, tmp_path: Path) -> Iterator[World]:
    """An instance without a server."""
    with client_of("http://127.0.0.1:1/api/v1") as panda:
        yield World(tmp_path, db, panda, clock)


@pytest.fixture
def server(clock: MovingClock) -> Iterator[DevServer]:
    with DevServer(adder_delay=0.0, clock=clock) as running:
        yield running


@pytest.fixture
def control(server: DevServer) -> Iterator[DevControl]:
    with DevControl(server.url) as door:
        yield door


@pytest.fixture
def served(server: DevServer, db: Database, clock: MovingClock, tmp_path: Path) -> Iterator[World]:
    """An instance with a server that knows it."""
    with client_of(server.url) as panda:
        panda.heartbeat(start_time=clock(), version="1", commit="")
        yield World(tmp_path, db, panda, clock)
