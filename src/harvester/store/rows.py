"""All rows of Harvester's tables, whatever version these are at, a page at a time: nothing is held in memory."""

from collections.abc import Iterator, Sequence
from typing import Final

from sqlalchemy import ColumnElement, Connection, MetaData, Table, func, select, tuple_

from harvester.store import schema
from harvester.store.types import AnyRow

_PAGE: Final = 1000


def tables_of(connection: Connection) -> list[Table]:
    """Harvester's tables as the database has them; somebody else's in the same database are left out."""
    found = MetaData()
    found.reflect(connection, only=lambda name, _: name in schema.metadata.tables)
    return found.sorted_tables


def count(connection: Connection, table: Table) -> int:
    """How many rows a table has."""
    return connection.scalar(select(func.count()).select_from(table)) or 0


def pages_of(connection: Connection, table: Table) -> Iterator[Sequence[AnyRow]]:
    """The rows of a table in the order of its key, some at a time.

    Each page goes on behind the last key: not every driver hands out rows before it has them all.
    """
    key = list(table.primary_key.columns)
    query = select(table).order_by(*key).limit(_PAGE)
    page = connection.execute(query).all()
    while page:
        yield page
        last = [page[-1]._mapping[column] for column in key]  # noqa: SLF001 (the public name of a row's mapping)
        page = connection.execute(query.where(_behind(key, last))).all() if len(page) == _PAGE else []


def _behind(key: Sequence[ColumnElement[object]], last: Sequence[object]) -> ColumnElement[bool]:
    """MariaDB finds the place of a pair by its first part only."""
    if len(key) == 1:
        return key[0] > last[0]
    return (key[0] >= last[0]) & (tuple_(*key) > tuple_(*last))
