"""The multi-node worker maker: workers of a fixed number of nodes, or of those that are free (core reference §3.6)."""

from collections.abc import Sequence
from enum import StrEnum

from pydantic import AliasChoices, Field

from harvester.core.workers import Worker
from harvester.plugins.api import Failed, FreeSlot, GroupToServe, WorkerMaker, WorkerPlan
from harvester.plugins.workermakers.asking import asked_by, with_kind
from harvester.plugins.workermakers.launching import LaunchSettings, launch_script


class Mode(StrEnum):
    """Who says how many nodes a worker has."""

    STATIC = "static"
    DYNAMIC = "dynamic"


class MultiNodeSettings(LaunchSettings):
    """Settings of the multi-node worker maker.

    Attributes:
        mode: `dynamic` takes nodes and wall time from the queue's `resource`.
        nodes: of a worker where these do not say it.
        jobs_per_node: jobs that share a node.
        cores_per_job: cores that each of them gets.
        walltime_s: seconds; the queue's `walltimeLimit` if it is not set.
        dynamic_sizing: whether workers wait for resources that are ready, and `ready_resources` says how many are.
    """

    mode: Mode = Mode.STATIC
    nodes: int = Field(default=1, ge=1, alias="nNodes")
    jobs_per_node: int = Field(default=1, ge=1, alias="nJobsPerNode")
    cores_per_job: int = Field(default=1, ge=1, alias="nCorePerJob")
    walltime_s: int | None = Field(
        default=None, ge=0, alias="walltimelimit", validation_alias=AliasChoices("walltimelimit", "walltimeLimit")
    )
    dynamic_sizing: bool = Field(default=False, alias="dynamicSizing")
    ready_resources: int = Field(default=1, ge=0, alias="nReadyResources")


class MultiNodeWorkerMaker(WorkerMaker[MultiNodeSettings]):
    """Workers whose jobs are spread over their nodes."""

    Settings = MultiNodeSettings

    @property
    def fits_slots(self) -> bool:
        """In dynamic mode."""
        return self.settings.mode is Mode.DYNAMIC

    def choose_slots(self, free: Sequence[FreeSlot], new_workers: int) -> Sequence[FreeSlot]:
        """The largest one, for every worker: what does not start at once waits for as many nodes."""
        largest = max(free, key=lambda slot: (slot.nodes, slot.walltime_s), default=None)
        if largest is None:
            return ()
        settings = self.settings
        return [largest] * (min(new_workers, settings.ready_resources) if settings.dynamic_sizing else new_workers)

    def jobs_per_worker(self, new_workers: int, slots: Sequence[FreeSlot]) -> int:  # noqa: ARG002 (all are alike)
        """As many as its nodes take."""
        return (slots[0].nodes if slots else self.settings.nodes) * self.settings.jobs_per_node

    def make(self, groups: Sequence[GroupToServe]) -> Sequence[WorkerPlan | Failed]:
        """All cores of the nodes, whatever the jobs ask for; memory and scratch space are the sums of theirs."""
        return [self._plan(group) for group in groups]

    def _plan(self, group: GroupToServe) -> WorkerPlan:
        settings, free = self.settings, group.free
        per_node = group.cores_per_node or settings.jobs_per_node * settings.cores_per_job
        own = settings.walltime_s if settings.walltime_s is not None else int(group.walltime_limit_s or 0)
        size = WorkerPlan(
            cores=(free.nodes if free else settings.nodes) * per_node,
            ram_mb=sum(asked_by(group.jobs, group, "minRamCount")),
            disk_mb=sum(asked_by(group.jobs, group, "maxDiskCount")),
            walltime_s=free.walltime_s if free else own,
        )
        return with_kind(size, group, settings)

    def launch_scripts(self, workers: Sequence[Worker]) -> Sequence[str]:
        """One pilot per job, with `nCorePerJob` cores; as many as there are cores for where no job is bound yet."""
        return [self._script(worker) for worker in workers]

    def _script(self, worker: Worker) -> str:
        per_job = self.settings.cores_per_job
        return launch_script(self.settings, worker, len(worker.job_ids) or max(worker.cores // per_job, 1), per_job)
