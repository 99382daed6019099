"""Databases with all tables and nothing in them, quick to have."""

import shutil
from pathlib import Path

from sqlalchemy import event

from harvester.store import migrate
from harvester.store.engine import Database, sqlite_url


def make_template(directory: Path) -> Path:
    """A file to be copied, since making the tables takes long."""
    path = directory / "harvester.db"
    database = Database(sqlite_url(path))
    migrate.upgrade(database)
    database.close()
    return path


def open_copy(template: Path, directory: Path) -> Database:
    """A database of its own, which does not wait for the disk."""
    database = Database(sqlite_url(Path(shutil.copy(template, directory / "harvester.db"))))
    event.listen(database.engine, "connect", lambda raw, _: raw.cursor().execute("PRAGMA synchronous = OFF"))
    return database
