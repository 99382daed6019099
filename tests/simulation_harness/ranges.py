"""Pilots of the simulation whose job is divided into event ranges: they ask for some, work on them, and ask again."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from harvester.core.files import FileKind
from harvester.plugins.api import RangesWanted, ReportedEvent, ReportedFile
from simulation_harness.batch_jobs import BatchJob, Run

_AT_ONCE: Final = 3
_LASTS: Final = (10.0, 1200.0)
_PATIENCE: Final = (1800.0, 4 * 3600.0)
"""Seconds that a pilot waits for ranges before it ends with what it has done."""
_LOOKS_AFTER: Final = (1.0, 120.0)
_FAILING: Final = 0.1
_GUID: Final = "00000000-0000-4000-8000-000000000002"


@dataclass(slots=True)
class RangeRun:
    """What a pilot does with one range; times in seconds since 1970.

    Attributes:
        word: how it says that the range ended.
        lfn: the file with its output; empty if it has none.
        is_told: whether Harvester knows the end.
    """

    range_id: str
    begins: float
    ends: float
    word: str
    lfn: str
    is_told: bool = False

    def event_of(self, job: int) -> ReportedEvent:
        """What the pilot says of it."""
        return ReportedEvent(job, self.range_id, self.word, self.lfn or None)

    def file_of(self, job: int) -> ReportedFile | None:
        """Its output, if it has one."""
        if not self.lfn:
            return None
        path = f"/scratch/{self.lfn}"
        kind, range_id = FileKind.ES_OUTPUT, self.range_id
        return ReportedFile(job, self.lfn, kind, path, 10, "ad:00000001", _GUID, event_range=range_id)


@dataclass(slots=True)
class DividedWork:
    """What the pilot of a batch job does with the ranges of its job.

    Attributes:
        ranges: those that it takes up, if nothing ends it before.
        asks_at: when it asks for ranges next; None if there are no more.
        requests: how often it has asked and was answered.
        answers: numbers of what was delivered.
        has_all: whether it was told that there are no more.
    """

    batch_job: BatchJob
    run: Run
    asks_at: float | None
    ranges: list[RangeRun] = field(default_factory=list)
    requests: int = 0
    answers: set[int] = field(default_factory=set)
    has_all: bool = False

    @property
    def job(self) -> int:
        """Its job's id."""
        return self.run.pair[0]

    def taken(self) -> list[RangeRun]:
        """Ranges on which it has begun to work, or will."""
        return [each for each in self.ranges if self._is_before_the_end(each.begins)]

    def worked(self, now: float) -> list[RangeRun]:
        """Ranges that it is through with."""
        return [each for each in self.ranges if each.ends <= now and self._is_before_the_end(each.ends)]

    def _is_before_the_end(self, moment: float) -> bool:
        return self.batch_job.ended_at is None or moment <= self.batch_job.ended_at

    def wanted(self, now: float) -> RangesWanted | None:
        """What it asks for."""
        if self.asks_at is None or self.asks_at > now or not self.batch_job.is_live(now):
            return None
        return RangesWanted({self.job: _AT_ONCE}, f"request {self.requests}")

    def put_off(self, delay: float, now: float) -> None:
        """It stops, and goes on later."""
        for each in self.ranges:
            each.begins += delay if each.begins > now else 0.0
            each.ends += delay if each.ends > now else 0.0
        self.asks_at = None if self.asks_at is None else self.asks_at + delay


@dataclass(slots=True)
class RangePilots:
    """All pilots with divided jobs, by the batch job that they are in."""

    chance: random.Random
    works: list[DividedWork] = field(default_factory=list)

    def begin(self, batch_job: BatchJob) -> None:
        """A pilot with a divided job is submitted; unless it hangs, it ends when it has no ranges."""
        asks_at = batch_job.starts + self.chance.uniform(*_LOOKS_AFTER)
        work = DividedWork(batch_job, batch_job.runs[0], asks_at)
        self.works.append(work)
        if batch_job.ends is not None:
            self._end(work, asks_at + self.chance.uniform(*_PATIENCE))

    def of(self, batch_job: BatchJob) -> DividedWork | None:
        """What the pilot of a batch job does; None if its job is not divided."""
        return next((each for each in self.works if each.batch_job is batch_job), None)

    def deliver(self, work: DividedWork, delivery: int, ranges: Sequence[str], now: float) -> None:
        """Put ranges where the pilot looks; a delivery that was put there before changes nothing."""
        if delivery in work.answers:
            return
        work.answers.add(delivery)
        work.requests += 1
        ends, looks = work.batch_job.ends, max(now, work.batch_job.starts) + self.chance.uniform(*_LOOKS_AFTER)
        if ends is None or looks >= ends or not work.batch_job.is_live(now):
            work.asks_at = None
        elif ranges:
            begins = max([looks, *(each.ends for each in work.ranges)])
            for range_id in ranges:
                work.ranges.append(self._range(range_id, begins))
                begins = work.ranges[-1].ends
            work.asks_at = begins
            self._end(work, begins + self.chance.uniform(*_PATIENCE))
        else:
            work.asks_at, work.has_all = None, True
            self._end(work, max([looks, *(each.ends for each in work.ranges)]))

    def _range(self, range_id: str, begins: float) -> RangeRun:
        chance = self.chance
        word = "failed" if chance.random() < _FAILING else "finished"
        lfn = f"event.{range_id}.root" if word == "finished" and chance.random() < 0.5 else ""
        return RangeRun(range_id, begins, begins + chance.uniform(*_LASTS), word, lfn)

    @staticmethod
    def _end(work: DividedWork, ends: float) -> None:
        work.batch_job.ends = work.run.ends = ends
