"""Where records are kept: in memory, and in a SQLite file too if one is given.

With a file, every change is committed before the call that made it is answered, so that what was acknowledged outlives
a SIGKILL of this process.
"""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue


@dataclass(frozen=True, slots=True)
class Note:
    """One line of the journal: a state change this server saw."""

    number: int
    time: float
    kind: str
    key: str
    event: str
    detail: str

    def to_wire(self) -> dict[str, JsonValue]:
        """Give the JSON object of `/dev/journal`."""
        return {
            "number": self.number,
            "time": self.time,
            "kind": self.kind,
            "key": self.key,
            "event": self.event,
            "detail": self.detail,
        }


_SCHEMA = """
CREATE TABLE IF NOT EXISTS record (
    kind TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS note (
    number INTEGER PRIMARY KEY, time REAL NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL,
    event TEXT NOT NULL, detail TEXT NOT NULL
);
"""


class Memory:
    """Collects the changes of one call and commits them together; the caller's lock makes it safe."""

    def __init__(self, state_file: Path | None) -> None:
        self.journal: list[Note] = []
        self._changed: dict[tuple[str, str], JsonValue] = {}
        self._committed_notes = 0
        self._database = self._open(state_file) if state_file else None
        if self._database:
            self.journal = [Note(*row) for row in self._database.execute("SELECT * FROM note ORDER BY number")]
            self._committed_notes = len(self.journal)

    @staticmethod
    def _open(state_file: Path) -> sqlite3.Connection:
        database = sqlite3.connect(state_file, check_same_thread=False, isolation_level=None)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.executescript(_SCHEMA)
        return database

    def close(self) -> None:
        """Close the state file."""
        if self._database:
            self._database.close()

    def records(self, kind: str) -> Iterator[tuple[str, dict[str, JsonValue]]]:
        """Give what an earlier server with this state file remembered, by key."""
        if self._database:
            for key, body in self._database.execute("SELECT key, body FROM record WHERE kind = ?", (kind,)):
                yield key, json.loads(body)

    def keep(self, kind: str, key: str | int, body: JsonValue) -> None:
        """Remember this record in its present state at the next commit."""
        if self._database:
            self._changed[kind, str(key)] = body

    def forget(self, kind: str, key: str | int) -> None:
        """Drop a record at the next commit."""
        self.keep(kind, key, None)

    def note(self, time: float, kind: str, key: str | int, event: str, detail: str = "") -> None:
        """Write a line of the journal."""
        self.journal.append(Note(len(self.journal) + 1, time, kind, str(key), event, detail))

    def commit(self) -> None:
        """Make everything since the last commit durable."""
        if not self._database or not (self._changed or len(self.journal) > self._committed_notes):
            return
        kept = [(*key, json.dumps(body)) for key, body in self._changed.items() if body is not None]
        dropped = [key for key, body in self._changed.items() if body is None]
        fresh = self.journal[self._committed_notes :]
        notes = [(n.number, n.time, n.kind, n.key, n.event, n.detail) for n in fresh]
        with self._database as transaction:
            transaction.execute("BEGIN")
            transaction.executemany("INSERT OR REPLACE INTO record VALUES (?, ?, ?)", kept)
            transaction.executemany("DELETE FROM record WHERE kind = ? AND key = ?", dropped)
            transaction.executemany("INSERT INTO note VALUES (?, ?, ?, ?, ?, ?)", notes)
        self._changed.clear()
        self._committed_notes = len(self.journal)
