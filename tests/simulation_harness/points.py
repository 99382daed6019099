"""What the pilots and the storage of the simulation write down: access points and transfers."""

import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum
from typing import Final

from pydantic import JsonValue

from harvester.core.files import EVENT_KINDS, File, FileKind
from harvester.plugins.api import NO_NEWS, Done, Failed, FileOutcome, Later, News, ReportedFile
from simulation_harness.batch import Batch
from simulation_harness.batch_jobs import BatchJob, Pair, Run
from simulation_harness.plugins import moved
from simulation_harness.ranges import RangeRun

_LOOKS: Final = 3
_JOBS_WANTED: Final = 2
"""Jobs that a pilot asks for at once; where it may have one, it gets one."""
_GUID: Final = "00000000-0000-4000-8000-000000000001"


class _Told(IntEnum):
    """How much a pilot has said of a job."""

    NOTHING = 0
    RUNS = 1
    ENDED = 2


@dataclass(slots=True)
class _Point:
    """One access point.

    Attributes:
        jobs: what a pilot that starts finds.
        told: how far the last look has come with each job.
        safe: how far Harvester has acknowledged it.
        told_ranges: event ranges whose end was told last.
    """

    jobs: Sequence[Pair]
    told: Mapping[int, _Told] = field(default_factory=dict)
    safe: Mapping[int, _Told] = field(default_factory=dict)
    told_ranges: Sequence[RangeRun] = ()


@dataclass(slots=True)
class AccessPoints:
    """The directories that workers share with Harvester."""

    batch: Batch
    time: Callable[[], float]
    _points: dict[str, _Point] = field(default_factory=dict)

    def feed(self, marker: str, jobs: Sequence[Pair]) -> None:
        """Put jobs in, afresh."""
        self._points[marker] = _Point(list(jobs))

    def feed_running(self, marker: str, jobs: Sequence[Pair]) -> Done | Failed:
        """Put jobs in for a pilot that has asked; those that were put in before change nothing."""
        pilot = self.batch.last_of(marker)
        if marker not in self._points or pilot is None:
            return Failed("the access point is gone")
        self.batch.pilots.offer(pilot, jobs, self.time())
        return Done()

    def feed_ranges(self, marker: str, delivery: int, ranges: Sequence[str]) -> Done | Failed:
        """Put event ranges in."""
        pilot = self.batch.last_of(marker)
        work = pilot and self.batch.pilots.ranges.of(pilot)
        if marker not in self._points or not work:
            return Failed("the access point is gone")
        self.batch.pilots.ranges.deliver(work, delivery, ranges, self.time())
        return Done()

    def untaken(self, marker: str, jobs: Collection[int]) -> Collection[int]:
        """Which of these jobs a pilot that has ended has never taken up."""
        pilot = self.batch.last_of(marker)
        if marker not in self._points or pilot is None or pilot.is_live(self.time()):
            return ()
        return set(jobs) - {job for job, _ in pilot.jobs}

    def jobs_of(self, marker: str) -> Sequence[Pair]:
        """What a pilot that starts now would find."""
        point = self._points.get(marker)
        return point.jobs if point else ()

    def acknowledge(self, marker: str) -> None:
        """What was told last need not be told again."""
        if point := self._points.get(marker):
            point.safe = point.told
            for each in point.told_ranges:
                each.is_told = True

    def remove(self, marker: str) -> None:
        """Remove the directory."""
        self._points.pop(marker, None)

    def news_of(self, marker: str) -> News:
        """What the pilot has written, unless it was acknowledged."""
        point, pilot = self._points.get(marker), self.batch.last_of(marker)
        if point is None or pilot is None:
            return NO_NEWS
        now = self.time()
        by_job = {run.pair[0]: run for run in pilot.runs}
        point.told = {job: self._progress(pilot, run) for job, run in by_job.items()}
        fresh = {job: told for job, told in point.told.items() if told > point.safe.get(job, _Told.NOTHING)}
        is_heard = pilot.has_begun(now) and pilot.ends is not None
        work = self.batch.pilots.ranges.of(pilot)
        point.told_ranges = [each for each in work.worked(now) if not each.is_told] if work else ()
        return News(
            {job: _words(by_job[job], told) for job, told in fresh.items()},
            [
                *(file for job, told in fresh.items() if told is _Told.ENDED for file in _files(job)),
                *(file for each in point.told_ranges if work and (file := each.file_of(work.job))),
            ],
            events=[each.event_of(work.job) for each in point.told_ranges if work],
            ranges_wanted=work.wanted(now) if work else None,
            jobs_wanted=_JOBS_WANTED if pilot.is_asking(now) else 0,
            heartbeat_at=datetime.fromtimestamp(min(now, pilot.ended_at or now), UTC) if is_heard else None,
        )

    def _progress(self, pilot: BatchJob, run: Run) -> _Told:
        now = self.time()
        if pilot.has_ended(run, now):
            return _Told.ENDED
        return _Told.RUNS if pilot.has_begun(now) and pilot.has_taken(run, now) else _Told.NOTHING


def _words(run: Run, told: _Told) -> dict[str, JsonValue]:
    if told is _Told.RUNS:
        return {"jobStatus": "running"}
    return {"jobStatus": run.outcome, **({"pilotErrorCode": 1305} if run.outcome == "failed" else {})}


def _files(job: int) -> list[ReportedFile]:
    return [ReportedFile(job, lfn, kind, f"/scratch/{lfn}", 10, "ad:00000001", _GUID) for lfn, kind in outputs_of(job)]


def outputs_of(job: int) -> list[tuple[str, FileKind]]:
    """What a job writes."""
    return [(f"out.{job}.root", FileKind.OUTPUT), (f"job.{job}.log.tgz", FileKind.LOG)]


@dataclass(slots=True)
class Transfers:
    """Files on their way.

    Attributes:
        failing: the share of files that never arrive.
        lost: jobs of which an output never arrived.
        starved: jobs of which an input never arrived.
    """

    chance: random.Random
    failing: float = 0.01
    lost: set[int] = field(default_factory=set)
    starved: set[int] = field(default_factory=set)
    _left: dict[tuple[int, str], int] = field(default_factory=dict)

    def begin(self, file: File) -> Done | Later:
        """Start a transfer; starting it again changes nothing."""
        key = (file.job_id, file.lfn)
        if key not in self._left:
            if self.chance.random() < 0.1:
                return Later("the storage is busy")
            fails = file.kind not in EVENT_KINDS and self.chance.random() < self.failing
            self._left[key] = -1 if fails else self.chance.randint(0, _LOOKS)
        return Done()

    def stand(self, file: File) -> FileOutcome:
        """How it stands; each look brings it on."""
        key = (file.job_id, file.lfn)
        left = self._left.get(key, 1)
        if left < 0:
            (self.starved if file.kind is FileKind.INPUT else self.lost).add(file.job_id)
            return Failed("the storage has lost it")
        if left == 0:
            return moved(file)
        self._left[key] = left - 1
        return Later("it is on its way")
