"""A queue that loses sight of its workers gets no new ones."""

import pytest
from world import QUEUE, World

from harvester.agents.monitor import Monitor
from harvester.agents.sizer import Sizer
from harvester.agents.submitter import Submitter
from harvester.core.workers import WorkerStatus
from harvester.plugins.api import Gone, Seen, Unknown


@pytest.fixture
def busy(world: World) -> World:
    """A queue with 20 workers, and room for 20 more."""
    world.serve(QUEUE, mapType="NoJob", maxWorkers=20)
    world.work(Sizer)
    world.work(Submitter)
    world.clock.forward(minutes=10)
    world.work(Monitor)
    world.serve(QUEUE, mapType="NoJob", maxWorkers=40)
    world.clock.forward(minutes=10)
    return world


def see(world: World, **seen: Unknown | Gone | Seen) -> None:
    """One round of checks, with what it tells of the first workers."""
    (what,) = seen.values()
    number = int(next(iter(seen)).removeprefix("first_"))
    world.resource.states = {worker.worker_id: what for worker in world.workers()[:number]}
    world.work(Monitor)


def test_workers_out_of_sight_stop_new_ones_until_they_are_seen(busy: World):
    see(busy, first_15=Unknown("the controller does not answer"))
    assert busy.work(Sizer) == 0
    note = busy.note_of("sizer")
    assert note["limit"] == "circuit breaker"
    assert "15 of 20 workers cannot be seen" in str(note["problem"])
    busy.clock.forward(minutes=2)
    see(busy, first_20=Seen(WorkerStatus.RUNNING))
    assert busy.work(Sizer) == 1
    assert len(busy.workers()) == 40


def test_a_stop_lasts_as_long_as_nobody_sees_the_workers(busy: World):
    for _ in range(5):
        see(busy, first_15=Unknown("the controller does not answer"))
        busy.clock.forward(minutes=4)
        assert busy.work(Sizer) == 0


def test_a_stop_ends_by_itself_if_nobody_looks(busy: World):
    see(busy, first_15=Unknown("the controller does not answer"))
    busy.clock.forward(minutes=6)
    assert busy.work(Sizer) == 1


def test_vanished_workers_are_not_replaced_at_once(busy: World):
    see(busy, first_15=Gone("not listed"))
    busy.clock.forward(minutes=14)
    busy.resource.states = {}
    busy.work(Monitor)
    assert busy.work(Sizer) == 0
    assert "15 of 20 workers vanished at once" in str(busy.note_of("sizer")["problem"])
    busy.clock.forward(minutes=2)
    assert busy.work(Sizer) == 1


def test_a_few_lost_workers_stop_nothing(busy: World):
    see(busy, first_4=Unknown("the node does not answer"))
    assert busy.work(Sizer) == 1


def test_a_decision_that_was_made_before_is_dropped(busy: World):
    sizer = Sizer(busy.instance)
    (unit,) = busy.claim(sizer)
    see(busy, first_15=Unknown("the controller does not answer"))
    busy.finish(sizer, unit)
    assert len(busy.workers()) == 20


def test_workers_submitted_a_moment_ago_are_not_missed(world: World):
    world.serve(QUEUE, mapType="NoJob", maxWorkers=20, maxNewWorkersPerCycle=10)
    world.work(Sizer)
    world.work(Submitter)
    world.clock.forward(seconds=30)
    see(world, first_10=Gone("not listed"))
    world.clock.forward(hours=1)
    assert world.work(Sizer) == 1
