"""Queues that people pause or drain."""

from datetime import datetime, timedelta

import pytest
from world import QUEUE, World

from harvester.agents.job_fetcher import JobFetcher
from harvester.agents.sizer import Sizer
from harvester.agents.submitter import Submitter
from harvester.core.holds import EVERY_QUEUE, Hold, HoldMode, hold_of
from harvester.core.workers import MapType, WorkerStatus
from harvester.store import holds
from moving_clock import NOW


def hold(world: World, mode: HoldMode, queue: str = QUEUE, until: datetime | None = None) -> None:
    with world.db.write() as connection:
        holds.put(connection, Hold(queue, mode, "the roof leaks", "ops@host", world.clock(), until))
    world.clock.forward(seconds=2)


def resume(world: World, queue: str = QUEUE) -> None:
    with world.db.write() as connection:
        holds.remove(connection, queue, world.clock())
    world.clock.forward(seconds=2)


@pytest.mark.parametrize("queue", [QUEUE, EVERY_QUEUE])
def test_a_paused_queue_gets_nothing_until_it_is_resumed(world: World, queue: str):
    world.give_jobs(1, 2)
    hold(world, HoldMode.PAUSE, queue)
    assert world.work(Sizer) == 0
    assert world.claim(JobFetcher(world.instance)) == []
    assert "paused" in str(world.note_of("sizer")["text"])
    assert "by ops@host" in str(world.note_of("job fetcher")["text"])
    resume(world, queue)
    assert world.work(Sizer) == 1
    assert len(world.claim(JobFetcher(world.instance))) == 1


def test_intents_of_a_paused_queue_are_not_submitted(world: World):
    world.give_jobs(1)
    world.work(Sizer)
    hold(world, HoldMode.PAUSE)
    assert world.work(Submitter) == 0
    resume(world)
    world.work(Submitter)
    assert [each.status for each in world.workers()] == [WorkerStatus.SUBMITTED]


def test_a_drained_queue_serves_the_jobs_that_it_has(world: World):
    world.give_jobs(1, 2)
    hold(world, HoldMode.DRAIN)
    assert world.claim(JobFetcher(world.instance)) == []
    assert world.work(Sizer) == 1
    assert world.work(Submitter) == 1
    assert len(world.resource.holds) == 2


@pytest.mark.parametrize("keys", [{}, {"useJobLateBinding": True}], ids=["bound at once", "bound late"])
def test_jobs_that_do_not_fill_a_worker_wait_for_no_others_in_a_drained_queue(world: World, keys: dict[str, object]):
    world.serve(QUEUE, mapType=MapType.MANY_TO_ONE, workerMaker={"plugin": "simple", "nJobsPerWorker": 2}, **keys)
    world.give_jobs(1, 2, 3)
    world.work(Sizer)
    assert len(world.workers()) == 1
    hold(world, HoldMode.DRAIN)
    world.clock.forward(hours=1)
    world.work(Sizer)
    assert len(world.workers()) == 2


def test_a_drained_queue_whose_workers_fetch_jobs_gets_no_workers(world: World):
    world.serve(QUEUE, mapType=MapType.NO_JOB)
    hold(world, HoldMode.DRAIN)
    assert world.work(Sizer) == 0


def test_the_other_queues_go_on(world: World):
    world.serve("OTHER")
    world.give_jobs(1, queue="OTHER")
    hold(world, HoldMode.PAUSE)
    world.work(Sizer)
    assert len(world.workers("OTHER")) == 1


def test_a_pause_ends_by_itself(world: World):
    world.give_jobs(1)
    hold(world, HoldMode.PAUSE, until=world.clock() + timedelta(seconds=30))
    assert world.work(Sizer) == 0
    world.clock.forward(seconds=30)
    assert world.work(Sizer) == 1


def test_a_pause_counts_before_a_drain_and_what_is_over_does_not_count():
    def made(queue: str, mode: HoldMode, until: datetime | None = None) -> Hold:
        return Hold(queue, mode, "", "", NOW, until)

    drain, pause_all = made(QUEUE, HoldMode.DRAIN), made(EVERY_QUEUE, HoldMode.PAUSE)
    over = made(QUEUE, HoldMode.PAUSE, NOW)
    assert hold_of(QUEUE, [drain, pause_all], NOW) is pause_all
    assert hold_of(QUEUE, [over, drain], NOW) is drain
    assert hold_of("OTHER", [over, drain], NOW) is None


def test_pausing_anew_replaces_what_was_said_before(world: World):
    hold(world, HoldMode.PAUSE)
    hold(world, HoldMode.DRAIN)
    with world.db.read() as connection:
        assert [each.mode for each in holds.present(connection)] == [HoldMode.DRAIN]
