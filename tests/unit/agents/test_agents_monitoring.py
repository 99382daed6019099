"""The monitor at work: one bad queue, worker or plugin concerns nobody else."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from sqlalchemy import event, select
from world import QUEUE, FakeMessenger, FakeResource, World

from harvester.agents.monitor import Monitor
from harvester.agents.sizer import Sizer
from harvester.agents.submitter import Submitter
from harvester.core.clock import MOST_APART
from harvester.core.errors import HarvesterError
from harvester.core.files import FileKind
from harvester.core.jobs import JobStatus, PilotError
from harvester.core.workers import Worker, WorkerStatus
from harvester.plugins.api import CheckOutcome, Done, Gone, Later, News, ReportedFile, Seen
from harvester.plugins.calling import PluginCalls
from harvester.store import files, history, leases, workers
from harvester.store.schema import files as file_table

OTHER = "THERE"
RUNNING = Seen(WorkerStatus.RUNNING)
FINISHED = Seen(WorkerStatus.FINISHED)
FAILED = Seen(WorkerStatus.FAILED)


@dataclass
class Submitted:
    """Workers that the resource holds, each with a job."""

    world: World

    def __call__(self, queue: str = QUEUE, job_id: int = 1) -> int:
        """One more; returns its id."""
        world = self.world
        known = {each.worker_id for name in (QUEUE, OTHER) for each in world.workers(name)}
        world.give_jobs(job_id, queue=queue)
        with world.db.write() as connection:
            leases.nudge_queues(connection, leases.QUEUE_SIZE, [queue], world.clock(), timedelta())
        world.work(Sizer)
        world.work(Submitter)
        world.clock.forward(seconds=61)
        (worker,) = [each for each in world.workers(queue) if each.worker_id not in known]
        assert worker.status is WorkerStatus.SUBMITTED
        return worker.worker_id


@pytest.fixture
def submitted(world: World) -> Submitted:
    return Submitted(world)


def raising(verb: Callable[..., object], about: str) -> Callable[..., object]:
    """The verb, which raises when it is asked about a worker of the queue."""

    def raise_or_do(plugin: object, workers: Sequence[Worker]) -> object:
        if any(each.queue == about for each in workers):
            raise RuntimeError("a bug")
        return verb(plugin, workers)

    return raise_or_do


def test_a_messenger_that_raises_concerns_its_own_queue_alone(
    world: World, submitted: Submitted, monkeypatch: pytest.MonkeyPatch
):
    world.serve(OTHER)
    good, bad = submitted(), submitted(OTHER, job_id=2)
    monkeypatch.setattr(FakeMessenger, "collect", raising(FakeMessenger.collect, OTHER))
    world.resource.states = {good: FINISHED, bad: FINISHED}
    world.work(Monitor)
    assert world.worker(good).status is WorkerStatus.FINISHED
    assert world.worker(bad).status is WorkerStatus.SUBMITTED
    assert "a bug" in str(world.note_of("monitor", OTHER))


def test_a_messenger_that_answers_nonsense_concerns_its_own_workers_alone(
    world: World, submitted: Submitted, monkeypatch: pytest.MonkeyPatch
):
    good, bad = submitted(), submitted(job_id=2)
    monkeypatch.setattr(
        FakeMessenger, "collect", lambda _, some: [None if w.worker_id == bad else News() for w in some]
    )
    world.resource.states = {good: FINISHED, bad: FINISHED}
    world.work(Monitor)
    assert world.worker(good).status is WorkerStatus.FINISHED
    assert world.worker(bad).status is WorkerStatus.SUBMITTED
    assert "contract does not know: None" in str(world.note_of("monitor"))


def test_an_end_is_believed_once_the_worker_could_be_heard(
    world: World, submitted: Submitted, monkeypatch: pytest.MonkeyPatch
):
    worker = submitted()
    world.resource.states[worker] = FINISHED
    world.messenger.news[worker] = News(attributes={1: {"jobStatus": "failed", "exeErrorCode": 65}})
    with monkeypatch.context() as broken:
        broken.setattr(FakeMessenger, "collect", raising(FakeMessenger.collect, QUEUE))
        world.work(Monitor)
    assert world.worker(worker).status is WorkerStatus.SUBMITTED
    world.clock.forward(minutes=5)
    world.instance = replace(world.instance, call=PluginCalls())
    world.work(Monitor)
    assert (world.worker(worker).status, world.job(1).status) == (WorkerStatus.FINISHED, JobStatus.FAILED)


def test_a_messenger_that_cannot_be_built_concerns_its_own_queue_alone(
    world: World, submitted: Submitted, monkeypatch: pytest.MonkeyPatch
):
    world.serve(OTHER)
    good, bad = submitted(), submitted(OTHER, job_id=2)

    def messenger(queue: str) -> FakeMessenger:
        if queue == OTHER:
            raise HarvesterError("its package is broken")
        return world.messenger

    monkeypatch.setattr(world.pool, "messenger", messenger)
    world.resource.states = {good: FINISHED, bad: FINISHED}
    world.work(Monitor)
    assert world.worker(good).status is WorkerStatus.FINISHED
    assert world.worker(bad).status is WorkerStatus.SUBMITTED
    assert "its package is broken" in str(world.note_of("monitor", OTHER))


@pytest.mark.parametrize("nonsense", [None, "running", Seen("running")])
def test_nonsense_about_one_worker_leaves_the_others_alone(world: World, submitted: Submitted, nonsense: CheckOutcome):
    first, second = submitted(), submitted(job_id=2)
    world.resource.states = {first: nonsense or Seen(None), second: RUNNING}
    world.work(Monitor)
    assert [world.worker(each).status for each in (first, second)] == [WorkerStatus.SUBMITTED, WorkerStatus.RUNNING]
    assert world.worker(first).unseen_since == world.clock()


def test_a_listing_that_raises_tells_nothing(world: World, submitted: Submitted, monkeypatch: pytest.MonkeyPatch):
    worker = submitted()
    monkeypatch.setattr(FakeResource, "check", raising(FakeResource.check, QUEUE))
    world.work(Monitor)
    assert (world.worker(worker).status, world.worker(worker).unseen_since) == (
        WorkerStatus.SUBMITTED,
        world.clock(),
    )


def test_a_slow_listing_is_as_old_as_the_question(world: World, monkeypatch: pytest.MonkeyPatch):
    world.give_jobs(1)
    world.work(Sizer)
    world.work(Submitter)
    world.clock.forward(seconds=5)

    def answer_late(_resource: object, asked: Sequence[Worker]) -> Sequence[CheckOutcome]:
        world.clock.forward(seconds=100)
        return [Gone("not in the listing") for _ in asked]

    monkeypatch.setattr(FakeResource, "check", answer_late)
    world.work(Monitor)
    assert [each.status for each in world.workers()] == [WorkerStatus.SUBMITTED]


def test_what_a_process_with_an_earlier_time_submitted_is_not_gone_before_it_must_be_listed(world: World):
    world.give_jobs(1)
    world.work(Sizer)
    world.work(Submitter)
    (worker,) = world.workers()
    world.resource.states[worker.worker_id] = Gone("not in the listing")
    world.clock.forward(seconds=FakeResource.settle_seconds - 1)
    world.clock.now += MOST_APART
    world.work(Monitor)
    assert world.worker(worker.worker_id).status is WorkerStatus.SUBMITTED
    world.clock.forward(minutes=10)
    world.work(Monitor)
    assert world.worker(worker.worker_id).status is WorkerStatus.FAILED


def test_news_that_could_not_be_written_are_not_acknowledged(world: World, submitted: Submitted):
    worker = submitted()
    world.resource.states[worker] = RUNNING
    output = ReportedFile(1, "out", FileKind.OUTPUT, "/p/out", 1, "ad:00000001", "g")
    world.messenger.news[worker] = News(attributes={1: {"nEvents": 5}}, files=(output,))
    monitor = Monitor(world.instance)
    (unit,) = world.claim(monitor)
    result = monitor.act(unit)
    world.lose_claims()
    world.finish(monitor, unit, result)
    assert world.messenger.acknowledged == []
    world.work(Monitor)
    assert world.messenger.acknowledged == [worker]
    assert world.job(1).attributes["nEvents"] == 5


def test_an_acknowledgement_that_fails_changes_nothing(
    world: World, submitted: Submitted, monkeypatch: pytest.MonkeyPatch
):
    worker = submitted()
    world.resource.states[worker] = RUNNING
    world.messenger.news[worker] = News(attributes={1: {"nEvents": 5}})
    monkeypatch.setattr(FakeMessenger, "acknowledge", raising(FakeMessenger.acknowledge, QUEUE))
    world.work(Monitor)
    assert world.job(1).attributes["nEvents"] == 5


def test_a_queue_whose_monitor_cannot_be_built_is_told_and_left_alone(
    world: World, submitted: Submitted, monkeypatch: pytest.MonkeyPatch
):
    submitted()

    def monitor(_queue: str) -> FakeResource:
        raise HarvesterError("no such module")

    monkeypatch.setattr(world.pool, "monitor", monitor)
    assert world.work(Monitor) == 0
    assert "no such module" in str(world.note_of("monitor")["text"])


# ---- pulling workers -------------------------------------------------------------------------------------------------


def a_pilot_that_says_it_runs(world: World, job_id: int) -> int:
    """A running worker of a pull queue."""
    world.serve(OTHER, mapType="NoJob", maxWorkers=1, nQueueLimitWorker=1)
    world.work(Sizer)
    world.work(Submitter)
    world.clock.forward(seconds=61)
    (pilot,) = world.workers(OTHER)
    world.resource.states[pilot.worker_id] = RUNNING
    output = ReportedFile(job_id, "stolen", FileKind.OUTPUT, "/p/stolen", 1, "ad:00000001", "g")
    world.messenger.news[pilot.worker_id] = News(job_ids=(job_id,), files=(output,))
    return pilot.worker_id


def test_a_pilot_cannot_end_a_job_that_another_worker_has(world: World, submitted: Submitted):
    worker = submitted()
    pilot = a_pilot_that_says_it_runs(world, job_id=1)
    world.resource.states[worker] = RUNNING
    world.work(Monitor)
    world.clock.forward(hours=1)
    world.resource.states[pilot] = FINISHED
    world.work(Monitor)
    assert world.worker(pilot).status is WorkerStatus.FINISHED
    assert world.worker(pilot).job_ids == (1,)
    assert world.job(1).status is JobStatus.RUNNING
    with world.db.read() as connection:
        assert connection.scalars(select(file_table.c.lfn)).all() == []


def test_what_a_pilot_says_in_every_round_is_written_once(world: World):
    pilot = a_pilot_that_says_it_runs(world, job_id=1)
    world.work(Monitor)
    assert world.worker(pilot).job_ids == (1,)
    statements: list[str] = []
    event.listen(world.db.engine, "before_cursor_execute", lambda *told: statements.append(told[2]))
    world.clock.forward(hours=1)
    assert world.work(Monitor) == 1
    assert statements
    assert not [each for each in statements if each.startswith("INSERT INTO job_workers")]


def test_the_servers_kill_hits_the_worker_that_got_the_job(world: World, submitted: Submitted):
    worker = submitted()
    a_pilot_that_says_it_runs(world, job_id=1)
    world.work(Monitor)
    with world.db.read() as connection:
        assert workers.live_of_jobs(connection, [1]) == {1: (worker,)}


# ---- kills -----------------------------------------------------------------------------------------------------------


def test_a_worker_that_waited_too_long_closes_its_job(world: World, submitted: Submitted):
    worker = submitted()
    world.clock.forward(seconds=world.settings.monitor.worker_queue_time_limit)
    world.work(Monitor)
    assert world.held(worker).kill_error is PilotError.KILLED_BY_HARVESTER
    world.resource.states[worker] = Seen(WorkerStatus.CANCELLED)
    world.clock.forward(minutes=10)
    world.work(Monitor)
    job = world.job(1)
    assert (job.status, job.attributes["pilotErrorCode"]) == (JobStatus.CANCELLED, PilotError.KILLED_BY_HARVESTER)


def test_what_is_to_be_killed_is_not_condemned_again(world: World, submitted: Submitted):
    worker = submitted()
    world.messenger.news[worker] = News(kill_requested=True)
    world.resource.states[worker] = RUNNING
    for _ in range(3):
        world.work(Monitor)
        world.clock.forward(minutes=10)
    assert world.causes(history.Kind.WORKER, worker).count("the worker asked for it") == 1
    assert world.woken.count("killer") == 1


@pytest.mark.shows("monitor.postProcessTimeout")
def test_outputs_that_are_late_hold_the_end_back(world: World, submitted: Submitted):
    world.configure(monitor={"postProcessTimeout": 0})
    worker = submitted()
    world.resource.states[worker] = Seen(WorkerStatus.FAILED, "OUT_OF_MEMORY", 137, "used 9 GB of 8")
    world.messenger.finish_answer = Later("the log is still being written")
    world.work(Monitor)
    assert world.worker(worker).status is WorkerStatus.IDLE
    world.messenger.finish_answer = Done()
    world.clock.forward(minutes=5)
    world.work(Monitor)
    assert world.worker(worker).status is WorkerStatus.FAILED
    assert "used 9 GB of 8" in str(world.job(1).attributes["pilotErrorDiag"])


@pytest.mark.shows("block messenger.forcePostProcessing")
@pytest.mark.parametrize(
    ("attributes", "forced", "gathered"),
    [
        ({}, False, True),
        ({"noHeartbeat": "finished"}, False, False),
        ({"noHeartbeat": "failed"}, False, True),
        ({"noHeartbeat": "finished"}, True, True),
        ({"truePilot": True, "noHeartbeat": "failed"}, False, False),
        ({"truePilot": True}, True, True),
    ],
)
def test_logs_are_not_gathered_where_pilots_report_the_end_unless_that_is_forced(
    world: World, attributes: dict[str, object], *, forced: bool, gathered: bool
):
    world.serve(QUEUE, messenger={"plugin": "dummy", "forcePostProcessing": forced}, **attributes)
    world.give_jobs(1)
    world.work(Sizer)
    world.work(Submitter)
    world.messenger.finish_answer = Later("the log is still being written")
    world.resource.states[1] = FINISHED
    world.clock.forward(minutes=5)
    world.work(Monitor)
    assert world.worker(1).status.is_final is not gathered


def test_outputs_of_the_same_name_keep_the_scope_of_their_job(world: World):
    for job, scope in ((1, "user.a"), (2, "user.b")):
        outputs = {"outFiles": "out.root", "scopeOut": scope, "realDatasets": "d", "ddmEndPointOut": "E"}
        world.give_jobs(job, params=outputs)
    world.work(Sizer)
    world.work(Submitter)
    for each in world.workers():
        told = ReportedFile(each.job_ids[0], "out.root", FileKind.OUTPUT, f"/w/{each.worker_id}", 1, None, None)
        world.messenger.news[each.worker_id] = News(files=(told,))
        world.resource.states[each.worker_id] = FINISHED
    world.clock.forward(minutes=5)
    world.work(Monitor)
    with world.db.read() as connection:
        stored = files.of_jobs(connection, [1, 2], [FileKind.OUTPUT])
    assert {job: [(each.scope, each.dataset, each.endpoint) for each in some] for job, some in stored.items()} == {
        1: [("user.a", "d", "E")],
        2: [("user.b", "d", "E")],
    }


def test_logs_of_workers_that_share_a_job_go_where_its_log_goes(world: World):
    world.serve(QUEUE, mapType="OneToMany", workerMaker={"plugin": "simple", "nWorkersPerJob": 2})
    names = {"outFiles": "out.root,log.tgz", "scopeOut": "o", "scopeLog": "l", "logFile": "log.tgz", "logGUID": "G"}
    places = {"realDatasets": "d,logs", "ddmEndPointOut": "E,F"}
    world.give_jobs(1, params={**names, **places})
    world.work(Sizer)
    world.work(Submitter)
    for each in world.workers():
        lfn = f"log.tgz._{each.worker_id}"
        told = ReportedFile(1, lfn, FileKind.LOG, f"/w/{each.worker_id}", 1, "ad:1", f"G-{each.worker_id}")
        world.messenger.news[each.worker_id] = News(files=(told,))
        world.resource.states[each.worker_id] = FINISHED
    world.clock.forward(minutes=5)
    world.work(Monitor)
    with world.db.read() as connection:
        stored = files.of_jobs(connection, [1], [FileKind.LOG])[1]
    assert {(each.lfn, each.scope, each.dataset, each.endpoint) for each in stored} == {
        ("log.tgz._1", "l", "logs", "F"),
        ("log.tgz._2", "l", "logs", "F"),
    }


@pytest.mark.parametrize(
    ("map_type", "end", "soon"), [("NoJob", FAILED, 0), ("NoJob", FINISHED, 1), ("OneToOne", FAILED, 1)]
)
def test_pilots_that_fail_are_replaced_at_the_queues_own_pace(world: World, map_type: str, end: Seen, soon: int):
    world.serve(QUEUE, maxWorkers=1, mapType=map_type)
    world.give_jobs(1, 2)
    world.work(Sizer)
    world.work(Submitter)
    world.work(Sizer)
    world.clock.forward(seconds=10)
    world.resource.states[1] = end
    world.work(Monitor)
    world.clock.forward(seconds=10)
    assert world.work(Sizer) == soon
    world.clock.forward(minutes=1)
    world.work(Sizer)
    assert len(world.workers()) == 2
