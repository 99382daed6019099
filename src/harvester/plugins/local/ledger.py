"""The local resource's book of workers: one SQLite file, and the only truth about them.

Every change is a single transaction that says which state it starts from, so that any number of processes may write
and any of them may be killed at any instant:

* a marker is entered once: a second submission of the same marker changes nothing;
* a queued worker is claimed by exactly one keeper, and only while cores are free, in the order of submission;
* an ended worker never changes again.

Standard library only, but for this package: keepers load this module. Times are seconds since the epoch, passed in.
"""

import json
import os
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from harvester.plugins.local.processes import Process

QUEUED: Final = "queued"
RUNNING: Final = "running"
FINISHED: Final = "finished"
FAILED: Final = "failed"
CANCELLED: Final = "cancelled"

LedgerError = sqlite3.Error
"""What every method of `Ledger` raises when the file cannot be read or written."""

_PATIENCE: Final = 30.0
"""Seconds to wait for another process's transaction."""

_SCHEMA: Final = """
PRAGMA journal_mode = WAL;
CREATE TABLE workers (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    marker     TEXT NOT NULL UNIQUE,
    task       TEXT NOT NULL,
    cores      INTEGER NOT NULL,
    core_limit INTEGER NOT NULL,
    state      TEXT NOT NULL,
    pid        INTEGER,
    birth      TEXT,
    exit_code  INTEGER,
    remark     TEXT NOT NULL DEFAULT '',
    started_at REAL,
    ended_at   REAL
);
CREATE INDEX live_workers ON workers (state, number) WHERE state IN ('queued', 'running');
"""


@dataclass(frozen=True, slots=True)
class Task:
    """What a keeper starts.

    Attributes:
        kill_grace: seconds between asking a worker to end and ending it.
    """

    argv: Sequence[str]
    directory: str
    environment: Mapping[str, str]
    stdout: str
    stderr: str
    kill_grace: float


@dataclass(frozen=True, slots=True)
class Entry:
    """A worker to enter.

    Attributes:
        core_limit: it starts only if all running workers together then use no more cores than this.
    """

    marker: str
    task: Task
    cores: int
    core_limit: int


@dataclass(frozen=True, slots=True)
class Ending:
    """How a worker ended that ran under a keeper, the process that ran it."""

    marker: str
    keeper: Process
    state: str
    exit_code: int | None
    remark: str


@dataclass(frozen=True, slots=True)
class Line:
    """What the ledger says of one worker."""

    marker: str
    state: str
    keeper: Process | None
    exit_code: int | None
    remark: str
    started_at: float | None
    ended_at: float | None


class Ledger:
    """The book in one directory; a connection lives no longer than one call, so the object may be shared and forked."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "workers.db"

    def enter(self, entries: Iterable[Entry]) -> None:
        """Afterwards every marker is in the book; those that were there already are untouched."""
        rows = [(e.marker, json.dumps(asdict(e.task)), e.cores, e.core_limit, QUEUED) for e in entries]
        with self._transaction() as db:
            db.executemany(
                "INSERT OR IGNORE INTO workers (marker, task, cores, core_limit, state) VALUES (?, ?, ?, ?, ?)", rows
            )

    def lines(self, markers: Iterable[str]) -> dict[str, Line]:
        """What the book says of these markers; those it does not hold are left out."""
        with self._transaction(write=False) as db:
            rows = db.execute(
                "SELECT marker, state, pid, birth, exit_code, remark, started_at, ended_at FROM workers"
                " WHERE marker IN (SELECT value FROM json_each(?))",
                (json.dumps(list(markers)),),
            ).fetchall()
        return {
            marker: Line(marker, state, None if pid is None else Process(pid, birth), exit_code, remark, start, end)
            for marker, state, pid, birth, exit_code, remark, start, end in rows
        }

    def changed_since(self, moment: float) -> list[str]:
        """Markers of the workers that were started or have ended since then."""
        with self._transaction(write=False) as db:
            query = "SELECT marker FROM workers WHERE started_at >= :moment OR ended_at >= :moment"
            return [row[0] for row in db.execute(query, {"moment": moment})]

    def startable(self) -> int:
        """How many of the next queued workers the free cores would take."""
        with self._transaction(write=False) as db:
            used = _cores_in_use(db)
            queued = db.execute("SELECT cores, core_limit FROM workers WHERE state = 'queued' ORDER BY number")
            number = 0
            for cores, limit in queued:
                used += cores
                if used > limit:
                    break
                number += 1
        return number

    def claim(self, keeper: Process, now: float) -> tuple[str, Task] | None:
        """Afterwards the first queued worker runs under this keeper; None if there is none or it has to wait."""
        with self._transaction() as db:
            row = db.execute(
                "SELECT marker, task, cores, core_limit FROM workers WHERE state = 'queued' ORDER BY number LIMIT 1"
            ).fetchone()
            if row is None or _cores_in_use(db) + row[2] > row[3]:
                return None
            db.execute(
                "UPDATE workers SET state = 'running', pid = ?, birth = ?, started_at = ? WHERE marker = ?",
                (keeper.pid, keeper.birth, now, row[0]),
            )
        return row[0], Task(**json.loads(row[1]))

    def end(self, endings: Iterable[Ending], now: float) -> None:
        """Afterwards the workers have ended; nothing changes for those that do not run under these keepers."""
        rows = [(e.state, e.exit_code, e.remark, now, e.marker, e.keeper.pid, e.keeper.birth) for e in endings]
        with self._transaction() as db:
            db.executemany(
                "UPDATE workers SET state = ?, exit_code = ?, remark = ?, ended_at = ?"
                " WHERE marker = ? AND state = 'running' AND pid = ? AND birth = ?",
                rows,
            )

    def cancel_queued(self, markers: Iterable[str], now: float) -> None:
        """Afterwards none of these workers will be started."""
        with self._transaction() as db:
            db.execute(
                "UPDATE workers SET state = 'cancelled', remark = 'cancelled before it was started', ended_at = ?"
                " WHERE state = 'queued' AND marker IN (SELECT value FROM json_each(?))",
                (now, json.dumps(list(markers))),
            )

    def remove_ended(self, markers: Iterable[str]) -> None:
        """Afterwards those of the markers that have ended are no longer in the book."""
        with self._transaction() as db:
            db.execute(
                "DELETE FROM workers WHERE state NOT IN ('queued', 'running')"
                " AND marker IN (SELECT value FROM json_each(?))",
                (json.dumps(list(markers)),),
            )

    @contextmanager
    def _transaction(self, *, write: bool = True) -> Iterator[sqlite3.Connection]:
        if not self._path.exists():
            _create(self._path)
        with closing(sqlite3.connect(self._path, timeout=_PATIENCE, isolation_level=None)) as db:
            db.execute("PRAGMA synchronous = FULL")
            db.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            yield db
            db.execute("COMMIT")


def _cores_in_use(db: sqlite3.Connection) -> int:
    (cores,) = db.execute("SELECT coalesce(sum(cores), 0) FROM workers WHERE state = 'running'").fetchone()
    return int(cores)


def _create(path: Path) -> None:
    """Afterwards there is a ledger, whoever made it: several processes may come first at the same time.

    It is readable for its owner only, because tasks carry the workers' environment.
    """
    try:
        handle, name = tempfile.mkstemp(prefix=path.name, dir=path.parent)
        os.close(handle)
        draft = Path(name)
        try:
            with closing(sqlite3.connect(draft)) as db:
                db.executescript(_SCHEMA)
            path.hardlink_to(draft)
        except FileExistsError:
            return
        finally:
            draft.unlink()
    except OSError as error:
        raise sqlite3.OperationalError(f"cannot make {path}: {error.strerror}") from error
