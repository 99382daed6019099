import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from door_tools import House, MakeHouse, Visitor, a_queue, make_house

from harvester.config.queues import QueueConfig
from harvester.store import migrate
from harvester.store.engine import Database, sqlite_url


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with all tables, to be copied."""
    path = tmp_path_factory.mktemp("empty") / "harvester.db"
    database = Database(sqlite_url(path))
    migrate.upgrade(database)
    database.close()
    return path


@pytest.fixture
def db(tmp_path: Path, empty_database: Path) -> Iterator[Database]:
    database = Database(sqlite_url(Path(shutil.copy(empty_database, tmp_path))))
    yield database
    database.close()


@pytest.fixture
def build(tmp_path: Path, db: Database) -> MakeHouse:
    def make(*queues: QueueConfig, names: Mapping[str, object] | None = None, **frontend: object) -> House:
        return make_house(tmp_path, db, frontend, list(queues) or [a_queue(tmp_path)], names or {})

    return make


@pytest.fixture
def house(build: MakeHouse) -> House:
    return build()


@pytest.fixture
def visitor(house: House) -> Visitor:
    return house.visitor()
