"""Every agent keeps the pace that its section of the main configuration sets."""

from datetime import timedelta
from typing import Any

import pytest
from world import QUEUE, World

from harvester.agents.base import Agent, Pace
from harvester.agents.job_fetcher import JobFetcher
from harvester.agents.killer import Killer
from harvester.agents.monitor import Monitor
from harvester.agents.preparator import PreparatorAgent
from harvester.agents.propagator import JobPropagator
from harvester.agents.sizer import Sizer
from harvester.agents.stager import StagerAgent
from harvester.agents.submitter import Submitter
from harvester.agents.sweeper import Sweeper
from harvester.agents.worker_propagator import WorkerPropagator
from harvester.core.workers import WorkerStatus
from harvester.plugins.api import Seen
from harvester.store import leases, views
from harvester.store.leases import QUEUE_FETCH, QUEUE_SIZE

PACE = {"sleepTime": 41, "lockInterval": 1234, "nThreads": 7}


@pytest.mark.shows(
    "preparator.sleepTime",
    "preparator.lockInterval",
    "preparator.nThreads",
    "submitter.lockInterval",
    "submitter.nThreads",
    "monitor.sleepTime",
    "monitor.lockInterval",
    "monitor.nThreads",
    "stager.sleepTime",
    "stager.lockInterval",
    "stager.nThreads",
    "propagator.sleepTime",
    "propagator.lockInterval",
    "propagator.nThreads",
)
@pytest.mark.parametrize(
    ("agent", "section"),
    [
        (PreparatorAgent, "preparator"),
        (Submitter, "submitter"),
        (Monitor, "monitor"),
        (StagerAgent, "stager"),
        (JobPropagator, "propagator"),
        (WorkerPropagator, "propagator"),
    ],
)
def test_how_often_how_long_and_how_many_at_once(world: World, agent: type[Agent[Any, Any]], section: str):
    world.configure(**{section: PACE})
    assert agent(world.instance).pace == Pace(41, 1234, 7)


@pytest.mark.shows("sweeper.sleepTime", "sweeper.nThreads", "jobfetcher.sleepTime", "jobfetcher.nThreads")
@pytest.mark.parametrize(("agent", "section"), [(Killer, "sweeper"), (Sweeper, "sweeper"), (JobFetcher, "jobfetcher")])
def test_how_often_and_how_many_at_once(world: World, agent: type[Agent[Any, Any]], section: str):
    world.configure(**{section: {"sleepTime": 41, "nThreads": 7}})
    pace = agent(world.instance).pace
    assert (pace.ceiling, pace.threads) == (41, 7)


@pytest.mark.shows("submitter.queueLockInterval", "submitter.sleepTime")
def test_a_queue_is_held_for_a_time_of_its_own(world: World):
    world.configure(submitter={**PACE, "queueLockInterval": 77})
    assert Sizer(world.instance).pace == Pace(41, 77, 7)


@pytest.mark.shows("jobfetcher.lookupTime", "submitter.lookupTime")
@pytest.mark.parametrize(
    ("section", "agent", "pair"), [("jobfetcher", JobFetcher, QUEUE_FETCH), ("submitter", Sizer, QUEUE_SIZE)]
)
def test_a_queue_without_room_is_looked_at_again_after_lookup_time(
    world: World, section: str, agent: type[Agent[Any, Any]], pair: leases.Pair
):
    world.configure(**{section: {"lookupTime": 33}})
    world.serve(QUEUE, nQueueLimitJob=0, maxWorkers=0)
    assert world.claim(agent(world.instance)) == []
    with world.db.read() as connection:
        assert leases.next_due(connection, pair) == world.clock() + timedelta(seconds=33)


@pytest.mark.shows("sweeper.keepFinished", "sweeper.keepFailed", "sweeper.keepCancelled")
@pytest.mark.parametrize(
    ("key", "status"),
    [
        ("keepFinished", WorkerStatus.FINISHED),
        ("keepFailed", WorkerStatus.FAILED),
        ("keepCancelled", WorkerStatus.CANCELLED),
    ],
)
def test_ended_workers_are_kept_for_hours_that_depend_on_their_end(world: World, key: str, status: WorkerStatus):
    world.configure(sweeper={key: 5})
    world.give_jobs(1)
    world.work(Sizer)
    world.work(Submitter)
    (worker,) = world.workers()
    world.resource.states[worker.worker_id] = Seen(status, ended_at=world.clock())
    world.clock.forward(minutes=2)
    world.work(Monitor)
    with world.db.read() as connection:
        view = views.worker(connection, worker.worker_id)
    assert view is not None
    assert view.worker.ended_at is not None
    assert view.due == view.worker.ended_at + timedelta(hours=5)
