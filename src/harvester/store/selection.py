"""Columns that are read for many rows at a time."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, String, type_coerce
from sqlalchemy.types import TypeEngine

from harvester.store.types import AnyRow, StoredAs, shared

_PART: Final = 5000
Values = tuple[Any, ...]
"""What a row holds, as this module's users know it; they name and type the parts at once."""


class Selection:
    """Columns to select, and how their values become ours.

    The driver's values are taken as they are and converted column by column: SQLAlchemy's way, value by value, costs
    more than reading the rows.

    Args:
        columns: in the order of the values.
    """

    def __init__(self, columns: Sequence[ColumnElement[Any]]) -> None:
        self._columns = columns

    def with_columns(self, *more: ColumnElement[Any]) -> "Selection":
        """A selection with further columns at its end."""
        return Selection([*self._columns, *more])

    @cached_property
    def raw(self) -> tuple[ColumnElement[Any], ...]:
        """What to select."""
        return tuple(type_coerce(column, getattr(column.type, "impl", column.type)) for column in self._columns)

    def read(self, connection: Connection, query: Select[*Values]) -> Iterator[Values]:
        """The values of all rows of a query, read part by part: very many rows are never there in two forms."""
        for part in connection.execute(query).partitions(_PART):
            yield from self.convert(part)

    def convert(self, rows: Sequence[AnyRow]) -> list[Values]:
        """The values of rows that were selected so."""
        if not rows:
            return []
        columns: list[Sequence[object]] = list(zip(*rows, strict=True))
        for place, kind in self._kinds:
            columns[place] = kind.load_all(columns[place]) if isinstance(kind, StoredAs) else shared(columns[place])
        return list(zip(*columns, strict=True))

    @cached_property
    def _kinds(self) -> list[tuple[int, TypeEngine[Any]]]:
        kinds = enumerate(column.type for column in self._columns)
        return [(place, kind) for place, kind in kinds if isinstance(kind, StoredAs | String)]
