"""The ids of workers: the server and batch systems know workers by them, so none is ever given twice."""

from typing import Final

from sqlalchemy import Connection, delete, select, update

from harvester.store.schema import counters
from harvester.store.sets import insert_missing

_LAST: Final = "worker_id"
_BROUGHT_BACK: Final = "worker_id_brought_back"
_GAP: Final = 1_000_000
"""More ids than instances give between a backup and its return."""


def have_begun(connection: Connection) -> bool:
    """Whether this database has ever given a worker its id."""
    return _value(connection, _LAST) is not None


def may_be_known_elsewhere(connection: Connection) -> bool:
    """Whether the database was brought back, and nobody has seen since which ids the server knows."""
    return _value(connection, _BROUGHT_BACK) is not None


def go_on_after(connection: Connection, highest: int) -> None:
    """No id from here on is this one, which is the highest that is known elsewhere, or below it."""
    insert_missing(connection, counters, [{"name": _LAST, "value": highest}])
    lower = update(counters).where(counters.c.name == _LAST, counters.c.value < highest)
    connection.execute(lower.values(value=highest))
    connection.execute(delete(counters).where(counters.c.name == _BROUGHT_BACK))


def leave_gap(connection: Connection) -> None:
    """Pass over the ids that were given after the backup that the rows come from."""
    insert_missing(connection, counters, [{"name": _LAST, "value": 0}, {"name": _BROUGHT_BACK, "value": 1}])
    _advance(connection, _GAP)


def allocate(connection: Connection, number: int) -> range:
    """Ids that no other worker has or will get."""
    if not _advance(connection, number):
        insert_missing(connection, counters, [{"name": _LAST, "value": 0}])
        _advance(connection, number)
    last = _value(connection, _LAST)
    if last is None:
        raise AssertionError("the counter of worker ids has just been written and is not there")
    return range(last - number + 1, last + 1)


def _value(connection: Connection, name: str) -> int | None:
    return connection.scalar(select(counters.c.value).where(counters.c.name == name))


def _advance(connection: Connection, number: int) -> bool:
    """False if there is no counter yet."""
    mine = update(counters).where(counters.c.name == _LAST).values(value=counters.c.value + number)
    return connection.execute(mine).rowcount > 0
