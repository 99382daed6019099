"""What single keys of the main configuration do, one by one."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import httpx2
import pytest
from test_agents_reporting import given_job, given_worker
from world import QUEUE, World

from harvester.agents.command_manager import CommandManager
from harvester.agents.job_fetcher import JobFetcher
from harvester.agents.killer import Killer
from harvester.agents.monitor import Monitor
from harvester.agents.propagator import JobPropagator
from harvester.agents.sizer import Sizer
from harvester.agents.submitter import Submitter
from harvester.agents.worker_propagator import WorkerPropagator
from harvester.core.jobs import JobStatus, JobSubstatus, Kill
from harvester.core.workers import WorkerStatus
from harvester.panda import Credentials, PandaClient
from harvester.panda.devserver import DevControl, DevServer
from harvester.plugins.api import News, Refused, Seen, Unknown
from harvester.store import leases, views, workers
from harvester.store.leases import QUEUE_MONITOR
from harvester.store.schema import JobPhase


class Listening(httpx2.BaseTransport):
    """Remembers what was sent."""

    def __init__(self) -> None:
        self._onward = httpx2.HTTPTransport()
        self.sent: list[tuple[str, dict[str, object]]] = []

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.sent.append((request.url.path, json.loads(request.read() or b"{}")))
        return self._onward.handle_request(request)

    def close(self) -> None:
        self._onward.close()

    def sizes(self, method: str, key: str) -> list[int]:
        """How many entries each call of a method carried."""
        return [len(body[key]) for path, body in self.sent if path.endswith(method)]  # type: ignore[arg-type]  # lists


@pytest.fixture
def wire() -> Listening:
    return Listening()


@pytest.fixture
def heard(served: World, server: DevServer, wire: Listening) -> Iterator[World]:
    """An instance whose words to the server are listened to."""
    with PandaClient(server.url, Credentials(), "test", timeout=10, retries=0, transport=wire) as panda:
        served.instance = replace(served.instance, panda=panda)
        yield served


def configure(world: World, **sections: dict[str, object]) -> None:
    """Change settings and keep the client."""
    panda = world.instance.panda
    world.configure(**sections)
    world.instance = replace(world.instance, panda=panda)


def submitted(world: World) -> int:
    world.give_jobs(1)
    world.work(Sizer)
    world.work(Submitter)
    (worker,) = world.workers()
    assert worker.status is WorkerStatus.SUBMITTED
    return worker.worker_id


# ---- the server ------------------------------------------------------------------------------------------------------


@pytest.mark.shows("propagator.nJobsInBulk")
def test_jobs_are_reported_in_bulks(heard: World, control: DevControl, wire: Listening):
    configure(heard, propagator={"nJobsInBulk": 2})
    for _ in range(5):
        given_job(heard, control, JobPhase.WORK, status=JobStatus.RUNNING, substatus=JobSubstatus.RUNNING)
    heard.work(JobPropagator)
    assert wire.sizes("pilot/update_jobs_bulk", "job_list") == [2, 2, 1]


@pytest.mark.shows("propagator.nWorkersInBulk")
def test_workers_are_reported_in_bulks(heard: World, wire: Listening):
    configure(heard, propagator={"nWorkersInBulk": 2})
    for number in range(1, 6):
        given_worker(heard, number)
    heard.work(WorkerPropagator)
    assert wire.sizes("harvester/update_workers", "workers") == [2, 2, 1]


@pytest.mark.shows("propagator.updateInterval")
def test_jobs_and_workers_are_reported_again_after_the_update_interval(served: World, control: DevControl):
    served.configure(propagator={"updateInterval": 500})
    given_job(served, control, JobPhase.WORK, status=JobStatus.RUNNING, substatus=JobSubstatus.RUNNING)
    given_worker(served, 1)
    assert (served.work(JobPropagator), served.work(WorkerPropagator)) == (1, 1)
    served.clock.forward(seconds=450)
    assert (served.work(JobPropagator), served.work(WorkerPropagator)) == (0, 0)
    served.clock.forward(seconds=150)
    assert (served.work(JobPropagator), served.work(WorkerPropagator)) == (1, 1)


@pytest.mark.shows("commandmanager.commands_bulk_size")
def test_commands_are_taken_in_bulks(heard: World, control: DevControl, wire: Listening):
    configure(heard, commandmanager={"commands_bulk_size": 2})
    for command in ("SYNC_WORKERS_KILL", "KILL_WORKERS", "REPORT_WORKER_STATS:HERE"):
        control.order("test", command, [])
    CommandManager(heard.instance, heard.clock()).round()
    asked = [body["n_commands"] for path, body in wire.sent if path.endswith("acquire_commands")]
    assert asked == [2, 2]


@pytest.mark.shows("jobfetcher.maxJobs")
def test_one_request_is_for_so_many_jobs_at_the_most(world: World):
    world.configure(jobfetcher={"maxJobs": 12})
    (unit,) = world.claim(JobFetcher(world.instance))
    assert unit.wanted == 12


@pytest.mark.shows("queue.getJobCriteria", "queue.siteName", "queue.prodSourceLabel")
def test_jobs_are_asked_for_with_the_words_of_the_queue(heard: World, wire: Listening):
    heard.serve(QUEUE, siteName="ELSEWHERE", prodSourceLabel="user", getJobCriteria="task_id=7")
    heard.work(JobFetcher)
    (asked,) = [body for path, body in wire.sent if path.endswith("acquire_jobs")]
    assert (asked["site_name"], asked["prod_source_label"], asked["task_id"]) == ("ELSEWHERE", "user", 7)


# ---- workers ---------------------------------------------------------------------------------------------------------


@pytest.mark.shows("submitter.checkInterval")
def test_a_job_whose_worker_was_refused_waits_for_the_check_interval(world: World):
    world.configure(submitter={"checkInterval": 500})
    world.give_jobs(1)
    world.work(Sizer)
    world.resource.outcomes = {1: Refused("no space left")}
    world.work(Submitter)
    world.clock.forward(seconds=490)
    world.work(Sizer)
    assert len(world.workers()) == 1
    world.clock.forward(seconds=70)
    world.work(Sizer)
    assert len(world.workers()) == 2


@pytest.mark.shows("sweeper.keepMissed")
def test_workers_that_were_refused_are_kept_for_hours(world: World):
    world.configure(sweeper={"keepMissed": 5})
    world.give_jobs(1)
    world.work(Sizer)
    world.resource.outcomes = {1: Refused("no space left")}
    world.work(Submitter)
    with world.db.read() as connection:
        view = views.worker(connection, 1)
    assert view is not None
    assert view.due == world.clock() + timedelta(hours=5)


@pytest.mark.shows("sweeper.checkInterval")
def test_a_worker_is_killed_again_after_the_check_interval(world: World):
    world.configure(sweeper={"checkInterval": 100})
    worker = submitted(world)
    with world.db.write() as connection:
        workers.request_kill(connection, {worker: Kill("unwanted")}, world.clock(), "test")
    assert world.work(Killer) == 1
    world.clock.forward(seconds=99)
    assert world.work(Killer) == 0
    world.clock.forward(seconds=1)
    assert world.work(Killer) == 1


@pytest.mark.shows("monitor.checkInterval")
def test_queues_without_workers_are_looked_at_every_check_interval(world: World):
    world.configure(monitor={"checkInterval": 77})
    world.work(Monitor)
    with world.db.read() as connection:
        assert leases.next_due(connection, QUEUE_MONITOR) == world.clock() + timedelta(seconds=77)


@pytest.mark.shows("monitor.workerQueueTimeLimit")
def test_a_worker_that_waits_too_long_is_killed(world: World):
    world.configure(monitor={"workerQueueTimeLimit": 1000})
    worker = submitted(world)
    world.clock.forward(seconds=999)
    world.work(Monitor)
    assert world.held(worker).kill_error is None
    world.clock.forward(minutes=10)
    world.work(Monitor)
    assert world.held(worker).kill_error is not None


@pytest.mark.shows("monitor.checkTimeout", "block monitor.checkTimeout")
@pytest.mark.parametrize("of_queue", [False, True])
def test_a_worker_that_nobody_could_check_for_too_long_is_killed(world: World, *, of_queue: bool):
    if of_queue:
        world.serve(QUEUE, monitor={"plugin": "dummy", "checkTimeout": 1000})
    else:
        world.configure(monitor={"checkTimeout": 1000})
    worker = submitted(world)
    world.resource.states[worker] = Unknown("no answer")
    for _ in range(2):
        world.clock.forward(minutes=10)
        world.work(Monitor)
    assert world.held(worker).kill_error is None
    world.clock.forward(minutes=10)
    world.work(Monitor)
    assert world.held(worker).kill_error is not None


@pytest.mark.shows("block messenger.worker_heartbeat")
def test_a_worker_that_falls_silent_is_killed(world: World):
    world.serve(QUEUE, messenger={"plugin": "shared_file", "worker_heartbeat": 30})
    worker = submitted(world)
    world.resource.states[worker] = Seen(WorkerStatus.RUNNING)
    world.messenger.news[worker] = News(heartbeat_at=world.clock() + timedelta(minutes=5))
    for minutes, is_killed in ((10, False), (20, False), (10, True)):
        world.clock.forward(minutes=minutes)
        world.work(Monitor)
        assert (world.held(worker).kill_error is not None) is is_killed


@pytest.mark.shows("block workerMaker.skipOnFail")
@pytest.mark.parametrize(("skips", "status"), [(False, JobStatus.FAILED), (True, JobStatus.STARTING)])
def test_a_job_that_no_worker_suits_waits_only_if_that_is_wanted(world: World, status: JobStatus, *, skips: bool):
    world.serve(QUEUE, workerMaker={"plugin": "simple", "skipOnFail": skips})
    world.maker.fails = {1}
    world.give_jobs(1)
    world.work(Sizer)
    assert world.job(1).status is status
    world.maker.fails = set()
    world.clock.forward(hours=1)
    world.work(Sizer)
    assert len(world.workers()) == skips
