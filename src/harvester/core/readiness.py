"""How many workers may be made where each is to start at once (`dynamicSizing`, core reference §3.6 step 5)."""

from dataclasses import dataclass
from typing import Final

from harvester.core.limits import Room, WorkerCounts

CONFIGURED: Final = "workerMaker.nReadyResources"
ASKED: Final = "workerMaker.dynamicSizing"
FREE_NODES: Final = "resource"
READY_LIMITS: Final = frozenset({CONFIGURED, ASKED, FREE_NODES})
"""Limits by what is ready now: what was made of it is used up until it is looked at again."""


@dataclass(frozen=True, slots=True)
class Ready:
    """Resources on which workers would start at once.

    Attributes:
        number: how many workers.
        limit: what says so.
        reason: likewise, in words.
    """

    number: int
    limit: str
    reason: str


def room_of(ready: Ready, static_workers: int | None, counts: WorkerCounts) -> Room:
    """What is ready, and if nothing is, what is missing of the workers that are always kept (`staticWorkers`)."""
    if ready.number > 0 or not static_workers:
        return Room(ready.number, ready.limit, ready.reason)
    present = counts.queued + counts.running
    told = f"{ready.reason}; {present} of {static_workers} static workers are there"
    return Room(static_workers - present, "workerMaker.staticWorkers", told)
