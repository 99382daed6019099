"""The simple worker maker: the queue's values, or the sums of what the jobs ask for (core reference §4.10)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from pydantic import Field, JsonValue

from harvester.core.kinds import said
from harvester.core.labels import pilot_type_of
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
        settings, kind = self.settings, group.kind
        label, resource_type = (group.jobs[0].label, group.jobs[0].resource_type) if group.jobs else (None, None)
        cores = self._asked("nCore", (_cores(group, job.job_id, job.cores) for job in group.jobs)) or settings.cores
        return WorkerPlan(
            cores=cores,
            ram_mb=self._sum(group, "minRamCount") or settings.ram_mb,
            disk_mb=self._sum(group, "maxDiskCount") or settings.disk_mb,
            walltime_s=self._sum(group, "maxWalltime") or settings.walltime_s,
            job_type=label or kind.job_type or settings.job_type or settings.label,
            resource_type=_resource_type(resource_type or kind.resource_type, settings.resource_type, cores),
            pilot_type=pilot_type_of(label or kind.label or settings.label),
        )

    def _sum(self, group: GroupToServe, name: str) -> int:
        return self._asked(name, (_number(params.get(name)) for params in _params(group)))

    def _asked(self, name: str, values: Iterable[int]) -> int:
        return sum(values) if name in self.settings.job_attributes else 0


def _params(group: GroupToServe) -> Iterable[Mapping[str, JsonValue]]:
    return (group.job_params.get(job.job_id, {}) for job in group.jobs)


def _cores(group: GroupToServe, job_id: int, known: int) -> int:
    return _number(group.job_params.get(job_id, {}).get("coreCount")) or max(known, 1)


def _number(value: JsonValue) -> int:
    """A count as the server writes it; what is unset (`"NULL"`) or negative counts as nothing."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    return int(value) if isinstance(value, int | float) and 0 < value < _LARGEST else 0


def _resource_type(of_job: str | None, of_queue: str | None, cores: int) -> str:
    return said(of_job) or said(of_queue) or ("SCORE" if cores == 1 else "MCORE")
