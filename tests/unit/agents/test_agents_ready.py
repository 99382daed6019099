"""Workers are made for what is ready: resources that a worker maker knows, or nodes that are free."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from world import QUEUE, World

from harvester.agents.sizer import Sizer
from harvester.agents.submitter import Submitter
from harvester.core.workers import Worker
from harvester.plugins.api import (
    FreeSlot,
    GroupToServe,
    PluginContext,
    PluginSettings,
    SlotFinder,
    Unknown,
    WorkerMaker,
)
from harvester.plugins.registry import Role, build
from harvester.store import leases

MULTINODE = {"plugin": "multinode", "mode": "dynamic", "nNodes": 2, "executor": "srun", "pilot": "/opt/pilot"}


class FakeFinder(SlotFinder[PluginSettings]):
    """Tells what a test wants, and how often it was asked."""

    def __init__(self, context: PluginContext, free: Sequence[FreeSlot] | Unknown) -> None:
        super().__init__(PluginSettings(), context)
        self.free = free
        self.asked = 0

    def free_slots(self) -> Sequence[FreeSlot] | Unknown:
        self.asked += 1
        return self.free


def serve(world: World, maker: dict[str, Any], free: Sequence[FreeSlot] | Unknown = (), **more: Any) -> FakeFinder:  # noqa: ANN401 (any attribute of a queue)
    """The queue with a real worker maker and somebody who knows the free nodes."""
    world.serve(QUEUE, workerMaker=maker, **{"mapType": "ManyToOne", "resource": {"plugin": "slurm"}, **more})
    block = world.pool.queue(QUEUE).worker_maker
    finder = FakeFinder(world.maker.context, free)
    world.pool.use({Role.WORKER_MAKER: build(Role.WORKER_MAKER, block, world.maker.context), Role.RESOURCE: finder})
    return finder


def decided(world: World) -> tuple[int, object]:
    world.work(Sizer)
    return len(world.workers()), world.note_of("sizer").get("limit")


# ---- what the worker maker says itself -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ready", "static", "decision"),
    [
        (4, None, (4, "workerMaker.dynamicSizing")),
        (0, None, (0, "workerMaker.dynamicSizing")),
        (0, 3, (3, "workerMaker.staticWorkers")),
        (4, 3, (4, "workerMaker.dynamicSizing")),
        (500, None, (100, "maxWorkers")),
        (None, None, (6, "workerMaker.nReadyResources")),
    ],
)
@pytest.mark.parametrize("map_type", ["NoJob", "OneToOne"])
def test_what_the_maker_calls_ready_is_a_limit(
    world: World, map_type: str, ready: int | None, static: int | None, decision: tuple[int, str]
):
    world.maker.ready = ready
    keys = {"plugin": "simple", "dynamicSizing": True, "nReadyResources": 6, "staticWorkers": static}
    world.give_jobs(*range(1, 151))
    world.serve(QUEUE, mapType=map_type, workerMaker=keys, nQueueLimitWorker=None)
    assert decided(world) == decision


def test_what_was_ready_is_used_up_until_the_next_look(world: World):
    world.maker.ready = 2
    world.give_jobs(1, 2, 3, 4, 5)
    world.serve(QUEUE, workerMaker={"plugin": "simple", "dynamicSizing": True})
    assert decided(world)[0] == 2
    assert decided(world)[0] == 2
    world.clock.forward(hours=1)
    assert decided(world)[0] == 4


@pytest.mark.parametrize("jobs_before", [1, 2])
def test_what_was_ready_is_used_up_also_where_something_else_was_the_limit(world: World, jobs_before: int):
    world.maker.ready = 2
    world.give_jobs(*range(1, jobs_before + 1))
    world.serve(QUEUE, workerMaker={"plugin": "simple", "dynamicSizing": True})
    assert decided(world) == (jobs_before, "jobs")
    world.give_jobs(3, 4, 5)
    with world.db.write() as connection:
        leases.nudge_queues(connection, leases.QUEUE_SIZE, [QUEUE], world.clock(), timedelta())
    assert decided(world)[0] == jobs_before
    world.clock.forward(hours=1)
    assert decided(world)[0] == jobs_before + 2


def test_a_maker_that_cannot_say_it_ends_only_this_look(world: World, monkeypatch: pytest.MonkeyPatch):
    def broken(_: object) -> int:
        raise OSError("no such host")

    monkeypatch.setattr(type(world.maker), "ready_resources", broken)
    world.give_jobs(1)
    world.serve(QUEUE, workerMaker={"plugin": "simple", "dynamicSizing": True})
    with pytest.raises(OSError, match="no such host"):
        world.work(Sizer)
    assert world.workers() == []


# ---- free nodes ------------------------------------------------------------------------------------------------------


@pytest.mark.shows("queue.resource")
def test_a_worker_is_as_large_as_what_is_free(world: World):
    serve(world, MULTINODE, [FreeSlot(3, 7000), FreeSlot(1, 9000)], submitter={"plugin": "dummy", "nCorePerNode": 16})
    world.give_jobs(1, 2, 3, 4, 5, 6, 7)
    world.work(Sizer)
    assert [(each.cores, each.walltime_s, len(each.job_ids)) for each in world.workers()] == [(48, 7000, 3)] * 2


@pytest.mark.parametrize(
    ("free", "text"),
    [
        ([], "0 nodes are free in 0 slots, of which 0 workers can be made"),
        (Unknown("sinfo timed out"), "it is not known which nodes are free: sinfo timed out"),
    ],
)
def test_without_free_nodes_nothing_is_made(world: World, free: Sequence[FreeSlot] | Unknown, text: str):
    serve(world, MULTINODE, free)
    world.give_jobs(1, 2, 3, 4)
    assert decided(world) == (0, "resource")
    assert world.note_of("sizer")["text"] == text


def test_static_workers_are_made_in_the_size_of_the_block(world: World):
    serve(world, {**MULTINODE, "staticWorkers": 1}, submitter={"plugin": "dummy", "nCorePerNode": 16})
    world.give_jobs(1, 2, 3, 4)
    assert decided(world) == (1, "workerMaker.staticWorkers")
    (worker,) = world.workers()
    assert (worker.cores, len(worker.job_ids)) == (32, 2)


def test_each_gap_gets_one_worker(world: World):
    keys = {"plugin": "backfill", "dynamicSizing": True, "nCorePerNode": 8, "defaultNodes": 50}
    finder = serve(world, keys, [FreeSlot(3, 2000), FreeSlot(9, 5000), FreeSlot(1, 9000)], mapType="OneToOne")
    world.give_jobs(*range(1, 9))
    assert decided(world) == (2, "resource")
    assert [(each.cores, each.walltime_s) for each in world.workers()] == [(64, 4940), (16, 1940)]
    assert finder.asked == 1


def test_free_nodes_are_for_workers_first_that_have_not_started_yet(world: World):
    keys = {"plugin": "backfill", "dynamicSizing": True, "nCorePerNode": 8, "defaultNodes": 50}
    finder = serve(world, keys, [FreeSlot(3, 2000), FreeSlot(9, 5000)], mapType="OneToOne")
    world.give_jobs(*range(1, 9))
    assert decided(world) == (2, "resource")
    world.clock.forward(hours=1)
    assert decided(world) == (2, "resource")
    assert str(world.note_of("sizer")["text"]).endswith("0 workers can be made besides the 2 that have not started yet")
    finder.free = [*finder.free, FreeSlot(2, 3000)]
    world.clock.forward(hours=1)
    assert decided(world) == (3, "resource")


def test_nobody_is_asked_by_a_maker_that_does_not_fit_workers_to_nodes(world: World):
    finder = serve(world, {**MULTINODE, "mode": "static"}, [FreeSlot(30, 7000)])
    world.give_jobs(1, 2, 3, 4)
    assert decided(world)[0] == 2
    assert finder.asked == 0


def test_a_queue_that_names_nobody_who_knows_the_nodes_has_workers_of_the_block(world: World):
    serve(world, MULTINODE, [FreeSlot(30, 7000)], resource=None)
    world.give_jobs(1, 2, 3, 4)
    assert decided(world)[0] == 2


# ---- what the queue says of its workers ------------------------------------------------------------------------------


@pytest.mark.shows("queue.walltimeLimit", "block submitter.nCorePerNode")
def test_makers_know_the_wall_time_and_the_nodes_of_the_queue(world: World):
    keys = {"plugin": "multijob", "nJobsPerWorker": 2}
    serve(world, keys, walltimeLimit=7200, submitter={"plugin": "dummy", "nCorePerNode": 24})
    world.give_jobs(1, 2)
    world.work(Sizer)
    assert [(each.cores, each.walltime_s) for each in world.workers()] == [(48, 7200)]


# ---- the commands of the batch job -----------------------------------------------------------------------------------


def submitted(world: World) -> list[Worker]:
    """What the resource is given."""
    given: list[Worker] = []
    submit = world.resource.submit

    def noting(workers: Sequence[Worker]) -> Any:  # noqa: ANN401 (what the resource answers)
        given.extend(workers)
        return submit(workers)

    world.resource.submit = noting  # type: ignore[method-assign]
    world.work(Submitter)
    return given


def test_the_resource_gets_the_commands_of_the_worker_maker(world: World):
    serve(world, {**MULTINODE, "mode": "static", "pilot_params": "--dir {work_dir}"})
    world.give_jobs(1, 2)
    world.work(Sizer)
    assert [each.launch_script for each in submitted(world)] == ["srun /opt/pilot --dir /access/1"]
    assert world.worker(1).launch_script == "", "it is known only while the worker is submitted"


def test_workers_whose_commands_cannot_be_told_are_not_submitted(world: World, monkeypatch: pytest.MonkeyPatch):
    def broken(_: WorkerMaker[Any], __: Sequence[GroupToServe]) -> Sequence[str]:
        raise KeyError("pilot")

    monkeypatch.setattr(WorkerMaker, "launch_scripts", broken)
    world.give_jobs(1)
    world.work(Sizer)
    assert submitted(world) == []
    assert "KeyError" in str(world.note_of("submitter")["problem"])
