"""The runner with real threads: what is claimed is kept, given back or done, and whoever hangs hangs alone."""

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection
from world import QUEUE, FakeResource, World

from harvester.agents.base import Agent
from harvester.agents.event_reports import NOTHING_TOLD
from harvester.agents.job_fetcher import JobFetcher
from harvester.agents.preparator import PreparatorAgent
from harvester.agents.propagator import JobPropagator, JobsUnit, Told
from harvester.agents.reconciler import Reconciler
from harvester.agents.runner import AgentRunner
from harvester.agents.sizer import Sizer
from harvester.agents.submitter import Submitter, SubmitUnit
from harvester.core.events import EventMode
from harvester.core.files import File, FileKind, FileStatus
from harvester.core.jobs import Job, JobStatus, JobSubstatus
from harvester.core.workers import Worker, WorkerStatus
from harvester.panda.devserver import DevControl
from harvester.panda.messages import JobReply
from harvester.plugins.api import SubmitOutcome
from harvester.plugins.data.dummy import DummyPreparator
from harvester.store import files, jobs, leases
from harvester.store.engine import StoreUnavailableError
from harvester.store.jobs import NewJob
from harvester.store.leases import Owner
from harvester.store.schema import WorkerPhase
from refused_threads import refuse_one
from waiting import until

PATIENCE = 30.0
LEASE = 600.0


class Tick:
    """A clock that never goes back and only moves when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Gate:
    """Holds calls about some queues until it is opened, and notes all calls."""

    def __init__(self, queue: str) -> None:
        self.queues = {queue}
        self.calls: list[str] = []
        self._open = threading.Event()

    def pass_through(self, queue: str) -> None:
        self.calls.append(queue)
        if queue in self.queues:
            assert self._open.wait(PATIENCE)

    def open(self) -> None:
        self._open.set()


@contextmanager
def running(world: World, agent: Agent, tick: Tick, alive: Callable[[], bool] = lambda: True) -> Iterator[AgentRunner]:
    runner = AgentRunner(agent, world.db, lambda: world.owner, alive, tick)
    runner.start()
    yield runner
    runner.stop()
    assert runner.drain(PATIENCE)


@pytest.fixture
def tick() -> Tick:
    return Tick()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """Submissions to queue A hang until it is opened."""
    made, submit = Gate("A"), FakeResource.submit

    def slow(resource: FakeResource, workers: Sequence[Worker]) -> Sequence[SubmitOutcome]:
        made.pass_through(workers[0].queue)
        return submit(resource, workers)

    monkeypatch.setattr(FakeResource, "submit", slow)
    yield made
    made.open()


def given_intents(world: World, *queues: str) -> None:
    """One worker to be submitted in each of the queues, theirs in this order."""
    for number, queue in enumerate(queues, start=1):
        world.serve(queue)
        world.give_jobs(number, queue=queue)
        world.work(Sizer)
        world.clock.forward(seconds=1)


def one_thread(world: World) -> None:
    world.configure(submitter={"nThreads": 1, "lockInterval": LEASE})


# ---- waiting for a thread --------------------------------------------------------------------------------------------


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody goes ahead of a unit that takes long."""
    monkeypatch.setattr("harvester.agents.runner._BRIEF", math.inf)


@pytest.mark.usefixtures("patient")
def test_what_waits_for_a_thread_is_held_as_long_as_what_is_at_work(world: World, gate: Gate, tick: Tick):
    one_thread(world)
    given_intents(world, "A", "B")
    with running(world, Submitter(world.instance), tick) as runner:
        until(lambda: gate.calls == ["A"])
        for _ in range(4):
            tick.now += 50
            world.clock.forward(seconds=250)
            tick.now += 200
            runner.renew()
        world.work(Reconciler)
        assert gate.calls == ["A"]
        gate.open()
        until(lambda: world.worker(2).batch_id)
    assert gate.calls == ["A", "B"]


@pytest.mark.usefixtures("patient")
def test_what_was_lost_while_it_waited_is_not_begun(world: World, gate: Gate, tick: Tick):
    one_thread(world)
    given_intents(world, "A", "B")
    with running(world, Submitter(world.instance), tick) as runner:
        until(lambda: gate.calls == ["A"])
        world.lose_claims()
        world.owner = Owner(2)
        gate.open()
        until(lambda: runner.health.done == 1)
    assert gate.calls == ["A"]
    for _ in range(2):
        world.work(Reconciler)
        world.clock.forward(minutes=2)
    world.work(Submitter)
    assert gate.calls == ["A", "B"]


@pytest.mark.usefixtures("patient")
def test_a_lease_that_ran_out_while_it_waited_is_not_used(world: World, gate: Gate, tick: Tick):
    one_thread(world)
    given_intents(world, "A", "B")
    with running(world, Submitter(world.instance), tick) as runner:
        until(lambda: gate.calls == ["A"])
        tick.now += LEASE + 1
        runner.renew()
        runner.stop()
        gate.open()
    assert gate.calls == ["A"]
    assert world.held(2).tries == 0


@pytest.mark.usefixtures("patient")
def test_a_claim_outlasts_two_renewals_whatever_the_configuration_says(world: World, gate: Gate, tick: Tick):
    world.configure(submitter={"lockInterval": 0})
    given_intents(world, "A")
    with running(world, Submitter(world.instance), tick):
        until(lambda: gate.calls == ["A"])
        with world.db.read() as connection:
            due = leases.next_due(connection, leases.WORKER_WORK, WorkerPhase.SETTLE)
        assert due is not None
        assert due - world.clock() == timedelta(seconds=30)
        gate.open()


def test_an_agent_that_need_not_sleep_does_not_ask_the_database_without_end(world: World, tick: Tick):
    world.configure(submitter={"sleepTime": 0})
    runner = AgentRunner(Submitter(world.instance), world.db, lambda: world.owner, lambda: True, tick)
    assert runner._look() == ((), 0.1)


def test_the_order_to_stop_begins_nothing_more(world: World, gate: Gate, tick: Tick):
    one_thread(world)
    given_intents(world, *"ABCDE")
    with running(world, Submitter(world.instance), tick) as runner:
        until(lambda: gate.calls)
        runner.stop()
        until(lambda: [world.held(each).tries for each in range(2, 6)] == [0, 0, 0, 0])
        assert gate.calls == ["A"]
        gate.open()
    world.work(Submitter)
    assert sorted(gate.calls) == ["A", "B", "C", "D", "E"]


def test_a_process_that_others_take_for_dead_claims_nothing(world: World, gate: Gate, tick: Tick):
    given_intents(world, "B")
    alive = threading.Event()
    asked = []

    def is_alive() -> bool:
        asked.append(alive.is_set())
        return alive.is_set()

    with running(world, Submitter(world.instance), tick, is_alive) as runner:
        for looks in (1, 2, 3):
            world.wake("submitter")
            until(lambda looks=looks: len(asked) >= looks)
        assert world.held(1).tries == 0
        assert runner.health.done == 0
        alive.set()
        world.wake("submitter")
        until(lambda: world.worker(1).batch_id)
    assert gate.calls == ["B"]


def test_queues_that_need_nothing_do_not_keep_the_others_waiting(
    world: World, tick: Tick, monkeypatch: pytest.MonkeyPatch
):
    """What was dealt with in claiming it is no reason to pause."""
    monkeypatch.setattr("harvester.agents.sizer._QUEUES_AT_ONCE", 2)
    for number in range(60):
        world.pool.known[f"IDLE_{number:02}"] = world.pool.known[QUEUE]
    world.clock.forward(seconds=1)
    world.serve("LAST")
    world.give_jobs(1, queue="LAST")
    with running(world, Sizer(world.instance), tick):
        until(lambda: world.workers("LAST"))


# ---- hanging and failing ---------------------------------------------------------------------------------------------


def given_inputs(world: World, first: int, queue: str, number: int) -> None:
    """Jobs of a queue that wait for an input each."""
    ids = range(first, first + number)
    with world.db.write() as connection:
        new = [NewJob(Job(each, queue, JobStatus.STARTING, JobSubstatus.FETCHED), {}) for each in ids]
        jobs.insert_fetched(connection, new, world.clock())
        files.insert_new(connection, [File(0, each, "in", FileKind.INPUT, FileStatus.TO_PREPARE) for each in ids])


def test_a_queue_whose_plugin_hangs_does_not_take_the_threads_of_others(
    world: World, tick: Tick, monkeypatch: pytest.MonkeyPatch
):
    gate, trigger = Gate("A"), DummyPreparator.trigger

    def slow(plugin: DummyPreparator, some: Sequence[File]) -> object:
        gate.pass_through("A" if some[0].job_id < 100 else "B")
        return trigger(plugin, some)

    monkeypatch.setattr(DummyPreparator, "trigger", slow)
    world.serve("A")
    world.serve("B")
    with running(world, PreparatorAgent(world.instance), tick):
        for round_ in range(5):
            given_inputs(world, 1 + round_, "A", 1)
            world.wake("preparator")
            until(lambda: "A" in gate.calls)
            given_inputs(world, 100 + round_, "B", 1)
            world.wake("preparator")
            until(lambda last=100 + round_: world.job(last).substatus is JobSubstatus.PREPARED)
        assert gate.calls.count("A") == 1
        gate.open()


def test_queues_whose_plugins_hang_keep_nobody_from_submitting(world: World, gate: Gate, tick: Tick):
    """Twice as many hang as there are threads; a second later the next one begins."""
    gate.queues = {"A", "B"}
    one_thread(world)
    given_intents(world, "A", "B", "C")
    with running(world, Submitter(world.instance), tick) as runner:
        for begun in ("A", "AB", "ABC"):
            until(lambda begun=begun: gate.calls == [*begun])
            tick.now += 1
        until(lambda: world.worker(3).batch_id)
        assert runner.health.done == 1
        gate.open()


def test_no_more_than_so_many_hang_at_once(world: World, gate: Gate, tick: Tick, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("harvester.agents.runner._MOST_SLOW", 2)
    monkeypatch.setattr("harvester.agents.runner._MOST_HANGING", 3)
    gate.queues = set("ABCDE")
    one_thread(world)
    given_intents(world, *"ABCDE")
    with running(world, Submitter(world.instance), tick) as runner:
        until(lambda: gate.calls == ["A"])
        tick.now += 1
        until(lambda: gate.calls == ["A", "B"])
        tick.now += 59
        until(lambda: gate.calls == ["A", "B", "C"])
        tick.now += 100
        runner.stop()
        until(lambda: world.held(5).tries == 0)
        assert gate.calls == ["A", "B", "C"]
        gate.open()


def test_whoever_hangs_is_named(world: World, gate: Gate, tick: Tick, capsys: pytest.CaptureFixture[str]):
    given_intents(world, "A")
    with running(world, Submitter(world.instance), tick) as runner:
        until(lambda: gate.calls == ["A"])
        for _ in range(20):
            tick.now += 30
            runner.renew()
        gate.open()
    said = capsys.readouterr().out
    assert "still at work" in said
    assert "about=A" in said
    assert said.count("still at work") == 2


class Troubled(Submitter):
    """Cannot be committed the first times."""

    trouble = 0

    def commit(self, connection: Connection, *rest: object) -> Sequence[str]:
        if self.trouble:
            self.trouble -= 1
            raise StoreUnavailableError("the database is away")
        return super().commit(connection, *rest)  # type: ignore[arg-type]  # the same arguments


def test_a_result_is_kept_until_the_database_is_back(world: World, tick: Tick):
    given_intents(world, QUEUE)
    agent = Troubled(world.instance)
    agent.trouble = 2
    with running(world, agent, tick):
        until(lambda: world.worker(1).status is WorkerStatus.SUBMITTED)
    assert world.resource.asked == [[1]]


class Interrupted(Submitter):
    """Loses the database before the resource is asked, and has it back a while later."""

    trouble = 3

    def act(self, unit: SubmitUnit) -> Sequence[SubmitOutcome]:
        self._fail_at_first()
        return super().act(unit)

    def give_back(self, connection: Connection, unit: SubmitUnit, due: datetime) -> None:
        self._fail_at_first()
        super().give_back(connection, unit, due)

    def _fail_at_first(self) -> None:
        if self.trouble:
            self.trouble -= 1
            raise StoreUnavailableError("the database is away")


def test_a_claim_is_given_back_when_the_database_is_back(world: World, tick: Tick):
    """Else its rows would be held by nobody for as long as the claim lasts."""
    given_intents(world, QUEUE)
    agent = Interrupted(world.instance)
    with running(world, agent, tick):
        until(lambda: not agent.trouble and world.held(1).tries == 0)
        tick.now += 60
        world.clock.forward(seconds=60)
        until(lambda: world.worker(1).status is WorkerStatus.SUBMITTED)


class TroubledFetcher(JobFetcher):
    """Cannot be committed until somebody sees to it."""

    is_mended = False
    tries = 0

    def commit(self, connection: Connection, *rest: object) -> Sequence[str]:
        self.tries += 1
        if not self.is_mended:
            raise StoreUnavailableError("the database is away")
        return super().commit(connection, *rest)  # type: ignore[arg-type]  # the same arguments


def test_jobs_from_the_server_are_kept_although_all_is_to_stop(served: World, control: DevControl, tick: Tick):
    """Nobody else could get them again."""
    served.serve(QUEUE)
    (job_id,) = control.add_jobs([{"site": QUEUE}])
    agent = TroubledFetcher(served.instance)
    with running(served, agent, tick) as runner:
        until(lambda: agent.tries)
        runner.stop()
        until(lambda: agent.tries > 1)
        agent.is_mended = True
        assert runner.drain(PATIENCE)
    assert [job.job_id for job in served.jobs()] == [job_id]


def test_they_are_given_up_when_the_time_for_stopping_is_over(served: World, control: DevControl, tick: Tick):
    served.serve(QUEUE)
    control.add_jobs([{"site": QUEUE}])
    agent = TroubledFetcher(served.instance)
    with running(served, agent, tick) as runner:
        until(lambda: agent.tries)
        runner.stop()
        assert not runner.drain(0)
    assert served.jobs() == []


class Raising(Submitter):
    """Has a bug that concerns one queue."""

    is_mended = False
    bug: Exception | SystemExit = RuntimeError("a bug")

    def act(self, unit: object) -> Sequence[SubmitOutcome]:
        if unit.about == "A" and not self.is_mended:  # type: ignore[attr-defined]  # a unit of the submitter
            raise self.bug
        return super().act(unit)  # type: ignore[arg-type]  # as above


@pytest.mark.parametrize("bug", [RuntimeError("a bug"), SystemExit("a bug")])
def test_a_unit_that_fails_rests_and_the_others_go_on(
    world: World, tick: Tick, monkeypatch: pytest.MonkeyPatch, bug: Exception | SystemExit
):
    monkeypatch.setattr(Raising, "bug", bug)
    given_intents(world, "A", "B")
    with running(world, Raising(world.instance), tick) as runner:
        until(lambda: world.worker(2).batch_id)
        until(lambda: runner.health.failed == 1)
        assert runner.health.resting["A"].failures == 1
        until(lambda: world.note_of("submitter", "A").get("problem") == "a bug")
    assert world.held(1).tries == 0


def test_trouble_that_is_over_is_not_shown_any_more(world: World, tick: Tick):
    given_intents(world, "A")
    agent = Raising(world.instance)
    with running(world, agent, tick):
        until(lambda: world.note_of("submitter", "A").get("problem"))
        agent.is_mended = True
        tick.now += LEASE
        world.clock.forward(seconds=LEASE)
        world.wake("submitter")
        until(lambda: world.worker(1).batch_id)
    assert world.note_of("submitter", "A")["problem"] == ""


class Stumbling(Submitter):
    """Cannot look for work the first time."""

    looks = 0
    bug: Exception | SystemExit = RuntimeError("a bug")

    def horizon(self, connection: Connection) -> datetime | None:
        self.looks += 1
        if self.looks == 1:
            raise self.bug
        return super().horizon(connection)


@pytest.mark.parametrize("bug", [RuntimeError("a bug"), SystemExit("a bug")])
def test_a_look_that_failed_is_forgotten_after_one_that_did_not(
    world: World, tick: Tick, monkeypatch: pytest.MonkeyPatch, bug: Exception | SystemExit
):
    monkeypatch.setattr(Stumbling, "bug", bug)
    monkeypatch.setattr("harvester.agents.runner._RETRY_LAST", 0.01)
    agent = Stumbling(world.instance)
    with running(world, agent, tick) as runner:
        until(lambda: runner.health.failed == 1 and agent.looks > 1)
        until(lambda: not runner.health.resting)


def test_work_that_gets_no_thread_is_given_back(world: World, tick: Tick, monkeypatch: pytest.MonkeyPatch):
    given_intents(world, "A")
    refuse_one(monkeypatch, "submitter:A")
    with running(world, Submitter(world.instance), tick):
        until(lambda: world.note_of("submitter", "A").get("problem"))
        assert world.held(1).tries == 0
        tick.now += LEASE
        world.clock.forward(seconds=LEASE)
        world.wake("submitter")
        until(lambda: world.worker(1).batch_id)
    assert world.resource.asked == [[1]]


# ---- whom others wait for --------------------------------------------------------------------------------------------


class SlowToAcknowledge(Submitter):
    """Tells somebody that the result is safe who takes it in when the test is over."""

    def __init__(self, world: World) -> None:
        super().__init__(world.instance)
        self.gate = threading.Event()

    def after_commit(self, _unit: object, _result: object) -> None:
        assert self.gate.wait(PATIENCE)


def test_others_begin_while_a_slow_plugin_is_told_that_the_result_is_safe(world: World, tick: Tick):
    given_intents(world, QUEUE)
    agent, woken = SlowToAcknowledge(world), threading.Event()
    world.wake.listen("monitor", woken.set)
    with running(world, agent, tick):
        until(woken.is_set)
        agent.gate.set()


class Searching(JobPropagator):
    """Waits for iDDS until the test is over; the server takes every report."""

    def __init__(self, world: World) -> None:
        super().__init__(world.instance)
        self.gate = threading.Event()
        self.begun: list[str] = []

    def act(self, unit: JobsUnit) -> Told:
        self.begun.append(unit.about)
        assert unit.about != "searches" or self.gate.wait(2 * PATIENCE)
        return Told([JobReply(accepted=True)] * len(unit.jobs), NOTHING_TOLD)


def given_report(world: World, job_id: int, events: EventMode | None = None) -> None:
    """A job of which the server has to be told."""
    job = Job(job_id, QUEUE, JobStatus.STARTING, JobSubstatus.FETCHED, events=events)
    with world.db.write() as connection:
        jobs.insert_fetched(connection, [NewJob(job, {})], world.clock() - leases.TOGETHER)


def test_reports_that_wait_for_idds_take_no_thread_from_the_others(world: World, tick: Tick):
    world.configure(propagator={"nThreads": 1})
    given_report(world, 1, EventMode.SAMPLES)
    agent = Searching(world)
    with running(world, agent, tick):
        until(lambda: agent.begun == ["searches"])
        given_report(world, 2)
        tick.now += 1
        world.wake("propagator")
        until(lambda: agent.begun == ["searches", "jobs"])
        agent.gate.set()
