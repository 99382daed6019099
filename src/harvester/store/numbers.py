"""The numbers that the database gives to rows: some must never come again, not even those of rows that are gone."""

from collections.abc import Iterable, Mapping
from typing import Final

from sqlalchemy import Column, Connection, Table, TextClause, func, select, text

from harvester.store.schema import metadata

_NUMBERED: Final[Mapping[str, tuple[Table, Column[int]]]] = {
    table.name: (table, table.autoincrement_column)
    for table in metadata.tables.values()
    if table.autoincrement_column is not None
}
_GIVEN_BY_SQLITE: Final = text("SELECT name, seq FROM sqlite_sequence")
_GIVEN_BY_MARIADB: Final = text(
    "SELECT table_name, auto_increment - 1 FROM information_schema.tables "
    "WHERE table_schema = DATABASE() AND auto_increment IS NOT NULL"
)
_GIVEN_BY_POSTGRESQL: Final = text(
    "SELECT last_value FROM pg_sequences WHERE last_value IS NOT NULL AND "
    "format('%I.%I', schemaname, sequencename) = pg_get_serial_sequence(:table, :column)"
)
_TELL_SQLITE: Final = text("INSERT INTO sqlite_sequence (name, seq) VALUES (:table, :number)")
_TELL_POSTGRESQL: Final = text("SELECT setval(pg_get_serial_sequence(:table, :column), :number)")


def given(connection: Connection, tables: Iterable[str]) -> dict[str, int]:
    """The highest number that a row of each of the tables ever had, where the database numbers rows."""
    highest: dict[str, int] = {}
    for name in tables:
        if name in _NUMBERED:
            _, column = _NUMBERED[name]
            highest[name] = connection.scalar(select(func.max(column))) or 0
    told = _told(connection, highest)
    return {name: max(number, told.get(name, 0)) for name, number in highest.items()}


def go_on_after(connection: Connection, numbers: Mapping[str, int]) -> None:
    """New rows of these tables, which have none yet, get higher numbers. MariaDB ends the transaction for that."""
    for name, number in numbers.items():
        if number and name in _NUMBERED:
            _tell(connection, *_NUMBERED[name], number)


def _told(connection: Connection, tables: Iterable[str]) -> dict[str, int]:
    match connection.dialect.name:
        case "sqlite":
            return _by_name(connection, _GIVEN_BY_SQLITE)
        case "postgresql":
            places = {name: {"table": name, "column": _NUMBERED[name][1].name} for name in tables}
            return {name: connection.scalar(_GIVEN_BY_POSTGRESQL, place) or 0 for name, place in places.items()}
        case _:
            return _by_name(connection, _GIVEN_BY_MARIADB)


def _by_name(connection: Connection, query: TextClause) -> dict[str, int]:
    return {row[0]: row[1] for row in connection.execute(query)}


def _tell(connection: Connection, table: Table, column: Column[int], number: int) -> None:
    place = {"table": table.name, "column": column.name, "number": number}
    match connection.dialect.name:
        case "sqlite":
            if table.dialect_kwargs.get("sqlite_autoincrement"):  # other tables number rows by those that are there
                connection.execute(_TELL_SQLITE, place)
        case "postgresql":
            connection.execute(_TELL_POSTGRESQL, place)
        case _:
            connection.execute(text(f"ALTER TABLE {table.name} AUTO_INCREMENT = {number + 1:d}"))
