"""Backups of the database, made while the service runs.

SQLite is copied as a file by its own means; of a server, all rows are written in the portable form. Either is seen as
it was at one moment.
"""

import glob
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Table

from harvester.store import belonging, migrate, numbers, portable, rows
from harvester.store.engine import Database
from harvester.store.portable import BackupError, Heading, Rows

_COPY: Final = ".sqlite"
_ROWS: Final = ".jsonl.gz"
_MOMENT: Final = "%Y%m%dT%H%M%S"
_PRIVATE: Final = 0o600
_DEAD: Final = 12 * 3600.0
"""Seconds after which a draft that nobody has written to is that of a backup that was killed."""


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that was made.

    Attributes:
        size: in bytes.
        removed: older backups that had to go.
    """

    path: Path
    size: int
    removed: tuple[Path, ...]


def back_up(db: Database, folder: Path, name: str, now: datetime, *, keep: int) -> Made:
    """Make a backup, named by the moment; it is there when it is whole, and readable by this account alone.

    Args:
        db: the database, which others may use and change meanwhile.
        folder: where backups are; it is made if it is not there.
        name: begins the names of all backups of this instance.
        now: what time it is.
        keep: so many of the newest backups of that name are kept, the others removed; 0 for all.

    Raises:
        StoreUnavailableError: the database is away.
        BackupError: the copy is not sound.
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"{name}-{now:{_MOMENT}}{_COPY if db.dialect == 'sqlite' else _ROWS}"
    with _put_in_place(path) as draft:
        _remove_dead_drafts(draft, name)
        if db.dialect == "sqlite":
            _copy_file(Path(str(db.engine.url.database)), draft)
        else:
            _write_rows(db, draft, now)
    return Made(path, path.stat().st_size, _remove_older(folder, name, keep))


@contextmanager
def _put_in_place(path: Path) -> Iterator[Path]:
    """A draft that takes its place when it is on the disk."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.touch(_PRIVATE)
        yield draft
        with draft.open("rb") as written:
            os.fsync(written.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _copy_file(original: Path, draft: Path) -> None:
    """A copy that needs no other file beside it, and that SQLite has found to be sound."""
    try:
        with closing(sqlite3.connect(original)) as source, closing(sqlite3.connect(draft)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
            found = [words for (words,) in copy.execute("PRAGMA integrity_check")]
    except sqlite3.Error as error:
        raise BackupError(f"{original} cannot be copied: {error}") from error
    if found != ["ok"]:
        raise BackupError(f"the copy of {original} is damaged, and so is most probably the database: {found[0]}")


def _write_rows(db: Database, draft: Path, now: datetime) -> None:
    with db.snapshot() as connection, draft.open("wb") as file:
        tables = rows.tables_of(connection)
        heading = Heading(
            version=migrate.current(connection) or "",
            numbers=numbers.given(connection, [table.name for table in tables]),
            made_at=now.isoformat(),
            instance=belonging.instance_of(connection),
        )
        portable.write(file, heading, (_all_of(connection, table) for table in tables))


def _all_of(connection: Connection, table: Table) -> Rows:
    pages = rows.pages_of(connection, table)
    return Rows(table.name, table.columns.keys(), (tuple(row) for page in pages for row in page))


def _remove_older(folder: Path, name: str, keep: int) -> tuple[Path, ...]:
    """The name of a backup is its age."""
    found = [path for ending in (_COPY, _ROWS) for path in folder.glob(f"{_any_of(name)}{ending}")]
    newest_first = sorted(found, key=lambda path: path.name.removeprefix(name), reverse=True)
    outdated = tuple(newest_first[keep:]) if keep else ()
    for path in outdated:
        path.unlink(missing_ok=True)
    return outdated


def _remove_dead_drafts(present: Path, name: str) -> None:
    """The file system dates all its files alike, so the present draft tells what time it is there."""
    now = present.stat().st_mtime
    for path in present.parent.glob(f".{_any_of(name)}.*"):
        with suppress(OSError):  # it is gone, or another account's: no reason to make no backup
            if now - path.stat().st_mtime > _DEAD:
                path.unlink()


def _any_of(name: str) -> str:
    """How the names of all backups of an instance begin."""
    return f"{glob.escape(name)}-{'[0-9]' * 8}T{'[0-9]' * 6}"
