"""A simulated batch system that outlives everybody: a file with one row for each batch job that it accepted.

Nothing runs; what state a batch job is in follows from its row and the time. Markers are searched but are no keys: who
submits twice has two batch jobs. As with real systems, a batch job appears in listings a moment after it was accepted,
some answers get lost, and some pilots hang until they are killed.
"""

import json
import random
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from harvester.agents.failpoints import reach
from harvester.core.workers import Worker, WorkerStatus
from harvester.plugins.api import (
    CheckOutcome,
    Done,
    Gone,
    Grade,
    PluginContext,
    PluginSettings,
    Resource,
    Search,
    Seen,
    SubmitOutcome,
    Submitted,
    Unclear,
)

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS batch_job (
    batch_id INTEGER PRIMARY KEY AUTOINCREMENT, marker TEXT NOT NULL, queue TEXT NOT NULL, jobs TEXT NOT NULL,
    accepted REAL NOT NULL, starts REAL NOT NULL, ends REAL, killed REAL, cleaned REAL
);
CREATE INDEX IF NOT EXISTS batch_job_marker ON batch_job (marker);
"""
_COLUMNS: Final = "batch_id, marker, queue, jobs, accepted, starts, ends, killed, cleaned"
_APPEARS_AFTER: Final = 0.3
_WAITS: Final = (0.0, 0.5)
_RUNS: Final = (0.3, 1.5)
_HANGS: Final = 0.02
_ANSWERS_LOST: Final = 0.02
_CALL_TAKES: Final = 0.02


@dataclass(frozen=True, slots=True)
class BatchJob:
    """A row of the journal; times in seconds since 1970.

    Attributes:
        jobs: the jobs that it found in its access point.
        ends: when it ends by itself; None if it hangs.
        killed: when it was killed, if that was before its end.
        cleaned: when Harvester said that nothing of it is needed any more.
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

    @property
    def ended_at(self) -> float | None:
        """When it ends or has ended; None if only a kill would end it."""
        return self.ends if self.killed is None else self.killed

    def status(self, now: float) -> WorkerStatus:
        """Where it stands."""
        if self.ended_at is not None and self.ended_at <= now:
            return WorkerStatus.FINISHED if self.killed is None else WorkerStatus.CANCELLED
        return WorkerStatus.RUNNING if self.starts <= now else WorkerStatus.SUBMITTED


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

    def accept(self, rows: Sequence[tuple[str, str, str, float, float, float | None]]) -> None:
        """Take batch jobs: marker, queue, jobs, accepted, starts, ends."""
        statement = "INSERT INTO batch_job (marker, queue, jobs, accepted, starts, ends) VALUES (?, ?, ?, ?, ?, ?)"
        with self._changing() as connection:
            connection.executemany(statement, rows)

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

    def by_marker(self, markers: Sequence[str]) -> list[BatchJob]:
        """Batch jobs that carry one of the markers."""
        return self._rows("WHERE marker IN (SELECT value FROM json_each(?))", json.dumps(list(markers)))

    def all(self) -> list[BatchJob]:
        """Every batch job ever accepted, in order."""
        return self._rows("ORDER BY batch_id")

    def _rows(self, condition: str, *parameters: str) -> list[BatchJob]:
        query = f"SELECT {_COLUMNS} FROM batch_job {condition}"  # noqa: S608 - no input
        with closing(self._connect()) as connection:
            rows = connection.execute(query, parameters).fetchall()
        return [BatchJob(str(row[0]), row[1], row[2], tuple(json.loads(row[3])), *row[4:]) for row in rows]

    def counts(self) -> dict[str, int]:
        """How many batch jobs each queue has had."""
        with closing(self._connect()) as connection:
            return dict(connection.execute("SELECT queue, count(*) FROM batch_job GROUP BY queue"))

    def left(self, now: float) -> int:
        """How many have not ended or were not cleaned."""
        query = "SELECT count(*) FROM batch_job WHERE cleaned IS NULL OR coalesce(killed, ends, ?) >= ?"
        with closing(self._connect()) as connection:
            return int(connection.execute(query, (now, now)).fetchone()[0])


class BatchSettings(PluginSettings):
    """Settings of the simulated batch system.

    Attributes:
        journal: its file.
        seed: what chance begins with.
    """

    journal: Path
    seed: int


class SimulatedBatch(Resource[BatchSettings]):
    """Submits to the journal. Points at which the process can be made to die lie in the middle of each verb."""

    Settings = BatchSettings
    grade: ClassVar[Grade] = Grade.SEARCHABLE
    poll_seconds = 0.3
    settle_seconds = 1.0

    @property
    def endpoint(self) -> str:
        """There is one."""
        return "simulated"

    def __init__(self, settings: BatchSettings, context: PluginContext) -> None:
        super().__init__(settings, context)
        self._journal = Journal(settings.journal)

    @property
    def _now(self) -> float:
        return self.context.clock().timestamp()

    def submit(self, workers: Sequence[Worker]) -> Sequence[SubmitOutcome]:
        """Accept them in two steps; for a few the answer is lost, before or after they were accepted."""
        chance = random.Random(f"{self.settings.seed} {self._now}")  # noqa: S311 - nobody's secret
        fates = [chance.random() / _ANSWERS_LOST for _ in workers]
        accepted = [worker for worker, fate in zip(workers, fates, strict=True) if not fate < 1 / 2]
        for part in _halves(accepted):
            self._journal.accept([self._row(worker, chance) for worker in part])
            self._take_time("submit")
        ids = {each.marker: each.batch_id for each in self._journal.by_marker([each.marker for each in accepted])}
        return [
            Unclear("the answer was lost") if fate < 1 else Submitted(ids[worker.marker])
            for worker, fate in zip(workers, fates, strict=True)
        ]

    def _row(self, worker: Worker, chance: random.Random) -> tuple[str, str, str, float, float, float | None]:
        now = self._now
        starts = now + chance.uniform(*_WAITS)
        hangs = not worker.job_ids and chance.random() < _HANGS
        jobs = json.dumps(self._jobs_found_by(worker))
        return worker.marker, worker.queue, jobs, now, starts, None if hangs else starts + chance.uniform(*_RUNS)

    def _jobs_found_by(self, worker: Worker) -> list[int]:
        """What a pilot of the worker would run: not what Harvester thinks, but what lies in the access point."""
        path = Path(worker.access_point, self.context.file_names["jobSpecFile"])
        return [int(key) for key in json.loads(path.read_text())] if path.exists() else []

    def find(self, workers: Sequence[Worker]) -> Search:
        """Search the listing."""
        self._take_time("find")
        listed = self._listed(workers)
        return Search({each.marker: Submitted(each.batch_id) for each in listed}, complete=True)

    def check(self, workers: Sequence[Worker]) -> Sequence[CheckOutcome]:
        """Look the batch jobs up; pilots that hang ask to be killed."""
        listed = {(each.marker, each.batch_id): each for each in self._listed(workers)}
        self._take_time("check")
        return [self._checked(worker, listed.get((worker.marker, worker.batch_id or ""))) for worker in workers]

    def _checked(self, worker: Worker, listed: BatchJob | None) -> CheckOutcome:
        if listed is None:
            return Gone("it is not in the listing")
        status = listed.status(self._now)
        if status is WorkerStatus.RUNNING and listed.ends is None:
            Path(worker.access_point, self.context.file_names["killWorkerFile"]).touch()
        return Seen(status, exit_code=0 if status is WorkerStatus.FINISHED else None)

    def _listed(self, workers: Sequence[Worker]) -> list[BatchJob]:
        latest = self._now - _APPEARS_AFTER
        return [each for each in self._journal.by_marker([each.marker for each in workers]) if each.accepted <= latest]

    def kill(self, workers: Sequence[Worker]) -> Sequence[Done]:
        """End them, in two steps."""
        for part in _halves(workers):
            self._journal.kill([each.batch_id for each in part if each.batch_id], self._now)
            self._take_time("kill")
        return [Done() for _ in workers]

    def clean(self, workers: Sequence[Worker]) -> Sequence[Done]:
        """Note that they are not needed any more, in two steps."""
        for part in _halves(workers):
            self._journal.clean([each.batch_id for each in part if each.batch_id], self._now)
            self._take_time("clean")
        return [Done() for _ in workers]

    def _take_time(self, verb: str) -> None:
        reach(f"batch.in_{verb}")
        time.sleep(_CALL_TAKES)


def _halves(workers: Sequence[Worker]) -> list[Sequence[Worker]]:
    middle = (len(workers) + 1) // 2
    return [part for part in (workers[:middle], workers[middle:]) if part]
