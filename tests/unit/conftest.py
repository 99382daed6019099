from collections.abc import Iterator
from pathlib import Path

import pytest

from empty_databases import make_template, open_copy
from harvester.store.engine import Database


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with all tables, to be copied."""
    return make_template(tmp_path_factory.mktemp("template"))


@pytest.fixture
def db(template: Path, tmp_path: Path) -> Iterator[Database]:
    """An empty database in the test's own directory."""
    database = open_copy(template, tmp_path)
    yield database
    database.close()
