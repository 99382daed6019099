"""What a worker of a queue takes by the information system, where its jobs do not say (core reference §4.9, §4.10)."""

import math
from typing import Final

from harvester.core.facts import QueueFacts
from harvester.core.kinds import WorkerKind, said
from harvester.core.labels import PilotType, pilot_type_of
from harvester.core.records import record_type
from harvester.core.resource_types import (
    SINGLE_CORE,
    Requirement,
    ResourceTypes,
    requirement_of,
    type_of_size,
)

_ASKED: Final = {
    "job_minramcount": "minRamCount",
    "job_maxdiskcount": "maxDiskCount",
    "job_maxwalltime": "maxWalltime",
    "job_iointensity": "ioIntensity",
}
_JOB_TYPES: Final = {"analysis": "user", "production": "managed"}


@record_type
class Slot:
    """A place for one worker.

    Attributes:
        resource_type: that fits it.
        job_type: that the queue is for; None if it is for several.
        is_unified: the jobs alone say how many cores and how much memory a worker has.
        large_ram_mb: memory of a job of several cores that does not say how much it needs; `small_ram_mb` of one core.
        counted: attributes of jobs that count in this queue, whatever the worker maker is told.
    """

    cores: int
    ram_mb: int
    disk_mb: int
    walltime_s: int
    resource_type: str
    job_type: str | None
    is_unified: bool
    small_ram_mb: int
    large_ram_mb: int
    counted: frozenset[str]


def slot_of(facts: QueueFacts, kind: WorkerKind, types: ResourceTypes, *, has_jobs: bool) -> Slot:
    """The slot for a worker of a kind; one without jobs and of a type that nobody knows is one of a single core."""
    whole = Requirement(facts.core_count or 1, facts.max_rss or 1)
    need = _need(facts, kind.resource_type, types, whole, has_jobs=has_jobs)
    return Slot(
        cores=need.cores,
        ram_mb=need.ram_mb,
        disk_mb=facts.max_wdir or 1,
        walltime_s=facts.max_time or 1,
        resource_type=said(kind.resource_type) or type_of_size(types, need),
        job_type=_job_type(facts, kind),
        is_unified=facts.is_unified,
        small_ram_mb=_per_core(whole),
        large_ram_mb=whole.ram_mb,
        counted=frozenset(name for param, name in _ASKED.items() if _is_true(facts.params.get(param))),
    )


def _need(
    facts: QueueFacts, resource_type: str | None, types: ResourceTypes, whole: Requirement, *, has_jobs: bool
) -> Requirement:
    if not facts.is_unified:
        return whole
    name = resource_type if has_jobs or resource_type in types else SINGLE_CORE
    kind = types.get(name or "")
    is_single = kind.is_single_core if kind else name == SINGLE_CORE
    if facts.uses_max_ram:
        return Requirement(1, _per_core(whole)) if is_single else whole
    if kind is None and is_single:
        return Requirement(1, _per_core(whole))
    return requirement_of(facts, name, types)


def _per_core(whole: Requirement) -> int:
    return math.ceil(whole.ram_mb / whole.cores)


def _job_type(facts: QueueFacts, kind: WorkerKind) -> str | None:
    """Pilots for special labels run production, except in queues for analysis."""
    is_special = pilot_type_of(kind.label) not in {None, PilotType.PRODUCTION}
    if kind.job_type and is_special and facts.type != "analysis":
        return "managed"
    return kind.job_type or _JOB_TYPES.get(facts.type)


def _is_true(value: object) -> bool:
    return value is True or str(value).lower() == "true"
