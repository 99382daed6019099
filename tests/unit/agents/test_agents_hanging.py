"""A messenger that hangs holds up its own queue, and no other on the same resource."""

import threading
from collections.abc import Callable, Iterator, Sequence

import pytest
from test_agents_runner import until
from world import QUEUE, FakeMessenger, World

from harvester.agents.monitor import Monitor
from harvester.agents.sizer import Sizer
from harvester.agents.submitter import Submitter
from harvester.core.workers import Worker, WorkerStatus
from harvester.plugins.api import News, Seen

OTHER = "THERE"
PATIENCE = 30.0
RUNNING, FINISHED = Seen(WorkerStatus.RUNNING), Seen(WorkerStatus.FINISHED)
NEWS = News(attributes={1: {"jobStatus": "running"}})


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harvester.agents.listening._PATIENCE", 1.0)


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    made = threading.Event()
    yield made
    made.set()


@pytest.fixture
def pair(world: World) -> tuple[int, int]:
    """A submitted worker in each of two queues of the same resource: one that may hang, and another."""
    world.serve(OTHER)
    world.give_jobs(1, queue=OTHER)
    world.give_jobs(2)
    world.work(Sizer)
    world.work(Submitter)
    world.clock.forward(minutes=2)
    (bad,), (good,) = world.workers(OTHER), world.workers(QUEUE)
    return bad.worker_id, good.worker_id


def hanging(verb: Callable[..., object], gate: threading.Event, calls: list[str]) -> Callable[..., object]:
    """The verb, which notes whom it was called about and hangs for one queue until the gate opens."""

    def hang_or_do(plugin: object, workers: Sequence[Worker]) -> object:
        calls.extend({each.queue for each in workers})
        if any(each.queue == OTHER for each in workers):
            assert gate.wait(PATIENCE)
        return verb(plugin, workers)

    return hang_or_do


def work(world: World, monitor: Monitor) -> list[str]:
    """One look, all of it done; returns what the units were about."""
    units = world.claim(monitor)
    for unit in units:
        world.finish(monitor, unit)
    return [unit.about for unit in units]


def test_that_cannot_be_heard(
    world: World, pair: tuple[int, int], gate: threading.Event, monkeypatch: pytest.MonkeyPatch
):
    bad, good = pair
    calls: list[str] = []
    monkeypatch.setattr(FakeMessenger, "collect", hanging(FakeMessenger.collect, gate, calls))
    world.resource.states = {bad: RUNNING, good: RUNNING}
    monitor = Monitor(world.instance)
    work(world, monitor)
    assert world.worker(good).status is WorkerStatus.RUNNING
    assert world.worker(bad).status is WorkerStatus.SUBMITTED
    assert "has not answered" in str(world.note_of("monitor", OTHER)["problem"])

    world.resource.states[good] = FINISHED
    world.clock.forward(minutes=10)
    apart, together = sorted(world.claim(monitor), key=lambda unit: len(unit.about), reverse=True)
    assert OTHER in apart.about
    world.finish(monitor, together)
    assert world.worker(good).status is WorkerStatus.FINISHED
    assert calls.count(OTHER) == 1

    gate.set()
    world.finish(monitor, apart)
    assert world.worker(bad).status is WorkerStatus.RUNNING
    assert world.note_of("monitor", OTHER)["problem"] == ""
    world.clock.forward(minutes=10)
    assert [OTHER in about for about in work(world, monitor)] == [False]


def test_that_cannot_be_told(
    world: World, pair: tuple[int, int], gate: threading.Event, monkeypatch: pytest.MonkeyPatch
):
    """What is told after each round does not pile up behind a call that hangs."""
    bad, good = pair
    calls: list[str] = []
    monkeypatch.setattr(FakeMessenger, "acknowledge", hanging(FakeMessenger.acknowledge, gate, calls))
    world.resource.states = {bad: RUNNING, good: RUNNING}
    world.messenger.news = {bad: NEWS, good: News(attributes={2: {"jobStatus": "running"}})}
    monitor = Monitor(world.instance)
    work(world, monitor)
    assert world.messenger.acknowledged == [good]
    world.clock.forward(minutes=10)
    units = world.claim(monitor)
    assert sum(OTHER in unit.about for unit in units) == 1
    gate.set()
    for unit in units:
        world.finish(monitor, unit)
    assert world.messenger.acknowledged.count(bad) >= 1


def test_that_is_still_told_of_one_round_is_not_asked_in_the_next(
    world: World, pair: tuple[int, int], gate: threading.Event, monkeypatch: pytest.MonkeyPatch
):
    bad, good = pair
    told: list[str] = []
    monkeypatch.setattr(FakeMessenger, "acknowledge", hanging(FakeMessenger.acknowledge, gate, told))
    world.resource.states = {bad: RUNNING, good: RUNNING}
    world.messenger.news = {bad: NEWS}
    monitor = Monitor(world.instance)
    monkeypatch.setattr("harvester.agents.listening._PATIENCE", PATIENCE)
    (unit,) = world.claim(monitor)
    first = threading.Thread(target=world.finish, args=(monitor, unit))
    first.start()
    until(lambda: OTHER in told)

    monkeypatch.setattr("harvester.agents.listening._PATIENCE", 0.5)
    world.clock.forward(minutes=10)
    (unit,) = world.claim(monitor)
    heard = monitor.act(unit)
    assert {each.held.worker.worker_id for each in heard.seen} == {good}
    gate.set()
    first.join(PATIENCE)


def test_what_was_collected_since_is_not_taken_for_safe(world: World, pair: tuple[int, int]):
    """A round that could not be acknowledged before the next began to listen is told again, and safe with that."""
    bad, good = pair
    world.resource.states = {bad: RUNNING, good: RUNNING}
    world.messenger.news = {bad: NEWS}
    monitor = Monitor(world.instance)
    (unit,) = world.claim(monitor)
    first = monitor.act(unit)
    world.db.transact(lambda connection: monitor.commit(connection, unit, first))
    world.clock.forward(minutes=10)
    (later,) = world.claim(monitor)
    second = monitor.act(later)
    monitor.after_commit(unit, first)
    assert world.messenger.acknowledged == []
    world.finish(monitor, later, second)
    assert world.messenger.acknowledged == [bad]
