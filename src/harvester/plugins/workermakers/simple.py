"""The simple worker maker: the queue's values, or the sums of what the jobs ask for (core reference §4.10)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from pydantic import Field, JsonValue

from harvester.core.jobs import Job
from harvester.core.kinds import said
from harvester.core.labels import pilot_type_of
from harvester.core.resource_types import MULTI_CORE, SINGLE_CORE
from harvester.core.slots import Slot
from harvester.plugins.api import Failed, GroupToServe, PluginSettings, WorkerMaker, WorkerPlan

_LARGEST: Final = 2**63


class SimpleWorkerMakerSettings(PluginSettings):
    """Settings of the simple worker maker.

    Attributes:
        cores: cores of a worker where jobs do not decide.
        ram_mb: memory in MB, likewise.
        disk_mb: scratch space in MB, likewise.
        walltime_s: seconds, likewise.
        job_attributes: which values of the jobs count, by their names in the server's dictionary, `nCore` for cores.
        label: what kind of jobs workers without a job of their own are for.
        job_type: `jobType` of such workers.
        resource_type: resource type of such workers; `ANY` or none derives it from the cores.
    """

    cores: int = Field(default=1, ge=1, alias="nCore")
    ram_mb: int = Field(default=1, ge=0, alias="minRamCount")
    disk_mb: int = Field(default=1, ge=0, alias="maxDiskCount")
    walltime_s: int = Field(default=1, ge=0, alias="maxWalltime")
    job_attributes: frozenset[str] = Field(
        default=frozenset({"nCore", "minRamCount", "maxDiskCount", "maxWalltime", "ioIntensity"}),
        alias="jobAttributesToUse",
    )
    label: str = Field(default="managed", alias="prodSourceLabel")
    job_type: str | None = Field(default=None, alias="jobType")
    resource_type: str | None = Field(default=None, alias="resourceType")


class SimpleWorkerMaker(WorkerMaker[SimpleWorkerMakerSettings]):
    """Makes one plan per group of jobs."""

    Settings = SimpleWorkerMakerSettings

    def make(self, groups: Sequence[GroupToServe]) -> Sequence[WorkerPlan | Failed]:
        """Sum up what the jobs of each group ask for; where they ask for nothing, the queue's values stand."""
        empty = {group.kind: group for group in groups if not group.jobs}
        alike = {kind: self._plan(group) for kind, group in empty.items()}
        return [self._plan(group) if group.jobs else alike[group.kind] for group in groups]

    def _plan(self, group: GroupToServe) -> WorkerPlan:
        settings, kind, slot = self.settings, group.kind, group.slot
        label, resource_type = (group.jobs[0].label, group.jobs[0].resource_type) if group.jobs else (None, None)
        cores = self._cores(group)
        by_cores = SINGLE_CORE if cores == 1 else MULTI_CORE
        fitting = slot.resource_type if slot and slot.cores == cores else by_cores
        return WorkerPlan(
            cores=cores,
            ram_mb=self._ram(group),
            disk_mb=self._sum(group, "maxDiskCount") or self._own("disk_mb", slot),
            walltime_s=self._sum(group, "maxWalltime") or self._own("walltime_s", slot),
            job_type=label or self._job_type(group),
            resource_type=said(resource_type) or said(kind.resource_type) or said(settings.resource_type) or fitting,
            pilot_type=pilot_type_of(label or kind.label or settings.label),
        )

    def _cores(self, group: GroupToServe) -> int:
        slot = group.slot
        asked = (_cores(group, job.job_id, job.cores) for job in group.jobs)
        if slot and slot.is_unified:
            return sum(asked) or slot.cores
        return self._asked("nCore", asked) or self._own("cores", slot)

    def _ram(self, group: GroupToServe) -> int:
        slot = group.slot
        if slot and slot.is_unified:
            return sum(_ram(group, job, slot) for job in group.jobs) or slot.ram_mb
        return self._sum(group, "minRamCount") or self._own("ram_mb", slot)

    def _own(self, name: str, slot: Slot | None) -> int:
        """What the queue's own block says, else the information system, else the default."""
        is_said = slot is None or name in self.settings.model_fields_set
        return int(getattr(self.settings if is_said else slot, name))

    def _job_type(self, group: GroupToServe) -> str:
        """What the server or the queue's own block says, else the information system, else the label."""
        slot, ordered = group.slot, group.kind.job_type
        own = None if ordered else self.settings.job_type
        return own or (slot and slot.job_type) or ordered or self.settings.label

    def _sum(self, group: GroupToServe, name: str) -> int:
        asked = (_number(params.get(name)) for params in _params(group))
        return sum(asked) if group.slot and name in group.slot.counted else self._asked(name, asked)

    def _asked(self, name: str, values: Iterable[int]) -> int:
        return sum(values) if name in self.settings.job_attributes else 0


def _ram(group: GroupToServe, job: Job, slot: Slot) -> int:
    """Memory of a job in a unified queue."""
    asked = _number(group.job_params.get(job.job_id, {}).get("minRamCount"))
    is_small = _cores(group, job.job_id, job.cores) == 1
    return asked or (slot.small_ram_mb if is_small else slot.large_ram_mb)


def _params(group: GroupToServe) -> Iterable[Mapping[str, JsonValue]]:
    return (group.job_params.get(job.job_id, {}) for job in group.jobs)


def _cores(group: GroupToServe, job_id: int, known: int) -> int:
    return _number(group.job_params.get(job_id, {}).get("coreCount")) or max(known, 1)


def _number(value: JsonValue) -> int:
    """A count as the server writes it; what is unset (`"NULL"`) or negative counts as nothing."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    return int(value) if isinstance(value, int | float) and 0 < value < _LARGEST else 0
