"""The journal of the simulated batch system: a file with one row for each batch job that it accepted.

What state a batch job is in follows from its row and the time. Some end at a time that is known from the start; others
end when their pilots say so (`pilots`), or when they are killed.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from harvester.core.workers import WorkerStatus

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS batch_job (
    batch_id INTEGER PRIMARY KEY AUTOINCREMENT, marker TEXT NOT NULL, queue TEXT NOT NULL, pilot TEXT NOT NULL,
    access_point TEXT NOT NULL, jobs TEXT NOT NULL, accepted REAL NOT NULL, starts REAL NOT NULL, ends REAL,
    ranges TEXT NOT NULL DEFAULT '[]', killed REAL, cleaned REAL
);
CREATE INDEX IF NOT EXISTS batch_job_marker ON batch_job (marker);
CREATE INDEX IF NOT EXISTS batch_job_endless ON batch_job (batch_id) WHERE ends IS NULL AND killed IS NULL;
"""
_COLUMNS: Final = "batch_id, marker, queue, jobs, accepted, starts, ends, killed, cleaned, ranges, pilot, access_point"
_ACCEPTED: Final = "marker, queue, pilot, access_point, jobs, accepted, starts, ends"


class Pilot(StrEnum):
    """What a batch job does."""

    PLAIN = "plain"
    """Runs what it finds when it is submitted, if anything, and ends by itself."""
    STUCK = "stuck"
    """Wants to be killed."""
    ASKING = "asking"
    """Asks for a job, runs it and ends."""
    REFILLED = "refilled"
    """Asks for jobs, runs them, and asks for more as long as it likes."""
    WEARY = "weary"
    """Asks for a job, but wants to be killed and takes nothing."""
    DIVIDED = "divided"
    """Finds its job when it is submitted, and asks for event ranges of it until there are no more."""


@dataclass(frozen=True, slots=True)
class BatchJob:
    """A row of the journal; times in seconds since 1970.

    Attributes:
        jobs: the jobs that it took from its access point.
        ends: when it ends by itself; None as long as that is not known.
        killed: when it was killed, if that was before its end.
        cleaned: when Harvester said that nothing of it is needed any more.
        ranges: the event ranges that it took, in order.
    """

    batch_id: str
    marker: str
    queue: str
    jobs: tuple[int, ...]
    accepted: float
    starts: float
    ends: float | None
    killed: float | None
    cleaned: float | None
    ranges: tuple[str, ...] = ()
    pilot: Pilot = Pilot.PLAIN
    access_point: str = ""

    @property
    def ended_at(self) -> float | None:
        """When it ends or has ended; None if only a kill would end it."""
        return self.ends if self.killed is None else self.killed

    def status(self, now: float) -> WorkerStatus:
        """Where it stands."""
        if self.ended_at is not None and self.ended_at <= now:
            return WorkerStatus.FINISHED if self.killed is None else WorkerStatus.CANCELLED
        return WorkerStatus.RUNNING if self.starts <= now else WorkerStatus.SUBMITTED


@dataclass(frozen=True, slots=True)
class Accepted:
    """A batch job as it is when it is accepted; see `BatchJob`."""

    marker: str
    queue: str
    pilot: Pilot
    access_point: str
    jobs: Sequence[int]
    accepted: float
    starts: float
    ends: float | None


class Journal:
    """The file; anybody may open it from any process and thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with closing(self._connect()) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_SCHEMA)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=60, isolation_level=None)
        connection.execute("PRAGMA synchronous = OFF")
        return connection

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """A transaction; the machine never dies, so what is committed need not be synced."""
        with closing(self._connect()) as connection, connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection

    def accept(self, some: Sequence[Accepted]) -> None:
        """Take batch jobs."""
        rows = [
            (
                each.marker,
                each.queue,
                each.pilot,
                each.access_point,
                json.dumps(each.jobs),
                each.accepted,
                each.starts,
                each.ends,
            )
            for each in some
        ]
        with self._changing() as connection:
            connection.executemany(f"INSERT INTO batch_job ({_ACCEPTED}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)  # noqa: S608 - no input

    def kill(self, batch_ids: Sequence[str], now: float) -> None:
        """End those that have not ended."""
        living = "batch_id = ? AND killed IS NULL AND (ends IS NULL OR ends > ?)"
        with self._changing() as connection:
            rows = [(now, batch_id, now) for batch_id in batch_ids]
            connection.executemany(f"UPDATE batch_job SET killed = ? WHERE {living}", rows)  # noqa: S608 - no input

    def clean(self, batch_ids: Sequence[str], now: float) -> None:
        """Note that Harvester is done with them."""
        with self._changing() as connection:
            rows = [(now, batch_id) for batch_id in batch_ids]
            connection.executemany("UPDATE batch_job SET cleaned = ? WHERE batch_id = ? AND cleaned IS NULL", rows)

    def let_work(self, step: Callable[[BatchJob], BatchJob], now: float) -> None:
        """Each pilot that runs without a known end takes a step; nobody is killed in the middle of it."""
        with self._changing() as connection:
            query = f"SELECT {_COLUMNS} FROM batch_job WHERE ends IS NULL AND killed IS NULL AND starts <= ?"  # noqa: S608 - no input
            before = [_batch_job(row) for row in connection.execute(query, (now,))]
            changed = [after for each in before if (after := step(each)) is not each]
            connection.executemany(
                "UPDATE batch_job SET jobs = ?, ranges = ?, ends = ? WHERE batch_id = ?",
                [(json.dumps(each.jobs), json.dumps(each.ranges), each.ends, each.batch_id) for each in changed],
            )

    def by_marker(self, markers: Sequence[str]) -> list[BatchJob]:
        """Batch jobs that carry one of the markers."""
        return self._rows("WHERE marker IN (SELECT value FROM json_each(?))", json.dumps(list(markers)))

    def all(self) -> list[BatchJob]:
        """Every batch job ever accepted, in order."""
        return self._rows("ORDER BY batch_id")

    def _rows(self, condition: str, *parameters: str) -> list[BatchJob]:
        query = f"SELECT {_COLUMNS} FROM batch_job {condition}"  # noqa: S608 - no input
        with closing(self._connect()) as connection:
            return [_batch_job(row) for row in connection.execute(query, parameters)]

    def counts(self) -> dict[str, int]:
        """How many batch jobs each queue has had."""
        with closing(self._connect()) as connection:
            return dict(connection.execute("SELECT queue, count(*) FROM batch_job GROUP BY queue"))

    def left(self, now: float) -> int:
        """How many have not ended or were not cleaned."""
        query = "SELECT count(*) FROM batch_job WHERE cleaned IS NULL OR coalesce(killed, ends, ?) >= ?"
        with closing(self._connect()) as connection:
            return int(connection.execute(query, (now, now)).fetchone()[0])


def _batch_job(row: Sequence[Any]) -> BatchJob:  # a row of SQLite may hold anything
    batch_id, marker, queue, jobs, accepted, starts, ends, killed, cleaned, ranges, pilot, access_point = row
    return BatchJob(
        str(batch_id),
        marker,
        queue,
        tuple(json.loads(jobs)),
        accepted,
        starts,
        ends,
        killed,
        cleaned,
        tuple(json.loads(ranges)),
        Pilot(pilot),
        access_point,
    )
