"""Migrations lead to exactly the tables of the schema, from nothing and from anywhere on the way."""

import multiprocessing
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from cutting import cut_off
from sqlalchemy import URL, Connection, event, inspect, text
from store_tools import find_one, intend, on_servers

from harvester.store import migrate, migration_scripts
from harvester.store.engine import Database, StoreUnavailableError
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


def test_the_names_of_the_scripts_tell_their_order():
    scripts = ScriptDirectory.from_config(migration_scripts.configuration())
    assert migrate.versions() == [each.revision for each in scripts.walk_revisions()][::-1]


def test_tables_that_are_up_to_date_need_no_scripts(empty: Database):
    migrate.upgrade(empty)
    looks = """
import sys
from harvester.store import migrate
from harvester.store.engine import Database
import sqlalchemy
migrate.upgrade(Database(sqlalchemy.make_url(sys.argv[1])))
assert not {"alembic", "mako"} & sys.modules.keys()
"""
    url = empty.engine.url.render_as_string(hide_password=False)
    subprocess.run([sys.executable, "-c", looks, url], check=True)


def test_down_to_nothing_and_up_again(empty: Database):
    migrate.upgrade(empty)
    with empty.write() as connection:
        config = migration_scripts.configuration()
        config.attributes |= {"connection": connection, "version_table": migrate.VERSION_TABLE}
        command.downgrade(config, "base")
    assert tables(empty) == {"alembic_version"}
    migrate.upgrade(empty)
    assert differences(empty) == []


def test_what_a_kill_from_before_means_for_jobs(empty: Database):
    with empty.write() as connection:
        migrate.bring_to(connection, "0012")
        intend(connection, 1, 2)
        connection.execute(text("UPDATE workers SET kill_error = CASE worker_id WHEN 1 THEN 1144 ELSE 1236 END"))
    migrate.upgrade(empty)
    assert [find_one(empty, worker).ends_jobs for worker in (1, 2)] == [True, False]


class DiedError(Exception):
    """Somebody dies."""


@contextmanager
def death_after(db: Database, number: int) -> Iterator[None]:
    """So many changes of tables can be made, then the process dies."""
    left = number

    def count(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        nonlocal left
        if statement.lstrip().startswith(("CREATE", "INSERT")):
            if left == 0:
                raise DiedError
            left -= 1

    event.listen(db.engine, "before_cursor_execute", count)
    yield
    event.remove(db.engine, "before_cursor_execute", count)


def test_whoever_dies_on_the_way_hinders_no_successor(empty: Database):
    for number in range(60):
        with death_after(empty, number):
            try:
                migrate.upgrade(empty)
            except DiedError:
                continue
            break
    assert number > len(metadata.tables)
    assert differences(empty) == []
    with empty.read() as connection:
        assert migrate.current(connection) == migrate.newest()


@on_servers
def test_a_connection_lost_on_the_way_is_trouble_of_the_database(empty: Database):
    others = Database(empty.engine.url)

    def lose(connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        if statement.lstrip().startswith("CREATE"):
            event.remove(empty.engine, "before_cursor_execute", lose)
            cut_off(connection, others.engine)

    event.listen(empty.engine, "before_cursor_execute", lose)
    with pytest.raises(StoreUnavailableError):
        migrate.upgrade(empty)
    others.close()
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
