"""Brings a backup back, into the engine that it comes from or into another one.

While that goes on, the version of the tables says so: nobody takes half of them for the whole. SQLite and PostgreSQL do
it in one transaction. MariaDB commits every change of a table by itself; whoever dies there has to do it again.
"""

import json
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, Protocol

from sqlalchemy import (
    URL,
    Connection,
    MetaData,
    Table,
    Text,
    column,
    create_engine,
    delete,
    insert,
    select,
    text,
)
from sqlalchemy import table as named_table
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from harvester.core.errors import HarvesterError
from harvester.store import belonging, migrate, numbers, rows, worker_ids
from harvester.store.engine import Database, is_of_database
from harvester.store.portable import MAGIC, BackupError, Heading, PortableBackup, Rows, Value
from harvester.store.schema import instance
from harvester.store.sets import mariadb_rows

_SQLITE_MAGIC: Final = b"SQLite format 3\0"
_MOST_CHARACTERS: Final = 1_000_000
"""In one statement: servers refuse longer ones than they are set up for."""
_SCRATCH_VERSIONS: Final = "harvester_restore_version"
"""Where the version is kept while tables are made for a backup."""


class NotEmptyError(HarvesterError):
    """There are rows that a backup would have to replace."""


class Backup(Protocol):
    """What can be brought back."""

    heading: Heading

    def batches(self) -> Generator[Rows]:
        """All rows, some at a time.

        Raises:
            BackupError: it is damaged.
        """
        ...


def open_backup(path: Path) -> Backup:
    """The backup in a file, which was read once: it is whole, and of tables that are known.

    Raises:
        BackupError: it is none, is damaged, or made by a newer version.
        OSError: it cannot be read.
    """
    backup = _recognized(path)
    _require_whole(backup)
    return backup


def _recognized(path: Path) -> Backup:
    with path.open("rb") as file:
        begin = file.read(len(_SQLITE_MAGIC))
    if begin == _SQLITE_MAGIC:
        return SqliteFile(path)
    if begin.startswith(MAGIC):
        return PortableBackup(path)
    raise BackupError(f"{path} is no backup made by `harvester db backup`")


def _require_whole(backup: Backup) -> None:
    version = backup.heading.version
    if version not in migrate.versions():
        raise BackupError(
            f"the backup has tables of version {version}, which this Harvester does not know; take a newer one"
        )
    for _ in backup.batches():
        pass


class SqliteFile:
    """The database of an instance as a file: a backup, or that of a service that was stopped.

    Raises:
        BackupError: it is none, or is damaged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        where = URL.create("sqlite", database=path.absolute().as_uri(), query={"mode": "ro", "uri": "true"})
        self._engine = create_engine(where, poolclass=NullPool)
        try:
            with self._engine.connect() as connection:
                self._require_sound(connection)
                self.heading = self._read_heading(connection)
        except DBAPIError as error:
            raise BackupError(f"{path} cannot be read: {error.orig}; take another backup") from None

    def batches(self) -> Generator[Rows]:
        """All rows, some at a time."""
        with self._engine.connect() as connection:
            for table in rows.tables_of(connection):
                for page in rows.pages_of(connection, table):
                    yield Rows(table.name, table.columns.keys(), [tuple(row) for row in page])

    def _require_sound(self, connection: Connection) -> None:
        (found, *_) = connection.exec_driver_sql("PRAGMA integrity_check").scalars().all()
        if found != "ok":
            raise BackupError(f"{self._path} is damaged ({found}); take another backup")

    def _read_heading(self, connection: Connection) -> Heading:
        version = migrate.current(connection)
        if version is None:
            raise BackupError(f"{self._path} has no tables of Harvester")
        names = [table.name for table in rows.tables_of(connection)]
        return Heading(version, numbers.given(connection, names), "", instance=belonging.instance_of(connection))


def restore(
    db: Database, backup: Backup, *, replace: bool, may_begin: Callable[[Connection], None]
) -> Mapping[str, int]:
    """Put the rows of a backup into a database, whose tables are up to date then; returns how many, by table.

    Ids of workers go on beyond those that may have been given since.

    Args:
        db: the database.
        backup: a whole one.
        replace: remove the rows that are there.
        may_begin: raises if something is in the way, such as a process that is at work.

    Raises:
        BackupError: the backup does not fit.
        NotEmptyError: the database has rows, which may not be replaced.
        TablesError: its tables are not those of Harvester.
        StoreUnavailableError: it is away.
    """
    with db.write() as connection, migrate.alone(connection, db.dialect):
        may_begin(connection)
        _require_room(connection, replace=replace)
        _mark(connection, migrate.RESTORING)
        _make_empty_tables(connection, backup.heading.version)
        numbers.go_on_after(connection, backup.heading.numbers)
        with closing(backup.batches()) as batches:
            counted = _fill(connection, batches)
        migrate.bring_to(connection, "head", _SCRATCH_VERSIONS)
        _drop(connection, [_SCRATCH_VERSIONS])
        worker_ids.leave_gap(connection)
        _mark(connection, migrate.newest())
    return counted


def _require_room(connection: Connection, *, replace: bool) -> None:
    if replace and migrate.current(connection) == migrate.RESTORING:
        return
    migrate.require_ours(connection)
    if not replace and (filled := filled_tables(connection)):
        raise NotEmptyError(
            f"the database has rows already, in {', '.join(filled)}; --replace removes all of them first"
        )


def filled_tables(connection: Connection) -> list[str]:
    """The tables with rows that would be lost; whom the database belongs to is no such row."""
    present = [table for table in rows.tables_of(connection) if table.name != instance.name]
    return [table.name for table in present if connection.execute(select(table).limit(1)).first() is not None]


def _mark(connection: Connection, version: str) -> None:
    """Say which version the tables are at, whatever becomes of what follows."""
    migrate.VERSIONS.create(connection, checkfirst=True)
    connection.execute(delete(migrate.VERSIONS))
    connection.execute(insert(migrate.VERSIONS).values(version_num=version))
    if connection.dialect.name == "mysql":
        connection.commit()


def _make_empty_tables(connection: Connection, version: str) -> None:
    _drop(connection, [*(table.name for table in rows.tables_of(connection)), _SCRATCH_VERSIONS])
    migrate.bring_to(connection, version, _SCRATCH_VERSIONS)


def _drop(connection: Connection, names: Sequence[str]) -> None:
    for name in names:
        Table(name, MetaData()).drop(connection, checkfirst=True)


def _fill(connection: Connection, batches: Iterator[Rows]) -> Mapping[str, int]:
    counted: Counter[str] = Counter()
    for batch in batches:
        for some in _in_parts(batch.values):
            try:
                _insert(connection, batch, some)
            except DBAPIError as error:
                if is_of_database(error, connection.dialect.name):
                    raise
                what = f"rows of table {batch.table} do not fit into this database"
                raise BackupError(f"{what}: {error.orig}") from error
            counted[batch.table] += len(some)
    return counted


def _insert(connection: Connection, batch: Rows, values: Sequence[Sequence[Value]]) -> None:
    """MariaDB gets all rows as one parameter: its connector takes longer for single values than all the rest does."""
    into = insert(named_table(batch.table, *map(column, batch.columns)))
    if connection.dialect.name == "mysql":
        texts = {f"c{place}": Text() for place in range(len(batch.columns))}  # it makes numbers where it needs some
        source = text(mariadb_rows(texts)).columns(**texts)
        connection.execute(into.from_select(batch.columns, source), {"rows": json.dumps(values, ensure_ascii=False)})
    else:
        connection.execute(into, [dict(zip(batch.columns, row, strict=True)) for row in values])


def _in_parts(values: Iterable[Sequence[Value]]) -> Iterator[list[Sequence[Value]]]:
    part: list[Sequence[Value]] = []
    characters = 0
    for row in values:
        part.append(row)
        characters += sum(len(value) for value in row if isinstance(value, str))
        if characters >= _MOST_CHARACTERS:
            yield part
            part, characters = [], 0
    if part:
        yield part
