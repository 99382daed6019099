"""The multi-job worker maker: one node for each job of a worker (core reference §3.6, plugins reference §4.11)."""

from collections.abc import Sequence

from pydantic import Field

from harvester.core.workers import Worker
from harvester.plugins.api import Failed, GroupToServe, WorkerMaker, WorkerPlan
from harvester.plugins.workermakers.asking import asked_by, cores_of, with_kind
from harvester.plugins.workermakers.launching import LaunchSettings, launch_script


class MultiJobSettings(LaunchSettings):
    """Settings of the multi-job worker maker.

    Attributes:
        jobs_per_worker: jobs of a worker that is submitted before it has any.
    """

    jobs_per_worker: int = Field(default=1, ge=1, alias="nJobsPerWorker")


class MultiJobWorkerMaker(WorkerMaker[MultiJobSettings]):
    """As many nodes as jobs, for as long as the queue's `walltimeLimit` or the longest job says."""

    Settings = MultiJobSettings

    def make(self, groups: Sequence[GroupToServe]) -> Sequence[WorkerPlan | Failed]:
        """Nodes of `submitter.nCorePerNode` cores, or of as many as the largest job asks for."""
        return [self._plan(group) for group in groups]

    def _plan(self, group: GroupToServe) -> WorkerPlan:
        jobs, slot = group.jobs, group.slot
        per_node = group.cores_per_node or max((cores_of(job, group) for job in jobs), default=1)
        walltime_s = max([int(group.walltime_limit_s or 0), *asked_by(jobs, group, "maxWalltime")])
        size = WorkerPlan(
            cores=per_node * (len(jobs) or self.settings.jobs_per_worker),
            ram_mb=max(asked_by(jobs, group, "minRamCount"), default=0),
            disk_mb=sum(asked_by(jobs, group, "maxDiskCount")),
            walltime_s=walltime_s or (slot.walltime_s if slot else 0),
        )
        return with_kind(size, group, self.settings)

    def launch_scripts(self, workers: Sequence[Worker]) -> Sequence[str]:
        """One pilot per job, with all cores of its node."""
        return [self._script(worker) for worker in workers]

    def _script(self, worker: Worker) -> str:
        tasks = len(worker.job_ids) or self.settings.jobs_per_worker
        return launch_script(self.settings, worker, tasks, max(worker.cores // tasks, 1))
