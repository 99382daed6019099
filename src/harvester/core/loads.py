"""What the live workers of a queue add up to, for the limits on them."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from harvester.core.limits import WorkerCounts
from harvester.core.workers import QUEUED_WORKER_STATUSES, WorkerStatus


class Load(NamedTuple):
    """Live workers of a queue that are alike, with all their cores and MB of memory."""

    status: WorkerStatus
    resource_type: str | None
    pilot_type: str | None
    number: int
    cores: int
    ram_mb: int


def counts_of(by_status: Mapping[WorkerStatus, int]) -> WorkerCounts:
    """The counts where nobody needs to know what the workers take."""
    return WorkerCounts(
        queued=sum(by_status.get(status, 0) for status in QUEUED_WORKER_STATUSES),
        ready=by_status.get(WorkerStatus.READY, 0),
        running=by_status.get(WorkerStatus.RUNNING, 0),
    )


def weighed_counts_of(loads: Iterable[Load]) -> WorkerCounts:
    """The counts with what the workers take."""
    loads = list(loads)
    queued = [load for load in loads if load.status in QUEUED_WORKER_STATUSES]
    running = [load for load in loads if load.status is WorkerStatus.RUNNING]
    return WorkerCounts(
        queued=sum(load.number for load in queued),
        ready=sum(load.number for load in loads if load.status is WorkerStatus.READY),
        running=sum(load.number for load in running),
        queued_cores=sum(load.cores for load in queued),
        running_cores=sum(load.cores for load in running),
        queued_ram_mb=sum(load.ram_mb for load in queued),
        running_ram_mb=sum(load.ram_mb for load in running),
    )


def queued_pilots(loads: Iterable[Load]) -> dict[str | None, Counter[str | None]]:
    """Workers that wait, by resource type and type of pilot."""
    found: dict[str | None, Counter[str | None]] = defaultdict(Counter)
    for load in loads:
        if load.status in QUEUED_WORKER_STATUSES:
            found[load.resource_type][load.pilot_type] += load.number
    return found
