"""The work of a run: queues whose workers come to their work in every way that there is."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from crashing.journal import Journal, Pilot
from harvester.panda.devserver import DevControl
from harvester.panda.devserver.records import Job
from instance import Block, Site

INSTANCE: Final = "crash"
PULL: Final = "PULL"
RANGES_AT_ONCE: Final = 8
"""Workers for which the event feeder asks before it stores what it got: so many answers does its death destroy."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A queue.

    Attributes:
        share: its batch jobs per batch job of the run, more or less.
        jobs: its jobs per batch job of the run; without any, workers come without jobs.
        of_jobs: what its jobs have besides.
        keys: of its configuration.
        together: how many jobs make a worker; fewer wait for others to come.
    """

    pilot: Pilot
    share: float
    jobs: float
    of_jobs: Mapping[str, JsonValue] = field(default_factory=dict)
    keys: Block = field(default_factory=dict)
    together: int = 1


PARTS: Final[Mapping[str, _Part]] = {
    PULL: _Part(Pilot.PLAIN, 0.4, 0),
    "PUSH": _Part(Pilot.PLAIN, 0.4, 0.4),
    "LATE": _Part(Pilot.ASKING, 0.1, 0.1, keys={"useJobLateBinding": True}),
    "SHARED": _Part(
        Pilot.REFILLED,
        0.05,
        0.1,
        keys={
            "mapType": "ManyToOne",
            "useJobLateBinding": True,
            "workerMaker": {"plugin": "simple", "nJobsPerWorker": 2},
        },
        together=2,
    ),
    "DIVIDED": _Part(Pilot.DIVIDED, 0.05, 0.05, of_jobs={"event_ranges": 6}),
}
"""Workers without jobs; workers with one job each; workers that ask for their job when they run; workers that ask for
jobs again and again; workers with a job each that is divided into event ranges."""
DIVIDED: Final = tuple(queue for queue, part in PARTS.items() if part.of_jobs)
_LARGEST_PORTION: Final = 10
_PORTIONS: Final = 50
_BEGIN: Final = 0.05
_ATTEMPTS: Final = 20
"""Enough that no job is given up, however often a process dies when it is about to submit it."""
_SECTIONS: Final[Mapping[str, Mapping[str, object]]] = {
    "master": {"harvester_id": INSTANCE},
    "jobfetcher": {"lookupTime": 1, "sleepTime": 1, "maxJobs": 20},
    "preparator": {"sleepTime": 1},
    "eventfeeder": {"sleepTime": 1, "maxWorkers": RANGES_AT_ONCE, "nThreads": 1},
    "submitter": {"lookupTime": 1, "sleepTime": 1, "checkInterval": 1},
    "monitor": {"checkInterval": 2, "sleepTime": 1},
    "stager": {"sleepTime": 1},
    "propagator": {"sleepTime": 1},
    "sweeper": {
        "sleepTime": 1,
        "checkInterval": 2,
        **dict.fromkeys(("keepFinished", "keepFailed", "keepCancelled", "keepMissed"), 0),
    },
}
"""Short pauses, because much has to happen soon, and no keeping, so that the sweeper has work."""


@dataclass(slots=True)
class Workload:
    """Gives out work as the run goes on, so that there is always some when a process dies.

    Attributes:
        workers: how many batch jobs there are to be in all, more or less.
        given: jobs that were put into the server, by queue.
        made_up: jobs that were put in for others that nobody will ever hear of, by queue.
        pulling: whether the pull queue may get further workers.
        joined: jobs that were put in for a rest that makes no worker alone.
    """

    site: Site
    control: DevControl
    journal_file: Path
    seed: int
    workers: int
    given: Counter[str] = field(default_factory=Counter)
    made_up: Counter[str] = field(default_factory=Counter)
    pulling: bool = True
    joined: int = 0
    journal: Journal = field(init=False)

    def __post_init__(self) -> None:
        self.journal = Journal(self.journal_file)

    @property
    def at_once(self) -> int:
        """`maxWorkers` of each queue."""
        return max(self.workers // 40, 20)

    def configure(self) -> Path:
        """Write the configuration as it should be now."""
        return self.site.configure({name: self._queue(name, part) for name, part in PARTS.items()}, _SECTIONS)

    def _queue(self, name: str, part: _Part) -> Block:
        batch: Block = {
            "module": "crashing.batch",
            "name": "SimulatedBatch",
            "journal": str(self.journal_file),
            "seed": self.seed,
            "pilot": part.pilot,
        }
        return self.site.queue(
            "push" if part.jobs else "pull",
            at_once=self.at_once,
            **dict.fromkeys(("submitter", "monitor", "sweeper"), batch),
            maxSubmissionAttempts=_ATTEMPTS,
            queueStatus="online" if name != PULL or self.pulling else "offline",
            **part.keys,
        )

    def give(self, share: float) -> None:
        """Put in jobs until the server has had so large a share of them all."""
        for queue, part in PARTS.items():
            wanted = math.ceil(self.workers * part.jobs * min(_BEGIN + share, 1)) - self.given[queue]
            if wanted >= self._portion(part) or (share >= 1 and wanted > 0):
                self._add(queue, wanted)

    def give_more(self) -> None:
        """Put in some more than were planned, because there is nothing left to do."""
        for queue, part in PARTS.items():
            if part.jobs:
                self._add(queue, self._portion(part))

    def _portion(self, part: _Part) -> int:
        return min(math.ceil(self.workers * part.jobs / _PORTIONS), _LARGEST_PORTION)

    def join(self, jobs: Sequence[Job]) -> None:
        """Put in what the rest of a queue's jobs waits for that makes no worker."""
        for queue, part in PARTS.items():
            waiting = sum((each.site, each.sub_status) == (queue, "prepared") for each in jobs)
            if rest := waiting % part.together:
                self._add(queue, part.together - rest)
                self.joined += part.together - rest

    def make_up(self, missing: Counter[str]) -> None:
        """Put in other jobs for so many, by queue, that nobody will ever hear of, as the server would do later."""
        for queue, number in (missing - self.made_up).items():
            self._add(queue, number)
            self.made_up[queue] += number

    def _add(self, queue: str, number: int) -> None:
        self.site.add_jobs(number, queue, **PARTS[queue].of_jobs)
        self.given[queue] += number

    def has_pulled_enough(self) -> bool:
        """Whether there have been enough batch jobs without jobs of their own."""
        return self.journal.counts().get(PULL, 0) >= self.workers * PARTS[PULL].share
