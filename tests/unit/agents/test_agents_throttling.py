"""Queues that a throttler holds back."""

from typing import Any

import pytest
from world import QUEUE, World

from harvester.agents.sizer import Sizer
from harvester.agents.submitter import Submitter
from harvester.agents.throttling import Throttling
from harvester.plugins.api import PluginContext, Refused
from harvester.plugins.registry import Role
from harvester.plugins.throttlers.tiny import TinyThrottler, TinyThrottlerSettings

MISSED = {"timeWindow": 10, "maxMissed": 2}


def throttle(world: World, **settings: Any) -> None:  # noqa: ANN401 (any setting of the plugin)
    """Give the queue a throttler."""
    context = PluginContext("test", QUEUE, world.clock, world.directory)
    throttler = TinyThrottler(TinyThrottlerSettings.model_validate(settings), context)
    world.pool._plugins = {**world.pool._plugins, Role.THROTTLER: throttler}
    serve(world, QUEUE, throttler={"plugin": "tiny"})


def serve(world: World, name: str, **more: Any) -> None:  # noqa: ANN401 (any attribute of a queue)
    world.serve(
        name,
        **{"mapType": "NoJob", "maxWorkers": 9, "submitter": {"plugin": "dummy", "computingElements": ["ce1"]}, **more},
    )


def fail_three(world: World, queue: str) -> None:
    """Three submissions to a queue fail."""
    serve(world, queue, maxNewWorkersPerCycle=3)
    world.work(Sizer)
    world.resource.outcomes = {worker.worker_id: Refused("no room") for worker in world.workers(queue)}
    world.work(Submitter)
    world.instance.refusals.forgive(queue)


@pytest.mark.shows("block submitter.computingElements")
@pytest.mark.parametrize(
    ("level", "where", "holds"),
    [
        ("pq", QUEUE, True),
        ("pq", f"{QUEUE}/MCORE", False),
        ("site", f"{QUEUE}/MCORE", True),
        ("site", "ELSEWHERE", False),
        ("ce", "ELSEWHERE", True),
    ],
)
def test_failed_submissions_hold_back(world: World, level: str, where: str, *, holds: bool):
    fail_three(world, where)
    throttle(world, rulesForMissed=[{"level": level, **MISSED}])
    assert bool(Throttling(world.instance).objection(QUEUE)) == holds
    world.clock.forward(minutes=11)
    assert not Throttling(world.instance).objection(QUEUE)


@pytest.mark.shows("queue.throttler")
def test_a_queue_that_is_held_back_gets_no_workers_and_says_why(world: World):
    throttle(world, rulesForSiteFamilySubmitted=[{"level": "workers", "maxWorkers": 0}])
    world.work(Sizer)
    assert world.workers() == []
    note = world.note_of("sizer")
    assert (note["new_workers"], note["limit"]) == (0, "throttler")
    assert "0 workers of the site family are waiting, and maxWorkers is 0" in str(note["text"])


@pytest.mark.shows("queue.siteFamily")
def test_workers_of_a_site_family_count_together(world: World):
    serve(world, "OTHER", siteFamily=QUEUE)
    world.work(Sizer)
    throttle(world, rulesForSiteFamilySubmittedRunning=[{"level": "cores", "maxCores": 36}])
    assert "36 cores of the site family are waiting or running" in Throttling(world.instance).objection(QUEUE)


def test_a_throttler_that_fails_holds_nothing_back(world: World, monkeypatch: pytest.MonkeyPatch):
    throttle(world, rulesForMissed=[{"level": "pq", **MISSED}])
    throttler = world.pool._plugins[Role.THROTTLER]
    monkeypatch.setattr(throttler, "judge", lambda _: [])
    assert Throttling(world.instance).objection(QUEUE) == ""
