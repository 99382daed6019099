"""Sets of rows in one statement, on each engine."""

from typing import Any

import pytest
from sqlalchemy import event, select, update
from sqlalchemy.engine.interfaces import CacheStats
from store_tools import NOW, intend

from harvester.store.engine import Database
from harvester.store.schema import workers
from harvester.store.sets import change_rows, matching_rows, one_of

ID = workers.c.worker_id


@pytest.fixture
def filled(db: Database) -> Database:
    with db.write() as connection:
        intend(connection, *range(1, 9))
    return db


def test_sets_of_one_statement_are_kept_apart(filled: Database):
    with filled.read() as connection:
        some, others = one_of(connection, ID, range(3, 9)), one_of(connection, ID, [1, 4, 5])
        assert set(connection.scalars(select(ID).where(some, others))) == {4, 5}
        assert set(connection.scalars(select(ID).where(some, ~others))) == {3, 6, 7, 8}
        assert set(connection.scalars(select(ID).where(some | others))) == {1, 3, 4, 5, 6, 7, 8}


def test_a_set_guards_a_change_of_rows(filled: Database):
    rows = [{"worker_id": each, "node": f"n{each}"} for each in (1, 2, 3)]
    with filled.write() as connection:
        assert change_rows(connection, workers, rows, one_of(connection, ID, [2, 3, 4])) == 2
        found = matching_rows(connection, [ID], {"node": workers.c.node}, [{"node": "n2"}, {"node": "n3"}])
        assert sorted(row[0] for row in found) == [2, 3]


def test_an_empty_set_holds_nothing(filled: Database):
    with filled.read() as connection:
        assert list(connection.scalars(select(ID).where(one_of(connection, ID, [])))) == []
        assert len(list(connection.scalars(select(ID).where(~one_of(connection, ID, []))))) == 8


def test_statements_with_sets_are_compiled_once(filled: Database):
    """SQLAlchemy knows them again, whatever is in the sets; compiling costs more than executing."""
    known: list[bool] = []

    def note(*told: Any) -> None:  # noqa: ANN401 (the event's arguments, of which the fifth is the context)
        known.append(told[4].cache_hit is CacheStats.CACHE_HIT)

    event.listen(filled.engine, "before_cursor_execute", note)
    try:
        with filled.write() as connection:
            for size in (2, 3, 5):
                both = (one_of(connection, ID, range(size)), one_of(connection, ID, range(1, size)))
                connection.execute(update(workers).where(*both).values(due=NOW))
                change_rows(connection, workers, [{"worker_id": each, "node": "n"} for each in range(size)], both[0])
    finally:
        event.remove(filled.engine, "before_cursor_execute", note)
    assert known[-4:] == [True] * 4
