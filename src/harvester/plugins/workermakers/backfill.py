"""The back-fill worker maker: workers for gaps in the schedule, not larger than the events that are left need.

What is chosen and how large a worker becomes is decided in `backfill_sizes` (plugins reference §4.11).
"""

from collections.abc import Sequence
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from harvester.core.jobs import Job
from harvester.plugins.api import Failed, FreeSlot, GroupToServe, WorkerMaker, WorkerPlan
from harvester.plugins.workermakers.asking import KindSettings, asked_by, with_kind
from harvester.plugins.workermakers.backfill_sizes import Band, choose, fit

_USUAL_SECONDS_PER_EVENT: Final = 480
_LEAST_SECONDS_PER_EVENT: Final = 100


def _plausible(seconds: int) -> int:
    return seconds if seconds >= _LEAST_SECONDS_PER_EVENT else _USUAL_SECONDS_PER_EVENT


class BackfillSettings(KindSettings):
    """Settings of the back-fill worker maker.

    Attributes:
        least_nodes: gaps of fewer nodes are left alone.
        most_nodes: of one worker.
        cores_per_node: `submitter.nCorePerNode` if it is not set.
        default_nodes: of workers that are made for no gap, and the most of those whose events are not known.
        default_walltime_s: of workers that are made for no gap.
        seconds_per_event: on one core; less than 100 cannot be meant and counts as 480.
        adjusters: what may be asked for, by the number of nodes.
        dynamic_sizing: whether gaps are looked for at all.
    """

    least_nodes: int = Field(default=1, ge=1, alias="minNodes")
    most_nodes: int = Field(default=125, ge=1, alias="maxNodes")
    cores_per_node: int | None = Field(default=None, ge=1, alias="nCorePerNode")
    default_nodes: int = Field(default=1, ge=1, alias="defaultNodes")
    default_walltime_s: int = Field(default=1800, ge=1, alias="defaultWalltimeSeconds")
    seconds_per_event: Annotated[int, AfterValidator(_plausible)] = Field(
        default=_USUAL_SECONDS_PER_EVENT, alias="nSecondsPerEvent"
    )
    adjusters: tuple[Band, ...] = Field(default=(Band(),), min_length=1)
    dynamic_sizing: bool = Field(default=False, alias="dynamicSizing")


class BackfillWorkerMaker(WorkerMaker[BackfillSettings]):
    """One worker for each gap."""

    Settings = BackfillSettings

    @property
    def fits_slots(self) -> bool:
        """With `dynamicSizing`; else all workers have the default size."""
        return self.settings.dynamic_sizing

    def choose_slots(self, free: Sequence[FreeSlot], new_workers: int) -> Sequence[FreeSlot]:
        """The gaps that some adjuster allows, those of most node seconds first."""
        settings = self.settings
        wide = [gap for gap in free if gap.nodes >= settings.least_nodes]
        return choose(wide, settings.adjusters, settings.most_nodes)[:new_workers]

    def make(self, groups: Sequence[GroupToServe]) -> Sequence[WorkerPlan | Failed]:
        """Nodes and wall time of the gap as far as the events of the jobs need them."""
        return [self._plan(group) for group in groups]

    def _plan(self, group: GroupToServe) -> WorkerPlan:
        slot = group.slot
        taken = self._taken(group)
        size = WorkerPlan(
            cores=taken.nodes * self._per_node(group),
            ram_mb=slot.ram_mb if slot else 0,
            disk_mb=slot.disk_mb if slot else 0,
            walltime_s=taken.walltime_s,
        )
        return with_kind(size, group, self.settings)

    def _taken(self, group: GroupToServe) -> FreeSlot:
        settings, gap = self.settings, group.free
        if gap is None:
            return FreeSlot(settings.default_nodes, settings.default_walltime_s)
        events = sum(_events_left(job, group) for job in group.jobs)
        needed = events * settings.seconds_per_event / self._per_node(group)
        small = FreeSlot(min(gap.nodes, settings.default_nodes), gap.walltime_s)
        return fit(gap, settings.adjusters, needed) or small if events else small

    def _per_node(self, group: GroupToServe) -> int:
        return self.settings.cores_per_node or group.cores_per_node or 1


def _events_left(job: Job, group: GroupToServe) -> int:
    """What the server said last, which is asked while the job waits for a worker; else what its dictionary says."""
    (known,) = asked_by([job], group, "nRemainingEvents")
    return known if job.events_left is None else job.events_left
