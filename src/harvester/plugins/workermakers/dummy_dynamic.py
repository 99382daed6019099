"""The dummy dynamic worker maker: sizes drawn by chance, for trying out a queue (core reference §3.6)."""

from collections.abc import Sequence
from typing import Self

from pydantic import Field, model_validator

from harvester.plugins.api import Failed, FreeSlot, GroupToServe, WorkerMaker, WorkerPlan
from harvester.plugins.workermakers.asking import KindSettings, asked_by, cores_of, with_kind


class DummyDynamicSettings(KindSettings):
    """Settings of the dummy dynamic worker maker: between what the numbers are drawn, both ends included."""

    least_jobs: int = Field(default=1, ge=1, alias="minJobsPerWorker")
    most_jobs: int = Field(default=1, ge=1, alias="maxJobsPerWorker")
    least_workers: int = Field(default=1, ge=1, alias="minWorkersPerJob")
    most_workers: int = Field(default=1, ge=1, alias="maxWorkersPerJob")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.least_jobs > self.most_jobs or self.least_workers > self.most_workers:
            raise ValueError("a least number is above its largest one")
        return self


class DummyDynamicWorkerMaker(WorkerMaker[DummyDynamicSettings]):
    """What the jobs ask for, in numbers that change from look to look."""

    Settings = DummyDynamicSettings

    def jobs_per_worker(self, new_workers: int, slots: Sequence[FreeSlot]) -> int:  # noqa: ARG002 (chance alone decides)
        """By chance."""
        return self._draw(self.settings.least_jobs, self.settings.most_jobs)

    def workers_per_job(self, new_workers: int) -> int:  # noqa: ARG002 (likewise)
        """By chance."""
        return self._draw(self.settings.least_workers, self.settings.most_workers)

    def make(self, groups: Sequence[GroupToServe]) -> Sequence[WorkerPlan | Failed]:
        """The sums of what the jobs ask for, for as long as the longest of them or `walltimeLimit` says."""
        return [self._plan(group) for group in groups]

    def _plan(self, group: GroupToServe) -> WorkerPlan:
        size = WorkerPlan(
            cores=sum(cores_of(job, group) for job in group.jobs) or 1,
            ram_mb=sum(asked_by(group.jobs, group, "minRamCount")),
            disk_mb=sum(asked_by(group.jobs, group, "maxDiskCount")),
            walltime_s=max([int(group.walltime_limit_s or 0), *asked_by(group.jobs, group, "maxWalltime")]),
        )
        return with_kind(size, group, self.settings)

    def _draw(self, least: int, most: int) -> int:
        return least + self.context.draw(most - least + 1)
