"""A simulated batch system that outlives everybody: all that it knows is in its journal.

Nothing runs here. Markers are searched but are no keys: who submits twice has two batch jobs. As with real systems, a
batch job appears in listings a moment after it was accepted, some answers get lost, and some pilots hang until they are
killed.
"""

import json
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Final

from crashing.journal import Accepted, BatchJob, Journal, Pilot
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

_APPEARS_AFTER: Final = 0.3
_WAITS: Final = (0.0, 0.5)
_RUNS: Final = (0.3, 1.5)
_ANSWERS_LOST: Final = 0.02
_CALL_TAKES: Final = 0.02
_HANG: Final = {Pilot.PLAIN: (Pilot.STUCK, 0.02), Pilot.ASKING: (Pilot.WEARY, 0.1), Pilot.REFILLED: (Pilot.WEARY, 0.1)}
"""What some pilots without jobs are instead, and which part of them."""


class BatchSettings(PluginSettings):
    """Settings of the simulated batch system.

    Attributes:
        journal: its file.
        seed: what chance begins with.
        pilot: what its batch jobs do.
    """

    journal: Path
    seed: int
    pilot: Pilot


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
            self._journal.accept([self._batch_job(worker, chance) for worker in part])
            self._take_time("submit")
        ids = {each.marker: each.batch_id for each in self._journal.by_marker([each.marker for each in accepted])}
        return [
            Unclear("the answer was lost") if fate < 1 else Submitted(ids[worker.marker])
            for worker, fate in zip(workers, fates, strict=True)
        ]

    def _batch_job(self, worker: Worker, chance: random.Random) -> Accepted:
        now, pilot, jobs = self._now, self.settings.pilot, self._jobs_found_by(worker)
        starts = now + chance.uniform(*_WAITS)
        if pilot in _HANG and not jobs:
            other, share = _HANG[pilot]
            pilot = other if chance.random() < share else pilot
        ends = starts + chance.uniform(*_RUNS) if pilot is Pilot.PLAIN else None
        return Accepted(worker.marker, worker.queue, pilot, worker.access_point, jobs, now, starts, ends)

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
        """Look the batch jobs up."""
        listed = {(each.marker, each.batch_id): each for each in self._listed(workers)}
        self._take_time("check")
        return [self._checked(listed.get((worker.marker, worker.batch_id or ""))) for worker in workers]

    def _checked(self, listed: BatchJob | None) -> CheckOutcome:
        if listed is None:
            return Gone("it is not in the listing")
        status = listed.status(self._now)
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
