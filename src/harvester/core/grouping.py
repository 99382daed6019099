"""Which jobs share a worker, by the queue's mapType (core reference §4.4)."""

from collections.abc import Sequence
from typing import Final

from harvester.core.jobs import Job
from harvester.core.workers import MapType

SUPPORTED: Final = frozenset({MapType.NO_JOB, MapType.ONE_TO_ONE})
"""The map types that groups can be made for."""


def group_jobs(map_type: MapType, jobs: Sequence[Job], new_workers: int) -> list[tuple[Job, ...]]:
    """One group per new worker, in the order of the jobs given; every job is in at most one group.

    Args:
        map_type: NoJob makes empty groups (the worker fetches its own job), OneToOne one job each.
        jobs: candidates, best first.
        new_workers: how many groups are wanted.

    Raises:
        ValueError: the mapType is one that groups are not made for here.
    """
    match map_type:
        case MapType.NO_JOB:
            return [() for _ in range(new_workers)]
        case MapType.ONE_TO_ONE:
            return [(job,) for job in jobs[:new_workers]]
        case MapType.ONE_TO_MANY | MapType.MANY_TO_ONE:
            raise ValueError(f"mapType {map_type} is not supported; use NoJob or OneToOne")
