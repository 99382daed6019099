"""Groups of jobs, and makers as a queue configuration makes them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from harvester.config.plugin_blocks import PluginBlock
from harvester.core.jobs import Job, JobStatus, JobSubstatus
from harvester.core.workers import Worker, WorkerStatus
from harvester.plugins.api import GroupToServe, PluginContext, WorkerMaker, WorkerPlan
from harvester.plugins.registry import Role, build


def maker_of(
    module: str, name: str, block: Mapping[str, JsonValue], draw: Callable[[int], int] = lambda _: 0
) -> WorkerMaker[Any]:
    """The maker that stands behind a name of existing configurations."""
    context = PluginContext("cern", "Q", lambda: datetime(2026, 1, 1, tzinfo=UTC), Path("/nowhere"), draw=draw)
    path = f"pandaharvester.harvesterworkermaker.{module}"
    made = build(Role.WORKER_MAKER, PluginBlock(module=path, name=name, settings=dict(block)), context)
    assert isinstance(made, WorkerMaker)
    return made


def group_of(*params: Mapping[str, JsonValue], **more: Any) -> GroupToServe:  # noqa: ANN401 (any field of a group)
    """Jobs with these dictionaries of the server."""
    jobs = [Job(number, "Q", JobStatus.STARTING, JobSubstatus.PREPARED) for number in range(len(params))]
    return GroupToServe(jobs, dict(enumerate(params)), **more)


def plan_of(maker: WorkerMaker[Any], group: GroupToServe) -> WorkerPlan:
    """The plan for one group."""
    (plan,) = maker.make([group])
    assert isinstance(plan, WorkerPlan)
    return plan


def worker_of(cores: int, jobs: Sequence[int] = ()) -> Worker:
    """A worker that is being submitted."""
    return Worker(
        7, "Q", WorkerStatus.PENDING, "cern-7", job_ids=tuple(jobs), cores=cores, access_point="/shared/access/7"
    )
