"""The simple worker maker: the queue's values, or the sums of what the jobs ask for (core reference §4.10)."""

from collections.abc import Iterable, Sequence

from pydantic import Field

from harvester.core.jobs import Job
from harvester.core.slots import Slot
from harvester.plugins.api import Failed, GroupToServe, WorkerMaker, WorkerPlan
from harvester.plugins.workermakers.asking import KindSettings, asked_by, cores_of, with_kind


class SimpleWorkerMakerSettings(KindSettings):
    """Settings of the simple worker maker.

    Attributes:
        cores: cores of a worker where jobs do not decide.
        ram_mb: memory in MB, likewise.
        disk_mb: scratch space in MB, likewise.
        walltime_s: seconds, likewise.
        job_attributes: which values of the jobs count, by their names in the server's dictionary, `nCore` for cores.
    """

    cores: int = Field(default=1, ge=1, alias="nCore")
    ram_mb: int = Field(default=1, ge=0, alias="minRamCount")
    disk_mb: int = Field(default=1, ge=0, alias="maxDiskCount")
    walltime_s: int = Field(default=1, ge=0, alias="maxWalltime")
    job_attributes: frozenset[str] = Field(
        default=frozenset({"nCore", "minRamCount", "maxDiskCount", "maxWalltime", "ioIntensity"}),
        alias="jobAttributesToUse",
    )


class SimpleWorkerMaker(WorkerMaker[SimpleWorkerMakerSettings]):
    """Makes one plan per group of jobs."""

    Settings = SimpleWorkerMakerSettings

    def make(self, groups: Sequence[GroupToServe]) -> Sequence[WorkerPlan | Failed]:
        """Sum up what the jobs of each group ask for; where they ask for nothing, the queue's values stand."""
        empty = {group.kind: group for group in groups if not group.jobs}
        alike = {kind: self._plan(group) for kind, group in empty.items()}
        return [self._plan(group) if group.jobs else alike[group.kind] for group in groups]

    def _plan(self, group: GroupToServe) -> WorkerPlan:
        slot = group.slot
        size = WorkerPlan(
            cores=self._cores(group),
            ram_mb=self._ram(group),
            disk_mb=self._sum(group, "maxDiskCount") or self._own("disk_mb", slot),
            walltime_s=self._sum(group, "maxWalltime") or self._own("walltime_s", slot),
        )
        return with_kind(size, group, self.settings)

    def _cores(self, group: GroupToServe) -> int:
        slot = group.slot
        asked = (cores_of(job, group) for job in group.jobs)
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

    def _sum(self, group: GroupToServe, name: str) -> int:
        asked = asked_by(group.jobs, group, name)
        return sum(asked) if group.slot and name in group.slot.counted else self._asked(name, asked)

    def _asked(self, name: str, values: Iterable[int]) -> int:
        return sum(values) if name in self.settings.job_attributes else 0


def _ram(group: GroupToServe, job: Job, slot: Slot) -> int:
    """Memory of a job in a unified queue."""
    (asked,) = asked_by([job], group, "minRamCount")
    is_small = cores_of(job, group) == 1
    return asked or (slot.small_ram_mb if is_small else slot.large_ram_mb)
