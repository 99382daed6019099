from collections.abc import Iterator
from pathlib import Path

import pytest

from harvester.store import migrate
from harvester.store.engine import Database, sqlite_url


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    """An empty database."""
    database = Database(sqlite_url(tmp_path / "harvester.db"))
    migrate.upgrade(database)
    yield database
    database.close()
