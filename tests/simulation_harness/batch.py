"""The batch system of the simulation: its own book of what it took, and what its pilots did."""

import itertools
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from harvester.core.workers import WorkerStatus

SETTLES: Final = 60.0
"""Seconds after which everything that was accepted is in the listing; the resource says so of itself."""
_APPEARS: Final = (0.0, 0.25 * SETTLES)
_WAITS: Final = (30.0, 2 * 3600.0)
_RUNS: Final = (300.0, 4 * 3600.0)
_RESTARTS: Final = (60.0, 3600.0)


@dataclass(slots=True)
class BatchJob:
    """One batch job; times in seconds since 1970.

    Attributes:
        jobs: what its pilot finds in the access point: job and attempt.
        appears: when the listing shows it first.
        ends: when it ends by itself; None if it hangs.
        outcome: how it then ends, and how the pilot says that its jobs ended.
        vanished: when it was lost without a trace.
        killed: when it was killed, if that was before its end.
        cleaned: when Harvester said that nothing of it is needed any more.
    """

    batch_id: str
    marker: str
    queue: str
    jobs: tuple[tuple[int, int], ...]
    accepted: float
    appears: float
    starts: float
    ends: float | None
    outcome: str
    began: float | None = None
    vanished: float | None = None
    killed: float | None = None
    cleaned: float | None = None

    @property
    def ended_at(self) -> float | None:
        """When it ends or has ended; None if only a kill would end it."""
        known = [moment for moment in (self.ends, self.vanished, self.killed) if moment is not None]
        return min(known, default=None)

    def is_live(self, now: float) -> bool:
        """Whether it waits or runs."""
        return self.ended_at is None or self.ended_at > now

    def has_begun(self, now: float) -> bool:
        """Whether it has ever run."""
        return self.began is not None or (self.starts <= now and (self.ended_at is None or self.starts < self.ended_at))

    def status(self, now: float) -> WorkerStatus:
        """Where it stands, as the system itself knows."""
        if self.is_live(now):
            return WorkerStatus.RUNNING if self.starts <= now else WorkerStatus.SUBMITTED
        if self.killed is not None and self.killed == self.ended_at:
            return WorkerStatus.CANCELLED
        return WorkerStatus(self.outcome)

    @property
    def has_finished_by_itself(self) -> bool:
        """Whether nobody disturbed it."""
        return self.ends is not None and self.ends == self.ended_at


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
        failing: the share of batch jobs that fail.
        hanging: the share of those that never end.
        watch: told of each batch job when it was accepted.
    """

    chance: random.Random
    time: Callable[[], float]
    failing: float = 0.1
    hanging: float = 0.03
    mood: Mood = field(default_factory=Mood)
    jobs: list[BatchJob] = field(default_factory=list)
    watch: Callable[[BatchJob], None] = lambda _: None
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def accept(self, marker: str, queue: str, jobs: Sequence[tuple[int, int]]) -> BatchJob:
        """Take a batch job; markers are no keys: who submits twice has two."""
        now, chance = self.time(), self.chance
        starts = now + chance.uniform(*_WAITS) * chance.random()
        hangs = chance.random() < self.hanging
        job = BatchJob(
            batch_id=str(next(self._ids)),
            marker=marker,
            queue=queue,
            jobs=tuple(jobs),
            accepted=now,
            appears=now + chance.uniform(*_APPEARS) * (chance.random() < 0.3),
            starts=starts,
            ends=None if hangs else starts + chance.uniform(*_RUNS) * chance.random(),
            outcome="failed" if chance.random() < self.failing else "finished",
        )
        self.jobs.append(job)
        self.watch(job)
        return job

    def live(self, queue: str) -> list[BatchJob]:
        """Those of a queue that wait or run."""
        now = self.time()
        return [each for each in self.jobs if each.queue == queue and each.is_live(now)]

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
        """A batch job is preempted and starts anew later."""
        now = self.time()
        job.began = job.starts
        job.starts = now + self.chance.uniform(*_RESTARTS)
        if job.ends is not None:
            job.ends = job.starts + self.chance.uniform(*_RUNS)
