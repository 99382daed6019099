"""What the pilots and the storage of the simulation write down: access points and transfers."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from harvester.core.files import File, FileKind
from harvester.plugins.api import NO_NEWS, Done, Failed, FileOutcome, Later, News, ReportedFile
from simulation_harness.batch import Batch, BatchJob
from simulation_harness.plugins import moved

_LOOKS: Final = 3
_GUID: Final = "00000000-0000-4000-8000-000000000001"


@dataclass(slots=True)
class _Point:
    """One access point.

    Attributes:
        told: how far the last look has come: 0 nothing, 1 that it runs, 2 how it ended.
        safe: how far Harvester has acknowledged it.
    """

    jobs: Sequence[tuple[int, int]]
    told: int = 0
    safe: int = 0


@dataclass(slots=True)
class AccessPoints:
    """The directories that workers share with Harvester."""

    batch: Batch
    time: Callable[[], float]
    _points: dict[str, _Point] = field(default_factory=dict)

    def feed(self, marker: str, jobs: Sequence[tuple[int, int]]) -> None:
        """Put jobs in, afresh."""
        self._points[marker] = _Point(list(jobs))

    def jobs_of(self, marker: str) -> Sequence[tuple[int, int]]:
        """What a pilot that starts now would find."""
        point = self._points.get(marker)
        return point.jobs if point else ()

    def acknowledge(self, marker: str) -> None:
        """What was told last need not be told again."""
        if point := self._points.get(marker):
            point.safe = point.told

    def remove(self, marker: str) -> None:
        """Remove the directory."""
        self._points.pop(marker, None)

    def news_of(self, marker: str) -> News:
        """What the pilot has written, unless it was acknowledged."""
        point = self._points.get(marker)
        pilots = [each for each in self.batch.jobs if each.marker == marker]
        if point is None or not pilots:
            return NO_NEWS
        pilot = pilots[-1]
        point.told = self._progress(pilot)
        heard = min(self.time(), pilot.ended_at or self.time()) if point.told and pilot.ends is not None else None
        news = News(heartbeat_at=self._moment(heard))
        if point.told == point.safe or not point.jobs:
            return news
        if point.told == 1:
            return News({job: {"jobStatus": "running"} for job, _ in point.jobs}, heartbeat_at=news.heartbeat_at)
        return News(
            {job: {"jobStatus": pilot.outcome, **_error(pilot)} for job, _ in point.jobs},
            [file for job, _ in point.jobs for file in _files(job)],
            heartbeat_at=news.heartbeat_at,
        )

    def _progress(self, pilot: BatchJob) -> int:
        now = self.time()
        if pilot.has_finished_by_itself and not pilot.is_live(now):
            return 2
        return int(pilot.has_begun(now))

    @staticmethod
    def _moment(seconds: float | None) -> datetime | None:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _error(pilot: BatchJob) -> dict[str, int]:
    return {"pilotErrorCode": 1305} if pilot.outcome == "failed" else {}


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
            fails = self.chance.random() < self.failing
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
