"""The batch system of the simulation: its own book of what it took, and what became of it."""

import itertools
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from simulation_harness.batch_jobs import BatchJob, Pair
from simulation_harness.kinds import QueuePlan
from simulation_harness.pilots import Pilots

SETTLES: Final = 60.0
"""Seconds after which everything that was accepted is in the listing; the resource says so of itself."""
_APPEARS: Final = (0.0, 0.25 * SETTLES)
_WAITS: Final = (30.0, 2 * 3600.0)
_RESTARTS: Final = (60.0, 3600.0)


@dataclass(slots=True)
class Mood:
    """How ill the system is; each is a time until which it lasts, or a share.

    Attributes:
        blind: nothing can be asked.
        patchy: searches and listings lack what they should have, and say so.
        lying: running ones are shown as queued, ended ones as running.
        garbled: answers are not what the contract says.
        closed: submissions are refused.
        absent_minded: the share of calls whose answer is lost after they were obeyed.
        slow: the share of calls that take long.
    """

    blind: float = 0.0
    patchy: float = 0.0
    lying: float = 0.0
    garbled: float = 0.0
    closed: float = 0.0
    absent_minded: float = 0.0
    slow: float = 0.0

    def heal(self) -> None:
        """All is well again."""
        self.blind = self.patchy = self.lying = self.garbled = self.closed = 0.0
        self.absent_minded = self.slow = 0.0


@dataclass(slots=True)
class Batch:
    """See the module.

    Attributes:
        queues: what may be submitted where.
        pilots: what is in the batch jobs.
        watch: told of each batch job when it was accepted.
        mourn: told of each that is killed before its end.
    """

    chance: random.Random
    time: Callable[[], float]
    queues: Mapping[str, QueuePlan]
    pilots: Pilots
    mood: Mood = field(default_factory=Mood)
    jobs: list[BatchJob] = field(default_factory=list)
    watch: Callable[[BatchJob], None] = lambda _: None
    mourn: Callable[[BatchJob], None] = lambda _: None
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def accept(self, marker: str, queue: str, jobs: Sequence[Pair]) -> BatchJob:
        """Take a batch job; markers are no keys: who submits twice has two."""
        now, chance = self.time(), self.chance
        job = BatchJob(
            batch_id=str(next(self._ids)),
            marker=marker,
            queue=queue,
            runs=[],
            accepted=now,
            appears=now + chance.uniform(*_APPEARS) * (chance.random() < 0.3),
            starts=now + chance.uniform(*_WAITS) * chance.random(),
            ends=None,
            outcome=self.pilots.outcome(),
        )
        self.pilots.begin(job, jobs, self.queues[queue])
        self.jobs.append(job)
        self.watch(job)
        return job

    def live(self, queue: str) -> list[BatchJob]:
        """Those of a queue that wait or run."""
        now = self.time()
        return [each for each in self.jobs if each.queue == queue and each.is_live(now)]

    def last_of(self, marker: str) -> BatchJob | None:
        """The last one of a worker, who has one at the most unless something is wrong."""
        return next((each for each in reversed(self.jobs) if each.marker == marker), None)

    def listing(self, markers: Iterable[str]) -> dict[tuple[str, str], BatchJob]:
        """What can be seen of these, by marker and id."""
        now, wanted = self.time(), set(markers)
        return {
            (each.marker, each.batch_id): each
            for each in self.jobs
            if each.marker in wanted and each.appears <= now and (each.vanished is None or each.vanished > now)
        }

    def kill(self, marker: str, batch_id: str | None) -> None:
        """End a batch job, unless it has ended."""
        now = self.time()
        for each in self.jobs:
            if each.marker == marker and batch_id in {None, each.batch_id} and each.is_live(now):
                self.mourn(each)
                each.killed = now

    def clean(self, marker: str) -> None:
        """Harvester needs nothing of it any more."""
        for each in self.jobs:
            if each.marker == marker and each.cleaned is None:
                each.cleaned = self.time()

    # ---- what befalls it ---------------------------------------------------------------------------------------------

    def forget_numbers(self) -> None:
        """The controller restarts and gives the ids of ended batch jobs out again."""
        live = [int(each.batch_id) for each in self.jobs if each.is_live(self.time())]
        self._ids = itertools.count(max(live, default=0) + 1)

    def lose(self, job: BatchJob) -> None:
        """A batch job vanishes with its node."""
        job.vanished = self.time()

    def requeue(self, job: BatchJob) -> None:
        """A batch job is preempted and starts anew later; what its pilot has told of stays as it is."""
        now = self.time()
        delay = self.chance.uniform(*_RESTARTS)
        if work := self.pilots.ranges.of(job):
            work.put_off(delay, now)
        job.put_off(now + delay, now)
