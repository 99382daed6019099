"""The limits of a queue, core reference §2.2 (group L) and §2.5."""

from collections.abc import Mapping, Sequence

from harvester.core.workers import MapType

Limits = dict[str, int | None]

_JOB_LIMITS = (
    "nQueueLimitJob",
    "nQueueLimitJobMax",
    "nQueueLimitJobRatio",
    "nQueueLimitJobMin",
    "nQueueLimitJobCores",
    "nQueueLimitJobCoresRatio",
    "nQueueLimitJobCoresMin",
)
_WORKER_LIMITS = (
    "maxWorkers",
    "maxNewWorkersPerCycle",
    "nQueueLimitWorker",
    "nQueueLimitWorkerMax",
    "nQueueLimitWorkerRatio",
    "nQueueLimitWorkerMin",
    "nQueueLimitWorkerCores",
    "nQueueLimitWorkerCoresRatio",
    "nQueueLimitWorkerCoresMin",
    "nQueueLimitWorkerMemory",
    "nQueueLimitWorkerMemoryRatio",
    "nQueueLimitWorkerMemoryMin",
)
_PULL_ONLY = ("nQueueLimitWorkerRatio", "nQueueLimitWorkerMin")

LIMIT_KEYS: Sequence[str] = (*_WORKER_LIMITS, *_JOB_LIMITS)
"""All limits; the resolver may set these and no other key."""


def normalise(stated: Mapping[str, int | None], map_type: MapType) -> Limits:
    """The limits as the sizing decisions use them: consistent with each other and with the map type.

    Job limits mean nothing to workers that fetch their own jobs; ratio and minimum of queued workers mean nothing to
    the others. A limit of queued workers is never above `maxWorkers`, a minimum never above its limit.
    """
    limits: Limits = {key: stated.get(key) for key in LIMIT_KEYS}
    limits.update(dict.fromkeys(_JOB_LIMITS if map_type is MapType.NO_JOB else _PULL_ONLY))
    total = limits["maxWorkers"] = limits["maxWorkers"] or 0
    limits["maxNewWorkersPerCycle"] = limits["maxNewWorkersPerCycle"] or 0
    queued = _least(limits["nQueueLimitWorker"], limits["nQueueLimitWorkerMax"])
    limits["nQueueLimitWorker"] = None if queued is None else min(queued, total)
    limits["nQueueLimitWorkerMax"] = _at_most(limits["nQueueLimitWorkerMax"], limits["nQueueLimitWorker"])
    limits["nQueueLimitWorkerMin"] = _at_most(limits["nQueueLimitWorkerMin"], limits["nQueueLimitWorker"], total)
    for resource in ("WorkerCores", "WorkerMemory", "JobCores"):
        least, limit = f"nQueueLimit{resource}Min", f"nQueueLimit{resource}"
        limits[least] = _at_most(limits[least], limits[limit])
    jobs = _least(limits["nQueueLimitJob"], limits["nQueueLimitJobMax"])
    limits["nQueueLimitJob"] = jobs
    limits["nQueueLimitJobMax"] = _at_most(limits["nQueueLimitJobMax"], jobs)
    limits["nQueueLimitJobMin"] = _at_most(limits["nQueueLimitJobMin"], jobs)
    return limits


def _at_most(value: int | None, *ceilings: int | None) -> int | None:
    """The value under its ceilings; a value that is not set stays so."""
    return None if value is None else _least(value, *ceilings)


def _least(*values: int | None) -> int | None:
    return min((value for value in values if value is not None), default=None)
