"""A server in trouble is asked seldom, by little, and never less than every five seconds."""

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import httpx2
import pytest
from test_agents_runner import Tick, running, until
from world import QUEUE, World

from harvester.agents.base import Agent
from harvester.agents.event_feeder import EventFeeder
from harvester.agents.job_fetcher import JobFetcher
from harvester.agents.lines import Line
from harvester.agents.propagator import JobPropagator
from harvester.agents.worker_propagator import WorkerPropagator
from harvester.core.jobs import Job, JobStatus, JobSubstatus
from harvester.core.workers import MapType, Worker, WorkerStatus
from harvester.panda import Credentials, PandaClient
from harvester.panda.errors import PandaRefused
from harvester.store import jobs, workers
from harvester.store.jobs import NewJob
from harvester.store.leases import TOGETHER

ROWS = 3000
TEN_MINUTES = 600.0


@pytest.fixture
def tick() -> Tick:
    return Tick()


def attempts(line: Line, tick: Tick, seconds: float) -> Iterator[float]:
    """When an agent that always has work asks a server that always fails."""
    end = tick.now + seconds
    while tick.now < end:
        if line.is_open:
            line.begin()
            yield tick.now
            line.note_failure()
        tick.now += 0.25


@pytest.mark.parametrize("agent", [JobFetcher, JobPropagator, WorkerPropagator, EventFeeder])
def test_agents_wait_for_the_server_by_the_clock_of_the_instance(world: World, tick: Tick, agent: type[Agent]):
    line = agent(replace(world.instance, tick=tick)).line
    assert line is not None
    for _ in range(3):
        line.note_failure()
    assert not line.is_open
    tick.now += 5
    assert line.is_open


def test_a_server_in_trouble_is_asked_every_five_seconds(tick: Tick):
    line = Line(tick=tick)
    asked = list(attempts(line, tick, TEN_MINUTES))
    pauses = [later - sooner for sooner, later in pairwise(asked)]
    assert pauses[:4] == [0.5, 1.0, 2.0, 4.0]
    assert max(pauses) == 5.0
    assert len(asked) < 130


def test_one_answer_ends_the_trouble(tick: Tick):
    line = Line(tick=tick)
    list(attempts(line, tick, 60))
    line.note_answer()
    assert line.is_open
    assert not line.is_in_trouble
    assert list(attempts(line, tick, 0.75))[1:] == [tick.now - 0.25]


def test_to_say_no_is_an_answer(tick: Tick):
    line = Line(tick=tick)
    list(attempts(line, tick, 60))
    with pytest.raises(PandaRefused), line.asking():
        raise PandaRefused("https://panda.example.org", "not for you")
    assert not line.is_in_trouble


def test_few_failures_may_be_the_fault_of_what_was_asked(tick: Tick):
    line = Line(most=3, tick=tick)
    for _ in range(5):
        line.note_failure()
        line.note_failure()
        assert line.is_open
        line.note_answer()


def test_work_that_did_not_need_the_server_holds_nothing_up_and_proves_nothing(tick: Tick):
    line = Line(tick=tick)
    list(attempts(line, tick, 60))
    tick.now += 5
    line.begin()
    assert not line.is_open
    line.note_nothing_asked()
    assert line.is_open
    assert line.is_in_trouble


class SickServer:
    """Counts requests, and says what a test wants it to say."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.taken: Counter[int] = Counter()
        self.is_well = False

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        self.sizes.append(len(request.content))
        if not self.is_well:
            return httpx2.Response(500, content=b"out of order")
        body = gzip.decompress(request.content) if "content-encoding" in request.headers else request.content
        told = json.loads(body)
        taken = [each["workerID"] for each in told.get("workers", ())] + [
            each["job_id"] for each in told.get("job_list", ())
        ]
        self.taken.update(taken)
        answers = [True if "workers" in told else {"data": {"StatusCode": 0}}] * len(taken)
        return httpx2.Response(200, content=json.dumps({"success": True, "message": "", "data": answers}).encode())


@pytest.fixture
def sick(world: World) -> SickServer:
    """An instance with many reports that are due, and a server that takes none."""
    with world.db.write() as connection:
        new = [NewJob(Job(each, QUEUE, JobStatus.STARTING, JobSubstatus.FETCHED), {}) for each in range(1, ROWS + 1)]
        jobs.insert_fetched(connection, new, world.clock())
        some = [
            Worker(each, QUEUE, WorkerStatus.SUBMITTED, f"test-{each}", MapType.NO_JOB) for each in range(1, ROWS + 1)
        ]
        workers.insert_intents(connection, some, world.clock())
        connection.execute(workers.workers.update().values(report_due=world.clock()))
    world.clock.forward(seconds=TOGETHER.total_seconds())
    return SickServer()


def client_of(server: SickServer) -> PandaClient:
    return PandaClient(
        "http://panda.example.org/api/v1", Credentials(), "test", transport=httpx2.MockTransport(server.answer)
    )


@pytest.mark.parametrize("agent", [JobPropagator, WorkerPropagator])
def test_thousands_of_reports_for_a_sick_server_wait_in_the_database(
    world: World, sick: SickServer, tick: Tick, agent: type[JobPropagator | WorkerPropagator]
):
    """At first a bulk is repeated and a few reports are sent alone; from then on that alone now and then."""
    with client_of(sick) as client:
        object.__setattr__(world.instance, "panda", client)
        able = agent(world.instance)
        able.line = Line(tick=tick)
        with running(world, able, tick) as runner:
            until(lambda: runner.health.failed >= 1)
            until(lambda: not runner._in_hand)
            first = len(sick.sizes)
            assert first <= able.pace.threads * 9
            for rounds in range(2, 5):
                failed = runner.health.failed
                world.clock.forward(seconds=5)
                tick.now += 5
                world.wake(agent.name)
                until(lambda failed=failed: runner.health.failed > failed and not runner._in_hand)
                assert len(sick.sizes) <= first + 3 * (rounds - 1)
            assert max(sick.sizes[first:]) < max(sick.sizes[:first]) / 10
            sick.is_well = True
            world.clock.forward(seconds=5)
            tick.now += 5
            world.wake(agent.name)
            until(lambda: sum(sick.taken.values()) == ROWS)
    assert set(sick.taken.values()) == {1}
