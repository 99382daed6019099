"""How many workers a queue should get now, and which limit decided (core reference §4.5, §4.6).

Limits count what Harvester's own rows say (live, in flight and out of sight), never what a listing returned, so a
blind moment cannot cause over-submission.
"""

from dataclasses import dataclass
from typing import Final

_QUEUE_CYCLE: Final = "maxNewWorkersPerCycle"
_INSTANCE_CYCLE: Final = "submitter.maxNewWorkers"
CYCLE_LIMITS: Final = frozenset({_QUEUE_CYCLE, _INSTANCE_CYCLE})
"""Limits on what one cycle may add: where one of them decided, the next workers have to wait for the next cycle."""


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """The limits of one queue.

    Attributes:
        queued: nQueueLimitWorker, workers that may wait in the batch system; None takes `total`.
        total: maxWorkers, all live workers; 0 means no ceiling, then one queued worker at a time is kept.
        per_cycle: maxNewWorkersPerCycle; 0 means no such limit.
        instance_per_cycle: `[submitter] maxNewWorkers`; 0 means no such limit.
    """

    queued: int | None = None
    total: int = 0
    per_cycle: int = 0
    instance_per_cycle: int = 0


@dataclass(frozen=True, slots=True)
class WorkerCounts:
    """Live workers of one queue: queued (pending, submitted, idle), ready and running."""

    queued: int = 0
    ready: int = 0
    running: int = 0

    @property
    def live(self) -> int:
        """All workers that are charged to the queue's budget."""
        return self.queued + self.ready + self.running


@dataclass(frozen=True, slots=True)
class Sizing:
    """A decision: how many new workers, and the reason in words an operator understands."""

    new_workers: int
    limit: str
    reason: str


def size_workers(limits: WorkerLimits, counts: WorkerCounts, waiting_jobs: int | None) -> Sizing:
    """The number of new workers for one queue.

    Args:
        limits: what the configuration allows.
        counts: what the queue holds now.
        waiting_jobs: jobs that are prepared and have no worker; None where workers fetch jobs themselves.
    """
    if waiting_jobs is None and limits.total <= 0:
        return Sizing(0, "maxWorkers", "maxWorkers is 0 or not set, so no workers that fetch their own jobs are made")
    rooms = [_queued_room(limits, counts)]
    if limits.total > 0:
        rooms.append((limits.total - counts.live, "maxWorkers", f"{counts.live} of {limits.total} workers are live"))
    if waiting_jobs is not None:
        wait = "1 job waits" if waiting_jobs == 1 else f"{waiting_jobs} jobs wait"
        rooms.append((waiting_jobs, "jobs", f"{wait} for a worker"))
    if limits.per_cycle > 0:
        rooms.append((limits.per_cycle, _QUEUE_CYCLE, f"at most {limits.per_cycle} new workers in a cycle"))
    if limits.instance_per_cycle > 0:
        at_most = limits.instance_per_cycle
        rooms.append((at_most, _INSTANCE_CYCLE, f"at most {at_most} new workers in a cycle of any queue"))
    room, limit, reason = min(rooms, key=lambda each: each[0])
    return Sizing(max(room, 0), limit, reason)


def _queued_room(limits: WorkerLimits, counts: WorkerCounts) -> tuple[int, str, str]:
    name = "maxWorkers" if limits.queued is None else "nQueueLimitWorker"
    allowed = limits.total if limits.queued is None else limits.queued
    if allowed <= 0:
        return (
            1 - counts.queued,
            "no limit set",
            f"{counts.queued} of 1 workers are queued; set maxWorkers to have more",
        )
    return allowed - counts.queued, name, f"{counts.queued} of {allowed} workers are queued"


def size_job_fetch(limit: int | None, starting: int, per_request: int) -> Sizing:
    """The number of jobs to ask the server for: up to nQueueLimitJob that have not started, at most one request.

    Args:
        limit: nQueueLimitJob; None means that the queue fetches no jobs.
        starting: jobs of the queue that are fetched and not yet running.
        per_request: `[jobfetcher] maxJobs`.
    """
    if limit is None:
        return Sizing(0, "nQueueLimitJob", "nQueueLimitJob is not set, so no jobs are fetched")
    room = max(limit - starting, 0)
    if room > per_request:
        return Sizing(per_request, "jobfetcher.maxJobs", f"at most {per_request} jobs in a request")
    return Sizing(room, "nQueueLimitJob", f"{starting} of {limit} jobs are waiting to run")
