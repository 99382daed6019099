"""Sets of rows as one parameter: any number of rows costs one statement on every engine.

A set travels as JSON text and becomes a table inside the statement: `json_each` on SQLite, `JSON_TABLE` on MariaDB,
`json_array_elements` on PostgreSQL.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    BindParameter,
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
    insert,
    select,
    text,
    update,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.sql.type_api import TypeEngine

from harvester.store.types import AnyRow, StoredAs

T = TypeVar("T")
Kind = TypeEngine[object] | TypeEngine[int] | TypeEngine[str]


def one_of(connection: Connection, column: ColumnElement[int], ids: Collection[int]) -> ColumnElement[bool]:
    """Whether an integer column is in the set.

    MariaDB gets a plain list: before 11.1 it evaluates the set anew for every row of the table that it changes
    (35 s for 1,000 of 20,000 rows), while a list becomes ranges of the key. The numbers stand in the statement itself:
    as parameters they cost its connector more than all the rest.
    """
    if connection.dialect.name != "mysql":
        return column.in_(_integers(connection, ids))
    return column.in_(bindparam(None, sorted(ids), BigInteger(), expanding=True, literal_execute=True))


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
    body = {
        "sqlite": "SELECT value AS id FROM json_each(:ids)",
        "postgresql": "SELECT CAST(value AS BIGINT) AS id FROM json_array_elements_text(CAST(:ids AS json))",
    }[connection.dialect.name]
    return select(_table_of(body, "ids", list(ids), {"id": BigInteger()}).c.id)


def _row_set(connection: Connection, columns: Mapping[str, Kind], rows: Sequence[Mapping[str, object]]) -> Subquery:
    """The rows as a table of the statement, with the given columns."""
    body = {"sqlite": _sqlite, "mysql": mariadb_rows, "postgresql": _postgresql}[connection.dialect.name](columns)
    return _table_of(body, "rows", _transposed(_plain_columns(columns, rows)), columns)


def _table_of(body: str, name: str, content: Sequence[object], columns: Mapping[str, Kind]) -> Subquery:
    """A set under a name of its own, of which a statement may hold several."""
    payload: BindParameter[str] = bindparam(name, json.dumps(content), unique=True)
    return text(body).bindparams(payload).columns(**columns).subquery(name)


def _plain_columns(columns: Mapping[str, Kind], rows: Sequence[Mapping[str, object]]) -> list[Sequence[object]]:
    """The values of each column as the driver takes them."""
    return [_plain(kind, [row[name] for row in rows]) for name, kind in columns.items()]


def _plain(kind: Kind, values: Sequence[object]) -> Sequence[object]:
    return kind.store_all(values) if isinstance(kind, StoredAs) else values


def _transposed(columns: Sequence[Sequence[object]]) -> list[tuple[object, ...]]:
    return list(zip(*columns, strict=True))


def matching_rows(
    connection: Connection,
    columns: Sequence[ColumnElement[Any]],
    keys: Mapping[str, ColumnElement[Any]],
    rows: Sequence[Mapping[str, object]],
) -> Sequence[AnyRow]:
    """Columns of the rows of a table that match one of the given rows in all key columns, in one statement.

    Args:
        connection: any transaction.
        columns: what to read.
        keys: the columns to match, by their names in `rows`.
        rows: the values wanted.
    """
    if not rows:
        return ()
    wanted = _row_set(connection, {name: column.type for name, column in keys.items()}, rows)
    matches = [column == wanted.c[name] for name, column in keys.items()]
    return connection.execute(select(*columns).where(*matches)).all()


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
    changes = _row_set(connection, kinds, rows)
    matches = [table.c[key.removeprefix("was_")] == changes.c[key] for key in keys]
    values: dict[str, object] = {name: changes.c[name] for name in kinds if name not in keys}
    result = connection.execute(update(table).where(*matches, *guards).values({**values, **(same or {})}))
    return result.rowcount


def insert_rows(connection: Connection, table: Table, names: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Insert rows with the values of the named columns.

    The values go straight to the driver: on SQLite, SQLAlchemy's own way costs five times as much as the insertion.
    """
    if not rows:
        return
    statement, places = _insertion(table, tuple(names), connection.dialect)
    columns = [_plain(table.c[name].type, values) for name, values in zip(names, _transposed(rows), strict=True)]
    if places is None:
        named = [dict(zip(names, row, strict=True)) for row in _transposed(columns)]
        connection.exec_driver_sql(statement, named)
    else:
        connection.exec_driver_sql(statement, _transposed([columns[place] for place in places]))


@lru_cache
def _insertion(table: Table, names: tuple[str, ...], dialect: Dialect) -> tuple[str, list[int] | None]:
    """The statement in the driver's dialect, and which column each of its parameters is, unless they have names."""
    compiled = insert(table).inline().compile(dialect=dialect, column_keys=names)
    order = compiled.positiontup
    return str(compiled), None if order is None else [names.index(name) for name in order]


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


def _is_number(kind: Kind) -> bool:
    implementation = getattr(kind, "impl", kind)
    return isinstance(implementation, Integer)


def _sqlite(columns: Mapping[str, Kind]) -> str:
    parts = [f"json_extract(value, '$[{place}]') AS {column}" for place, column in enumerate(columns)]
    return f"SELECT {', '.join(parts)} FROM json_each(:rows)"  # noqa: S608 (column names are our schema's)


def mariadb_rows(columns: Mapping[str, Kind]) -> str:
    """The statement whose rows are those of the parameter `rows`, a JSON list of lists."""
    parts = [
        f"{column} {'BIGINT' if _is_number(kind) else 'LONGTEXT'} PATH '$[{place}]'"
        for place, (column, kind) in enumerate(columns.items())
    ]
    return f"SELECT {', '.join(columns)} FROM JSON_TABLE(:rows, '$[*]' COLUMNS ({', '.join(parts)})) AS t"  # noqa: S608 (column names are our schema's)


def _postgresql(columns: Mapping[str, Kind]) -> str:
    parts = [
        f"CAST(value ->> {place} AS {'BIGINT' if _is_number(kind) else 'TEXT'}) AS {column}"
        for place, (column, kind) in enumerate(columns.items())
    ]
    return f"SELECT {', '.join(parts)} FROM json_array_elements(CAST(:rows AS json)) AS t(value)"  # noqa: S608 (column names are our schema's)
