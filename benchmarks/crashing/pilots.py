"""What pilots of the simulated batch system do: they speak with Harvester by files, as `docs/worker-files.md` has it.

They live in the process that judges, whom nobody kills. What they have taken stands in the journal in the same
transaction in which they are known not to have been killed before.
"""

import json
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from crashing.journal import BatchJob, Journal, Pilot

_JOBS: Final = "pandaJobData.out"
_JOB_LIST: Final = "worker_pandaids.json"
_JOB_REQUEST: Final = "worker_requestjob.json"
_ATTRIBUTES: Final = "worker_attributes.json"
_KILL: Final = "kill_worker.json"
_RANGES: Final = "JobsEventRanges.json"
_RANGES_REQUEST: Final = "worker_requestevents.json"
_OUTPUTS: Final = "event_status.dump.json"

_GLANCE: Final = 0.1
_WORKS: Final = (0.1, 0.5)
_PATIENCE: Final = (1.5, 8.0)
_LONGEST_HOPE: Final = 2.0
"""Seconds that a worker that asks for a job waits before it wants to be killed: it may have been given one or not."""
_MOST_JOBS: Final = 6
_JOBS_AT_ONCE: Final = 2
_RANGES_AT_ONCE: Final = 5


class Pilots:
    """All pilots that run."""

    def __init__(self, journal: Journal, seed: int) -> None:
        self._journal = journal
        self._chance = random.Random(seed)  # noqa: S311 - nobody's secret
        self._known: dict[str, _Pilot] = {}
        self._moved = 0.0

    def move(self) -> None:
        """Let each take its next step, unless they have only just done so."""
        now = time.time()
        if now - self._moved < _GLANCE:
            return
        self._moved = now
        self._journal.let_work(lambda batch_job: self._step(batch_job, now), now)

    def _step(self, batch_job: BatchJob, now: float) -> BatchJob:
        pilot = self._known.get(batch_job.batch_id)
        if pilot is None:
            pilot = _KINDS[batch_job.pilot](Path(batch_job.access_point), self._chance)
            self._known[batch_job.batch_id] = pilot
        try:
            return batch_job if now < pilot.busy_until else pilot.step(batch_job, now)
        except FileNotFoundError:  # somebody has removed its access point: it dies, and the judge sees what was lost
            return replace(batch_job, ends=now)


@dataclass(slots=True)
class _Pilot(ABC):
    """One pilot.

    Attributes:
        place: its access point.
        busy_until: when it has done what it is doing.
    """

    place: Path
    chance: random.Random
    busy_until: float = 0.0

    @abstractmethod
    def step(self, batch_job: BatchJob, now: float) -> BatchJob:
        """Go on, and tell what the batch job is then."""

    def work(self, now: float) -> None:
        """Be busy for a while."""
        self.busy_until = now + self.chance.uniform(*_WORKS)

    def write(self, name: str, content: JsonValue) -> None:
        """Give a file its content and its name in one step."""
        path = self.place / name
        new = path.with_name(f".{path.name}.own")
        new.write_text(json.dumps(content))
        new.replace(path)

    def take(self, name: str) -> Mapping[str, JsonValue]:
        """The content of a file, which is taken away; empty if there is none."""
        path = self.place / name
        try:
            content: Mapping[str, JsonValue] = json.loads(path.read_text())
        except FileNotFoundError:
            return {}
        path.unlink()
        return content


@dataclass(slots=True)
class _Stuck(_Pilot):
    asks_first: bool = False

    def step(self, batch_job: BatchJob, now: float) -> BatchJob:
        if self.asks_first:
            self.asks_first = False
            self.write(_JOB_REQUEST, {"nJobs": 1})
            self.busy_until = now + self.chance.uniform(0, _LONGEST_HOPE)
            return batch_job
        (self.place / _KILL).touch()
        self.busy_until = float("inf")
        return batch_job


@dataclass(slots=True)
class _Asking(_Pilot):
    most: int = 1
    leaves_at: float | None = None
    """When it has waited long enough for jobs; None while it waits for none."""
    at_work: list[str] = field(default_factory=list)
    """Directories of the jobs that it runs."""

    def step(self, batch_job: BatchJob, now: float) -> BatchJob:
        self._tell_ends()
        if len(batch_job.jobs) >= self.most:
            return replace(batch_job, ends=now)
        if taken := tuple(self._take_jobs()):
            self.leaves_at = None
            self.work(now)
            return replace(batch_job, jobs=(*batch_job.jobs, *taken))
        if self.leaves_at is None:
            self.write(_JOB_REQUEST, {"nJobs": min(self.most, _JOBS_AT_ONCE)})
            self.leaves_at = now + self.chance.uniform(*_PATIENCE)
        elif now > self.leaves_at:
            return replace(batch_job, ends=now)
        return batch_job

    def _take_jobs(self) -> Iterator[int]:
        """Jobs in the access point, or in those of its directories that the list names."""
        listed = self.place / _JOB_LIST
        known = json.loads(listed.read_text()) if listed.exists() else []
        for directory in (".", *map(str, known)):
            for job_id in self.take(f"{directory}/{_JOBS}"):
                self.at_work.append(directory)
                yield int(job_id)

    def _tell_ends(self) -> None:
        for directory in self.at_work:
            self.write(f"{directory}/{_ATTRIBUTES}", {"jobStatus": "finished"})
        self.at_work.clear()


@dataclass(slots=True)
class _Divided(_Pilot):
    has_asked: bool = False
    has_all: bool = False
    untold: list[JsonValue] = field(default_factory=list)

    def step(self, batch_job: BatchJob, now: float) -> BatchJob:
        if not batch_job.jobs:
            return replace(batch_job, ends=now)  # the judge sees what became of the job
        job = str(batch_job.jobs[0])
        self._tell(job)
        if self.has_all:
            return batch_job if self.untold else self._end(batch_job, job, now)
        given = self.take(_RANGES)
        if given:
            return self._work_on(batch_job, _ids(given[job]), now)
        if not self.has_asked:
            self.write(_RANGES_REQUEST, {job: {"nRanges": _RANGES_AT_ONCE}})
            self.has_asked = True
        return batch_job

    def _work_on(self, batch_job: BatchJob, given: Sequence[str], now: float) -> BatchJob:
        self.has_asked, self.has_all = False, not given
        self.untold += [self._result(each, place) for place, each in enumerate(given)]
        self.work(now)
        return replace(batch_job, ranges=(*batch_job.ranges, *given)) if given else batch_job

    def _result(self, range_id: str, place: int) -> JsonValue:
        """Every other range has an output."""
        said: dict[str, JsonValue] = {"eventRangeID": range_id, "eventStatus": "finished"}
        if place % 2:
            return said
        output = f"event.{range_id}.root"
        (self.place / output).write_text(range_id)
        return {**said, "path": output, "type": "es_output", "isZip": 0}

    def _tell(self, job: str) -> None:
        """A list that was not taken yet is not overwritten."""
        if self.untold and not (self.place / _OUTPUTS).exists():
            self.write(_OUTPUTS, {job: self.untold})
            self.untold = []

    def _end(self, batch_job: BatchJob, job: str, now: float) -> BatchJob:
        self.write(_ATTRIBUTES, {job: {"jobStatus": "finished"}})
        return replace(batch_job, ends=now)


def _ids(given: JsonValue) -> list[str]:
    assert isinstance(given, list), given
    return [str(each["eventRangeID"]) for each in given if isinstance(each, dict)]


_KINDS: Final[Mapping[Pilot, Callable[[Path, random.Random], _Pilot]]] = {
    Pilot.STUCK: _Stuck,
    Pilot.WEARY: lambda place, chance: _Stuck(place, chance, asks_first=True),
    Pilot.ASKING: _Asking,
    Pilot.REFILLED: lambda place, chance: _Asking(place, chance, most=_MOST_JOBS),
    Pilot.DIVIDED: _Divided,
}
