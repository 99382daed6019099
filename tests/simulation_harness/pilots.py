"""How the pilots of the simulation come to their jobs and how long they take: drawn when a batch job gets some."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from simulation_harness.batch_jobs import BatchJob, Pair, Run
from simulation_harness.kinds import Kind, QueuePlan
from simulation_harness.ranges import RangePilots

_RUNS: Final = (300.0, 4 * 3600.0)
_PATIENCE: Final = (300.0, 3 * 3600.0)
"""Seconds that a pilot waits for jobs before it leaves."""
_LOOKS_AFTER: Final = (1.0, 120.0)
"""Seconds after which a pilot that waits for jobs sees that there are some."""


@dataclass(slots=True)
class Pilots:
    """See the module.

    Attributes:
        failing: the share of batch jobs and of jobs that fail.
        hanging: the share of batch jobs that never end.
        ranges: what those do whose job is divided.
    """

    chance: random.Random
    failing: float
    hanging: float
    ranges: RangePilots = field(init=False)

    def __post_init__(self) -> None:
        self.ranges = RangePilots(self.chance)

    def outcome(self) -> str:
        """How something ends."""
        return "failed" if self.chance.random() < self.failing else "finished"

    def begin(self, batch_job: BatchJob, jobs: Sequence[Pair], queue: QueuePlan) -> None:
        """A pilot is submitted with what its access point holds."""
        chance = self.chance
        hangs = chance.random() < self.hanging
        batch_job.ends = None if hangs else batch_job.starts + self._lasts()
        batch_job.runs += self._alone(batch_job, jobs) if len(jobs) == 1 else self._side_by_side(batch_job, jobs)
        batch_job.asks = chance.randint(0 if jobs else 1, queue.asks) if queue.asks else 0
        if batch_job.asks:
            batch_job.asks_at = batch_job.starts + chance.uniform(*_LOOKS_AFTER)
            if not jobs and not hangs:
                batch_job.ends = batch_job.asks_at + chance.uniform(*_PATIENCE)
        if queue.kind is Kind.DIVIDED and jobs:
            self.ranges.begin(batch_job)

    def _alone(self, batch_job: BatchJob, jobs: Sequence[Pair]) -> Iterator[Run]:
        """A pilot ends with its only job."""
        for pair in jobs:
            yield Run(pair, batch_job.accepted, batch_job.ends, batch_job.outcome)

    def _side_by_side(self, batch_job: BatchJob, jobs: Sequence[Pair]) -> Iterator[Run]:
        """Each job ends by itself, also while its pilot goes on or hangs; some last as long as that."""
        latest = batch_job.ends or batch_job.starts + _RUNS[1]
        for pair in jobs:
            own = self.chance.uniform(batch_job.starts, latest)
            yield Run(pair, batch_job.accepted, batch_job.ends if self.chance.random() < 0.3 else own, self.outcome())

    def offer(self, batch_job: BatchJob, jobs: Sequence[Pair], now: float) -> None:
        """Put jobs where a pilot looks that has asked for some; if it is about to leave, it does not see them."""
        known = {run.pair for run in batch_job.runs}
        fresh = [pair for pair in jobs if pair not in known]
        looks = max(now, batch_job.starts) + self.chance.uniform(*_LOOKS_AFTER)
        if not fresh:
            return
        if batch_job.ends is None or looks >= batch_job.ends or not batch_job.is_live(now):
            batch_job.runs += [Run(pair, None, None, "failed") for pair in fresh]
        else:
            self._take(batch_job, fresh, looks)

    def _take(self, batch_job: BatchJob, fresh: Sequence[Pair], looks: float) -> None:
        """When it is through with all its jobs, it asks for others or leaves."""
        batch_job.asks = max(batch_job.asks - 1, 0)
        if self.chance.random() < self.hanging:
            batch_job.runs += [Run(pair, looks, None, "failed") for pair in fresh]
            batch_job.ends = batch_job.asks_at = None
            return
        batch_job.runs += [Run(pair, looks, looks + self._lasts(), self.outcome()) for pair in fresh]
        idle_from = max(run.ends for run in batch_job.runs if run.ends is not None)
        batch_job.asks_at = idle_from if batch_job.asks else None
        batch_job.ends = idle_from + (self.chance.uniform(*_PATIENCE) if batch_job.asks else 0.0)

    def _lasts(self) -> float:
        return self.chance.uniform(*_RUNS) * self.chance.random()
