"""Migrations lead to exactly the tables of the schema, from nothing and from anywhere on the way."""

import multiprocessing
from collections.abc import Callable, Iterator

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import URL, inspect
from store_tools import find_one, intend

from harvester.store import migrate
from harvester.store.engine import Database
from harvester.store.schema import metadata


@pytest.fixture
def empty(new_url: Callable[[], URL]) -> Iterator[Database]:
    """A database without tables."""
    database = Database(new_url())
    yield database
    database.close()


def tables(db: Database) -> set[str]:
    with db.read() as connection:
        return set(inspect(connection).get_table_names())


def differences(db: Database) -> list[object]:
    with db.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": False})
        return list(compare_metadata(context, metadata))


def test_an_empty_database_gets_the_tables_of_the_schema(empty: Database):
    assert tables(empty) == set()
    migrate.upgrade(empty)
    assert differences(empty) == []
    assert tables(empty) == {*metadata.tables, "alembic_version"}
    with empty.read() as connection:
        assert migrate.current(connection) == migrate.newest()


def test_doing_it_again_changes_nothing(empty: Database):
    migrate.upgrade(empty)
    with empty.write() as connection:
        intend(connection, 1)
    migrate.upgrade(empty)
    assert find_one(empty, 1).worker.worker_id == 1
    assert differences(empty) == []


def test_down_to_nothing_and_up_again(empty: Database):
    migrate.upgrade(empty)
    with empty.write() as connection:
        command.downgrade(migrate._config(connection), "base")
    assert tables(empty) == {"alembic_version"}
    migrate.upgrade(empty)
    assert differences(empty) == []


def _upgrade(url: URL) -> None:
    database = Database(url)
    migrate.upgrade(database)
    database.close()


def test_several_processes_at_the_same_time(empty: Database):
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_upgrade, args=(empty.engine.url,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert differences(empty) == []
