"""What the limits of a queue allow, given how many workers it has (core reference §4.6, "limit evaluation")."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from harvester.core.ceilings import Rule, ceiling_of
from harvester.core.kinds import Want

_LEAST: Final = "nQueueLimitWorkerMin"
_ONE: Final = Want(1)
_MB_PER_WORKER: Final = 1000
"""By which nQueueLimitWorkerMin stands for a least amount of memory."""


@dataclass(frozen=True, slots=True)
class WorkerCounts:
    """Live workers of one queue: queued (pending, submitted, idle), ready and running.

    The sums of cores and memory (MB) are known only where a limit needs them.
    """

    queued: int = 0
    ready: int = 0
    running: int = 0
    queued_cores: int = 0
    running_cores: int = 0
    queued_ram_mb: int = 0
    running_ram_mb: int = 0

    @property
    def live(self) -> int:
        """All workers that are charged to the queue's budget."""
        return self.queued + self.ready + self.running


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """The limits of one queue; ratios are in percent of what runs, None is no such limit.

    Attributes:
        queued: nQueueLimitWorker, workers that may wait in the batch system; None takes `total`.
        total: maxWorkers, all live workers; 0 means no ceiling, then one queued worker at a time is kept.
        per_cycle: maxNewWorkersPerCycle; 0 means no such limit.
        instance_per_cycle: `[submitter] maxNewWorkers`; 0 means no such limit.
        queued_ratio: nQueueLimitWorkerRatio; its least result `queued_min` is one for cores and memory too.
        cores: nQueueLimitWorkerCores, cores of workers that wait.
        ram_mb: nQueueLimitWorkerMemory, MB.
    """

    queued: int | None = None
    total: int = 0
    per_cycle: int = 0
    instance_per_cycle: int = 0
    queued_ratio: int | None = None
    queued_min: int | None = None
    cores: int | None = None
    cores_ratio: int | None = None
    cores_min: int | None = None
    ram_mb: int | None = None
    ram_ratio: int | None = None
    ram_min: int | None = None

    @property
    def counts_resources(self) -> bool:
        """Whether cores or memory of the workers matter."""
        return any(limit is not None for limit in (self.cores, self.cores_ratio, self.ram_mb, self.ram_ratio))


class Measure(Enum):
    """What a limit counts; the values are words."""

    WORKERS = "workers"
    CORES = "cores"
    RAM = "MB"

    def cost(self, want: Want) -> int:
        """How much of it one worker takes."""
        match self:
            case Measure.CORES:
                return max(want.cores, 1)
            case Measure.RAM:
                return max(want.ram_mb, 1)
            case _:
                return 1


@dataclass(frozen=True, slots=True)
class Room:
    """How much a limit still allows; less than 0 where there is more than it allows already."""

    left: int
    limit: str
    reason: str
    measure: Measure = Measure.WORKERS

    def places(self, want: Want) -> int:
        """How many workers of that kind it allows."""
        return max(self.left, 0) // self.measure.cost(want)


def rooms_of(limits: WorkerLimits, counts: WorkerCounts, largest: Want) -> Iterator[Room]:
    """What each limit on what a queue holds leaves.

    Args:
        limits: what the configuration allows.
        counts: what the queue holds now.
        largest: the most that one of the wanted workers takes.
    """
    yield _queued_room(limits, counts)
    if limits.total > 0:
        yield Room(limits.total - counts.live, "maxWorkers", f"{counts.live} of {limits.total} workers are live")
    least = limits.queued_min
    leasts = {_LEAST: least, "nQueueLimitWorkerCoresMin": limits.cores_min}
    rule = Rule("nQueueLimitWorkerCores", limits.cores, "nQueueLimitWorkerCoresRatio", limits.cores_ratio, leasts)
    yield from _rooms_by(rule, Measure.CORES, counts.queued_cores, counts.running_cores, largest)
    leasts = {_LEAST: least and least * _MB_PER_WORKER, "nQueueLimitWorkerMemoryMin": limits.ram_min}
    rule = Rule("nQueueLimitWorkerMemory", limits.ram_mb, "nQueueLimitWorkerMemoryRatio", limits.ram_ratio, leasts)
    yield from _rooms_by(rule, Measure.RAM, counts.queued_ram_mb, counts.running_ram_mb, largest)


def _queued_room(limits: WorkerLimits, counts: WorkerCounts) -> Room:
    name = "maxWorkers" if limits.queued is None else "nQueueLimitWorker"
    allowed = limits.total if limits.queued is None else limits.queued
    if allowed <= 0:
        told = f"{counts.queued} of 1 workers are queued; set maxWorkers to have more"
        return Room(1 - counts.queued, "no limit set", told)
    rule = Rule(name, allowed, "nQueueLimitWorkerRatio", limits.queued_ratio, {_LEAST: limits.queued_min})
    return next(_rooms_by(rule, Measure.WORKERS, counts.queued, counts.running, _ONE))


def _rooms_by(rule: Rule, measure: Measure, queued: int, running: int, largest: Want) -> Iterator[Room]:
    ceiling = ceiling_of(rule, running, measure.value, measure.cost(largest))
    if ceiling is not None:
        told = f"{queued} of {ceiling.allowed} {measure.value} are queued{ceiling.source}"
        yield Room(ceiling.allowed - queued, ceiling.limit, told, measure)
