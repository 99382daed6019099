"""How many workers and jobs queues get, by limits, statistics and what the information system says."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from pydantic import JsonValue
from world import QUEUE, World

from harvester.agents.job_fetcher import JobFetcher
from harvester.agents.sizer import Sizer
from harvester.core.workers import WorkerStatus
from harvester.panda.devserver import DevControl

CRIC: Mapping[str, JsonValue] = {"nickname": QUEUE, "panda_resource": QUEUE}


def sized(world: World, **attributes: Any) -> tuple[int, object]:  # noqa: ANN401 (any attribute of a queue)
    """The workers that a queue gets at once, and what decided."""
    world.serve(QUEUE, **attributes)
    world.work(Sizer)
    return len(world.workers()), world.note_of("sizer").get("limit")


def pulling(**more: object) -> dict[str, object]:
    return {"mapType": "NoJob", "maxWorkers": 50, "nQueueLimitWorker": None, **more}


@pytest.mark.shows(
    "queue.nQueueLimitWorkerCores", "queue.nQueueLimitWorkerMemory", "block workerMaker.dynamicSizing",
    "block workerMaker.staticWorkers", "block workerMaker.nReadyResources", "queue.nQueueLimitWorkerMemoryRatio",
    "queue.nQueueLimitWorkerMemoryMin",
)  # fmt: skip
@pytest.mark.parametrize(
    ("attributes", "number", "limit"),
    [
        ({"nQueueLimitWorkerCores": 10}, 2, "nQueueLimitWorkerCores"),
        ({"nQueueLimitWorkerCores": 3}, 0, "nQueueLimitWorkerCores"),
        ({"nQueueLimitWorkerMemory": 3}, 3, "nQueueLimitWorkerMemory"),
        ({"nQueueLimitWorkerRatio": 50}, 1, "nQueueLimitWorkerRatio"),
        ({"nQueueLimitWorkerRatio": 50, "nQueueLimitWorkerMin": 7}, 7, "nQueueLimitWorkerMin"),
        ({"nQueueLimitWorkerMemoryRatio": 50, "nQueueLimitWorkerMemoryMin": 4}, 4, "nQueueLimitWorkerMemoryMin"),
        ({"nQueueLimitWorkerMemoryRatio": 50}, 1, "nQueueLimitWorkerMemoryRatio"),
        ({"maxNewWorkersPerCycle": 4}, 4, "maxNewWorkersPerCycle"),
        ({"workerMaker": {"plugin": "simple", "dynamicSizing": True, "nReadyResources": 6}}, 6,
         "workerMaker.nReadyResources"),
        ({"workerMaker": {"plugin": "simple", "dynamicSizing": True, "nReadyResources": 0, "staticWorkers": 3}}, 3,
         "workerMaker.staticWorkers"),
        ({"workerMaker": {"plugin": "simple", "dynamicSizing": True, "nReadyResources": 0}}, 0,
         "workerMaker.nReadyResources"),
    ],
)  # fmt: skip
def test_each_form_of_limit_holds(world: World, attributes: dict[str, object], number: int, limit: str):
    assert sized(world, **pulling(**attributes)) == (number, limit)


def test_workers_that_do_not_fit_are_told_of(world: World):
    sized(world, **pulling(nQueueLimitWorkerCores=10))
    assert world.note_of("sizer")["text"] == (
        "0 of 10 cores are queued, which leaves too little for another worker of 4 cores and 0 MB"
    )


def test_jobs_whose_worker_does_not_fit_wait_on(world: World):
    world.serve(QUEUE, nQueueLimitWorkerCores=4)
    world.give_jobs(1, 2)
    world.work(Sizer)
    world.clock.forward(hours=1)
    world.work(Sizer)
    assert len(world.workers()) == 1
    assert world.note_of("sizer")["limit"] == "nQueueLimitWorkerCores"


@pytest.mark.shows("queue.nQueueLimitWorkerRatio", "queue.nQueueLimitWorkerMin")
def test_shares_are_of_what_runs(world: World):
    assert sized(world, **pulling(nQueueLimitWorkerMin=8, nQueueLimitWorkerRatio=25))[0] == 8
    run(world, range(1, 9))
    world.clock.forward(hours=1)
    assert sized(world, **pulling(nQueueLimitWorkerMin=1, nQueueLimitWorkerRatio=25)) == (
        8 + 2,
        "nQueueLimitWorkerRatio",
    )


def run(world: World, worker_ids: range) -> None:
    """These workers run."""
    with world.db.write() as connection:
        connection.exec_driver_sql(
            f"UPDATE workers SET status = '{WorkerStatus.RUNNING}', phase = 'monitor' "
            f"WHERE worker_id BETWEEN {worker_ids.start} AND {worker_ids.stop - 1}"
        )


@pytest.mark.shows(
    "submitter.noPilotsWhenNoActiveJobs", "block submitter.noPilotsWhenNoActiveJobs", "block submitter.nCoreFactor",
)  # fmt: skip
@pytest.mark.parametrize(
    ("statistics", "section", "submitter", "number"),
    [
        ({QUEUE: {"activated": 7}}, {}, {}, 7),
        ({QUEUE: {"activated": 7}}, {"activateWorkerFactor": 0.5}, {}, 3),
        ({QUEUE: {"activated": 8}}, {}, {"nCoreFactor": 4}, 2),
        ({QUEUE: {"activated": 0}}, {}, {}, 1),
        ({QUEUE: {"activated": 0}}, {"noPilotsWhenNoActiveJobs": True}, {}, 0),
        ({QUEUE: {"activated": 0}}, {"noPilotsWhenNoActiveJobs": True}, {"noPilotsWhenNoActiveJobs": False}, 1),
        ({QUEUE: {"activated": 0}}, {"noPilotsWhenNoActiveJobs": False}, {"noPilotsWhenNoActiveJobs": True}, 0),
        ({"OTHER": {"activated": 9}}, {}, {}, 1),
        ({QUEUE: {"activated": 900}}, {}, {}, 50),
        ("nonsense", {}, {}, 50),
    ],
)
def test_pull_queues_follow_the_activated_jobs(
    world: World, statistics: JsonValue, section: dict[str, object], submitter: dict[str, object], number: int
):
    world.configure(submitter=section)
    world.tell("job_statistics.json", statistics)
    assert sized(world, **pulling(submitter={"plugin": "dummy", **submitter}))[0] == number


@pytest.mark.shows("submitter.activateWorkerFactor")
def test_the_factor_can_follow_the_instances_that_serve_the_queue(world: World):
    world.configure(submitter={"activateWorkerFactor": "auto"})
    world.tell("job_statistics.json", {QUEUE: {"activated": 9}})
    world.tell("worker_statistics.json", {QUEUE: {"test": {}, "other": {}, "third": {}}})
    assert sized(world, **pulling())[0] == 3


@pytest.mark.parametrize("status", ["offline", "standby", "maintenance"])
def test_queues_that_the_information_system_closes_get_none(world: World, status: str):
    world.tell("panda_queues.json", {QUEUE: {**CRIC, "status": status}})
    assert sized(world, **pulling()) == (0, "queue status")
    assert status in str(world.note_of("sizer")["text"])


@pytest.mark.shows("queue.prodSourceLabelRandomWeightsPermille")
def test_labels_are_drawn_for_workers_without_jobs(world: World):
    world.configure()
    slots = iter([5, 500, 5])
    world.instance = replace(world.instance, draw=lambda _: next(slots))
    weights = {"rc_alrb": 10}
    world.serve(QUEUE, **pulling(maxWorkers=3, prodSourceLabelRandomWeightsPermille=weights))
    sizer = Sizer(world.instance)
    (unit,) = world.claim(sizer)
    assert [group.kind.label for group in unit.groups] == ["rc_alrb", None, "rc_alrb"]


@pytest.mark.shows("queue.nQueueLimitJob")
def test_jobs_are_fetched_up_to_their_limits_and_no_further(served: World, control: DevControl):
    control.add_jobs([{"site": QUEUE, "coreCount": 4} for _ in range(20)])
    served.serve(QUEUE, nQueueLimitJobCores=16, nQueueLimitJob=10)
    served.tell("panda_queues.json", {QUEUE: {**CRIC, "corecount": 4}})
    served.work(JobFetcher)
    assert len(served.jobs()) == 4
    served.clock.forward(hours=1)
    served.work(JobFetcher)
    assert len(served.jobs()) == 4
    assert served.note_of("job fetcher")["limit"] == "nQueueLimitJobCores"


@pytest.mark.shows("queue.prodSourceLabelRandomWeightsPermille")
def test_jobs_are_asked_for_by_drawn_labels(served: World, control: DevControl):
    control.add_jobs([{"site": QUEUE, "prodSourceLabel": "rc_test2"}, {"site": QUEUE, "prodSourceLabel": "managed"}])
    served.instance = replace(served.instance, draw=lambda _: 0)
    served.serve(QUEUE, prodSourceLabelRandomWeightsPermille={"rc_test2": 1})
    served.work(JobFetcher)
    assert [job.label for job in served.jobs()] == ["rc_test2"]
