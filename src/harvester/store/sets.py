"""Sets of rows as one parameter: any number of rows costs one statement on every engine.

A set travels as JSON text and becomes a table inside the statement: `json_each` on SQLite, `JSON_TABLE` on MariaDB,
`json_array_elements` on PostgreSQL.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TypeVar

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Dialect,
    Insert,
    Integer,
    Select,
    Subquery,
    Table,
    bindparam,
    func,
    select,
    text,
    update,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.sql.type_api import TypeEngine
from sqlalchemy.types import TypeDecorator

T = TypeVar("T")


def one_of(connection: Connection, column: ColumnElement[int], ids: Collection[int]) -> ColumnElement[bool]:
    """Whether an integer column is in the set.

    MariaDB gets a plain list: before 11.1 it evaluates the set anew for every row of the table that it changes
    (35 s for 1,000 of 20,000 rows), while a list becomes ranges of the key.
    """
    return column.in_(sorted(ids)) if connection.dialect.name == "mysql" else column.in_(_integers(connection, ids))


def unindexed(column: ColumnElement[T]) -> ColumnElement[T]:
    """The column as a condition on rows that are chosen by their keys.

    SQLite would rather go through all rows with that value by an index, and through the whole set for each of them:
    two seconds instead of five milliseconds for 1,000 of 4,000 rows.
    """
    return func.coalesce(column, column)


def none_of(column: ColumnElement[str], names: Collection[str]) -> tuple[ColumnElement[bool], ...]:
    """The condition that a text is none of these; no condition without names, which would become a subquery."""
    return (column.not_in(sorted(names)),) if names else ()


def _integers(connection: Connection, ids: Collection[int]) -> Select[tuple[int]]:
    table = row_set(connection, {"id": BigInteger()}, [{"id": each} for each in ids], "ids")
    return select(table.c.id)


def row_set(
    connection: Connection,
    columns: Mapping[str, TypeEngine[object] | TypeEngine[int]],
    rows: Iterable[Mapping[str, object]],
    name: str = "changes",
) -> Subquery:
    """The rows as a table of the statement, with the given columns."""
    dialect = connection.dialect
    payload = json.dumps([[_plain(row[column], kind, dialect) for column, kind in columns.items()] for row in rows])
    body = {"sqlite": _sqlite, "mysql": _mariadb, "postgresql": _postgresql}[dialect.name](columns, name)
    typed = text(body).bindparams(bindparam(f"{name}_json", payload)).columns(**columns)
    return typed.subquery(name)


def change_rows(
    connection: Connection,
    table: Table,
    rows: Sequence[Mapping[str, object]],
    *guards: ColumnElement[bool],
    keys: Sequence[str] | None = None,
    same: Mapping[str, object] | None = None,
) -> int:
    """Update many rows, each with values of its own, in one statement.

    Args:
        connection: a write transaction.
        table: the table to change.
        rows: mappings with the same columns; the key columns select the row, the others are set.
        guards: further conditions that every changed row must meet.
        keys: the columns that select; the primary key by default. A column named `was_X` selects by column X.
        same: values that are the same for all rows.

    Returns:
        How many rows were changed.
    """
    if not rows:
        return 0
    keys = keys or [column.name for column in table.primary_key]
    kinds = {name: table.c[name.removeprefix("was_")].type for name in rows[0]}
    changes = row_set(connection, kinds, rows)
    matches = [table.c[key.removeprefix("was_")] == changes.c[key] for key in keys]
    values: dict[str, object] = {name: changes.c[name] for name in kinds if name not in keys}
    result = connection.execute(update(table).where(*matches, *guards).values({**values, **(same or {})}))
    return result.rowcount


def insert_missing(connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
    """Insert rows whose key is not there yet; what another process inserts at the same moment is left alone."""
    if not rows:
        return
    key = table.primary_key.columns[0]
    statement: Insert
    match connection.dialect.name:
        case "sqlite":
            statement = sqlite.insert(table).on_conflict_do_nothing()
        case "mysql":
            statement = mysql.insert(table).on_duplicate_key_update({key.name: key})
        case _:
            statement = postgresql.insert(table).on_conflict_do_nothing()
    connection.execute(statement, list(rows))


def _plain(value: object, kind: TypeEngine[object] | TypeEngine[int], dialect: Dialect) -> object:
    return kind.process_bind_param(value, dialect) if isinstance(kind, TypeDecorator) else value


def _is_number(kind: TypeEngine[object] | TypeEngine[int]) -> bool:
    implementation = getattr(kind, "impl", kind)
    return isinstance(implementation, Integer)


def _sqlite(columns: Mapping[str, TypeEngine[object] | TypeEngine[int]], name: str) -> str:
    parts = [f"json_extract(value, '$[{place}]') AS {column}" for place, column in enumerate(columns)]
    return f"SELECT {', '.join(parts)} FROM json_each(:{name}_json)"  # noqa: S608 (column names are our schema's)


def _mariadb(columns: Mapping[str, TypeEngine[object] | TypeEngine[int]], name: str) -> str:
    parts = [
        f"{column} {'BIGINT' if _is_number(kind) else 'LONGTEXT'} PATH '$[{place}]'"
        for place, (column, kind) in enumerate(columns.items())
    ]
    return f"SELECT {', '.join(columns)} FROM JSON_TABLE(:{name}_json, '$[*]' COLUMNS ({', '.join(parts)})) AS t"  # noqa: S608 (column names are our schema's)


def _postgresql(columns: Mapping[str, TypeEngine[object] | TypeEngine[int]], name: str) -> str:
    parts = [
        f"CAST(value ->> {place} AS {'BIGINT' if _is_number(kind) else 'TEXT'}) AS {column}"
        for place, (column, kind) in enumerate(columns.items())
    ]
    return f"SELECT {', '.join(parts)} FROM json_array_elements(CAST(:{name}_json AS json)) AS t(value)"  # noqa: S608 (column names are our schema's)
