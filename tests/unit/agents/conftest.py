from collections.abc import Iterator
from pathlib import Path

import pytest
from world import World, client_of

from harvester.panda.devserver import DevControl, DevServer
from harvester.store.engine import Database
from moving_clock import MovingClock


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
