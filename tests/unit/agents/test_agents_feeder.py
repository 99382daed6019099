"""Jobs that workers get while they run: late binding and refill."""

from collections.abc import Sequence

import pytest
from running_workers import look, start
from world import QUEUE, World

from harvester.agents.feeder import Feeder
from harvester.agents.monitor import Monitor
from harvester.agents.preparator import PreparatorAgent
from harvester.agents.sizer import Sizer
from harvester.core.jobs import JobStatus, JobSubstatus, Kill, PilotError
from harvester.core.workers import WorkerStatus
from harvester.plugins.api import Done, Failed, Later, News, Seen
from harvester.store import jobs, workers
from harvester.store.history import Kind

RUNNING, FINISHED, CANCELLED = map(Seen, (WorkerStatus.RUNNING, WorkerStatus.FINISHED, WorkerStatus.CANCELLED))


@pytest.fixture
def late(world: World) -> World:
    world.serve(QUEUE, useJobLateBinding=True)
    return world


def ask(world: World, *worker_ids: int, number: int = 1) -> None:
    world.messenger.news |= dict.fromkeys(worker_ids, News(jobs_wanted=number))
    look(world)


@pytest.mark.shows("queue.useJobLateBinding")
def test_workers_are_submitted_without_jobs_as_many_as_there_are_jobs_for(late: World):
    late.give_jobs(1, 2)
    late.work(Sizer)
    assert [(each.job_ids, each.late_binding) for each in late.workers()] == [((), True)] * 2
    assert {job.substatus for job in late.jobs()} == {JobSubstatus.PREPARED}
    late.give_jobs(3)
    late.clock.forward(hours=1)
    late.work(Sizer)
    assert len(late.workers()) == 3
    late.clock.forward(hours=1)
    late.work(Sizer)
    assert len(late.workers()) == 3


def test_a_worker_that_asks_is_ready_and_gets_a_job(late: World):
    (worker,) = start(late, 1)
    assert late.worker(worker).status is WorkerStatus.RUNNING
    ask(late, worker)
    assert late.worker(worker).status is WorkerStatus.READY
    assert "feeder" in late.woken
    late.work(Feeder)
    assert late.messenger.jobs_given == {worker: {1}}
    assert (late.worker(worker).status, late.worker(worker).job_ids) == (WorkerStatus.RUNNING, (1,))
    assert (late.job(1).status, late.job(1).substatus) == (JobStatus.RUNNING, JobSubstatus.RUNNING)
    look(late)
    assert late.work(Feeder) == 0


def test_what_a_check_tells_while_a_worker_is_fed_stays(late: World):
    (worker,) = start(late, 1)
    ask(late, worker)
    feeder = Feeder(late.instance)
    (unit,) = late.claim(feeder)
    answers = feeder.act(unit)
    late.resource.states[worker] = Seen(WorkerStatus.IDLE)
    look(late)
    assert late.worker(worker).status is WorkerStatus.IDLE
    late.finish(feeder, unit, answers)
    assert late.worker(worker).status is WorkerStatus.IDLE
    assert (late.job(1).status, late.job(1).substatus) == (JobStatus.RUNNING, JobSubstatus.IDLE)
    assert "it has jobs" not in late.causes(Kind.WORKER, worker)


def test_a_request_that_is_seen_again_is_served_once(late: World):
    worker, _ = start(late, 1, 2)
    ask(late, worker)
    look(late)
    late.work(Feeder)
    look(late)
    late.work(Feeder)
    assert late.messenger.jobs_given == {worker: {1}}


def test_a_job_that_is_prepared_reaches_a_waiting_worker_at_once(late: World):
    worker, other = start(late, 1, 2)
    with late.db.write() as connection:
        jobs.cancel(connection, {1: {}, 2: {}}, late.clock())
    ask(late, worker, other)
    late.work(Feeder)
    late.clock.forward(seconds=1)
    assert late.work(Feeder) == 0
    fetch_and_prepare(late, 3)
    assert late.woken[-1] == "feeder"
    late.work(Feeder)
    assert sum(map(len, late.messenger.jobs_given.values())) == 1


def fetch_and_prepare(world: World, job: int) -> None:
    world.give_jobs(job)
    with world.db.write() as connection:
        connection.exec_driver_sql(f"UPDATE jobs SET phase = 'prepare' WHERE job_id = {job}")
    world.work(PreparatorAgent)


def test_what_was_bound_before_a_crash_is_fed_and_nothing_else(late: World):
    worker, _ = start(late, 1, 2)
    ask(late, worker)
    assert len(late.claim(Feeder(late.instance))) == 1, "and the process dies"
    assert late.job(1).substatus is JobSubstatus.QUEUED
    late.lose_claims()
    late.work(Feeder)
    assert late.messenger.jobs_given == {worker: {1}}
    assert late.worker(worker).job_ids == (1,)


def test_a_frozen_process_gives_nothing_to_workers_that_others_have_taken_over(late: World):
    (worker,) = start(late, 1)
    ask(late, worker)
    feeder = Feeder(late.instance)
    (unit,) = late.claim(feeder)
    late.lose_claims()
    late.finish(feeder, unit)
    assert late.messenger.jobs_given == {}
    late.work(Feeder)
    assert late.messenger.jobs_given == {worker: {1}}


def test_a_worker_that_ends_with_a_job_it_never_took_leaves_it_to_another(late: World):
    (worker,) = start(late, 1)
    ask(late, worker)
    late.work(Feeder)
    late.resource.states[worker] = FINISHED
    look(late)
    assert late.worker(worker).job_ids == ()
    assert (late.job(1).status, late.job(1).substatus) == (JobStatus.STARTING, JobSubstatus.PREPARED)
    late.clock.forward(hours=1)
    late.work(Sizer)
    assert len(late.workers()) == 2


def test_what_one_worker_has_left_is_known_although_another_cannot_be_looked_into(late: World):
    worker, other = end_with_jobs(late, hidden=1)
    assert (late.worker(other).status, late.job(2).substatus) == (WorkerStatus.FINISHED, JobSubstatus.PREPARED)
    assert not late.worker(worker).status.is_final
    late.messenger.hidden.clear()
    look(late)
    assert (late.worker(worker).status, late.job(1).substatus) == (WorkerStatus.FINISHED, JobSubstatus.PREPARED)


def end_with_jobs(world: World, *, hidden: int) -> Sequence[int]:
    """Workers that have ended with a job each that they never took; into so many of them nobody can look."""
    workers = start(world, 1, 2)
    ask(world, *workers)
    world.work(Feeder)
    world.messenger.hidden.update(workers[:hidden])
    world.resource.states = dict.fromkeys(workers, FINISHED)
    look(world)
    return workers


def test_a_worker_that_nobody_can_look_into_ends_after_a_while(late: World):
    worker, _ = end_with_jobs(late, hidden=1)
    late.clock.forward(minutes=2)
    look(late)
    assert (late.worker(worker).status, late.job(1).status) == (WorkerStatus.FINISHED, JobStatus.FINISHED)


def test_no_end_is_believed_while_the_messenger_cannot_tell_what_was_taken(
    late: World, monkeypatch: pytest.MonkeyPatch
):
    def fail(_workers: object) -> Sequence[set[int]]:
        raise OSError("stale")

    with monkeypatch.context() as patch:
        patch.setattr(late.messenger, "untaken", fail)
        worker, _ = end_with_jobs(late, hidden=0)
        assert late.worker(worker).status is WorkerStatus.RUNNING
        assert (late.job(1).status, late.job(1).substatus) == (JobStatus.RUNNING, JobSubstatus.RUNNING)
    late.clock.forward(minutes=10)
    look(late)
    assert (late.worker(worker).status, late.job(1).substatus) == (WorkerStatus.FINISHED, JobSubstatus.PREPARED)


def test_a_job_that_was_taken_ends_with_its_worker(late: World):
    (worker,) = start(late, 1)
    ask(late, worker)
    late.work(Feeder)
    late.messenger.taken[worker].add(1)
    late.resource.states[worker] = FINISHED
    look(late)
    assert late.job(1).status is JobStatus.FINISHED


def test_an_unwanted_job_is_given_to_nobody_else(late: World):
    (worker,) = start(late, 1)
    ask(late, worker)
    late.work(Feeder)
    with late.db.write() as connection:
        workers.request_kill(connection, {worker: Kill("unwanted", PilotError.KILLED)}, late.clock(), "test")
    late.resource.states[worker] = CANCELLED
    look(late)
    assert late.job(1).status is JobStatus.CANCELLED


def test_a_worker_that_wants_to_be_killed_leaves_the_job_that_it_never_took(late: World):
    (worker,) = start(late, 1)
    ask(late, worker)
    late.work(Feeder)
    late.messenger.news[worker] = News(kill_requested=True)
    look(late)
    assert late.held(worker).kill_error is PilotError.KILLED
    late.resource.states[worker] = CANCELLED
    look(late)
    assert (late.job(1).status, late.job(1).substatus) == (JobStatus.STARTING, JobSubstatus.PREPARED)


WISH, ORDER, GIVEN_UP = "its own wish", "an order", "given up"


@pytest.mark.parametrize("reasons", [(WISH, ORDER), (ORDER, WISH), (GIVEN_UP, ORDER)])
def test_whatever_else_would_kill_its_worker_an_unwanted_job_is_given_to_nobody_else(
    late: World, reasons: Sequence[str]
):
    (worker,) = start(late, 1)
    ask(late, worker)
    late.work(Feeder)
    for reason in reasons:
        kill(late, worker, reason)
        look(late)
    late.resource.states[worker] = CANCELLED
    look(late)
    assert late.job(1).status is JobStatus.CANCELLED
    assert late.job(1).attributes["pilotErrorCode"] == PilotError.KILLED


def kill(world: World, worker: int, reason: str) -> None:
    if reason == WISH:
        world.messenger.news[worker] = News(kill_requested=True)
        return
    order, error = Kill("unwanted"), PilotError.KILLED_BY_HARVESTER
    given_up = Kill("silent", error, ends_jobs=False)
    with world.db.write() as connection:
        workers.request_kill(connection, {worker: order if reason == ORDER else given_up}, world.clock(), "test")


def test_a_job_that_was_taken_ends_as_killed_if_its_worker_wants_to_be_killed(late: World):
    (worker,) = start(late, 1)
    ask(late, worker)
    late.work(Feeder)
    late.messenger.taken[worker].add(1)
    kill(late, worker, WISH)
    look(late)
    late.resource.states[worker] = CANCELLED
    look(late)
    assert late.job(1).attributes["pilotErrorCode"] == PilotError.KILLED


def test_the_end_of_a_worker_that_was_given_a_job_meanwhile_waits_for_the_next_round(late: World):
    (worker,) = start(late, 1)
    ask(late, worker)
    late.resource.states[worker] = FINISHED
    late.clock.forward(hours=1)
    monitor = Monitor(late.instance)
    (unit,) = late.claim(monitor)
    seen = monitor.act(unit)
    late.work(Feeder)
    late.finish(monitor, unit, seen)
    assert not late.worker(worker).status.is_final
    look(late)
    assert late.worker(worker).status is WorkerStatus.FINISHED
    assert late.job(1).substatus is JobSubstatus.PREPARED


@pytest.mark.parametrize("answer", [Later("no disk"), Failed("the access point is gone")])
def test_a_worker_that_cannot_be_fed(late: World, answer: Later | Failed):
    (worker,) = start(late, 1)
    ask(late, worker)
    late.messenger.give_answer = answer
    late.work(Feeder)
    assert (late.held(worker).kill_error is not None) == isinstance(answer, Failed)
    late.messenger.give_answer = Done()
    late.clock.forward(seconds=10)
    late.work(Feeder)
    assert (late.messenger.jobs_given == {worker: {1}}) == isinstance(answer, Later)


def test_a_job_that_could_not_be_given_to_a_worker_goes_to_another_at_once(late: World):
    worker, other = start(late, 1, 2)
    ask(late, worker)
    late.messenger.give_answer = Failed("the access point is gone")
    late.work(Feeder)
    assert late.worker(worker).job_ids == ()
    assert (late.job(1).status, late.job(1).substatus) == (JobStatus.STARTING, JobSubstatus.PREPARED)
    late.messenger.give_answer = Done()
    ask(late, other)
    late.work(Feeder)
    assert late.messenger.jobs_given == {other: {1}}
    late.resource.states[worker] = CANCELLED
    look(late)
    assert late.worker(worker).status is WorkerStatus.CANCELLED
    assert late.job(1).status is JobStatus.RUNNING


def test_a_job_of_which_a_dead_process_may_have_told_stays_with_its_worker(late: World):
    worker, _ = start(late, 1, 2)
    ask(late, worker)
    assert len(late.claim(Feeder(late.instance))) == 1, "and the process dies"
    late.lose_claims()
    late.messenger.give_answer = Failed("the access point is gone")
    late.work(Feeder)
    assert late.held(worker).kill_error is PilotError.KILLED_BY_HARVESTER
    assert (late.worker(worker).job_ids, late.job(1).substatus) == ((1,), JobSubstatus.QUEUED)


def test_an_unwanted_job_that_could_not_be_given_is_given_to_nobody_else(late: World):
    (worker,) = start(late, 1)
    ask(late, worker)
    feeder = Feeder(late.instance)
    (unit,) = late.claim(feeder)
    with late.db.write() as connection:
        workers.request_kill(connection, {worker: Kill("unwanted", PilotError.KILLED)}, late.clock(), "test")
    late.finish(feeder, unit, [Failed("the access point is gone")])
    late.resource.states[worker] = CANCELLED
    look(late)
    assert late.job(1).status is JobStatus.CANCELLED


def test_a_job_that_cannot_be_given_to_any_worker_is_given_up(world: World):
    world.serve(QUEUE, useJobLateBinding=True, maxSubmissionAttempts=2)
    first, second, third = start(world, 1, 2, 3)
    world.messenger.give_answer = Failed("an input has a name that no link can have")
    for worker in (first, second):
        assert world.job(1).status is JobStatus.STARTING
        ask(world, worker)
        world.work(Feeder)
    assert (world.job(1).status, world.job(1).substatus) == (JobStatus.MISSED, JobSubstatus.MISSED)
    assert world.job(1).attributes["pilotErrorCode"] == PilotError.SETUP
    world.messenger.give_answer = Done()
    ask(world, third)
    world.work(Feeder)
    assert world.messenger.jobs_given == {third: {2}}


@pytest.mark.shows("monitor.workerJobTimeLimit")
def test_a_worker_that_gets_no_job_is_killed_after_its_time(late: World):
    (worker,) = start(late, 1)
    late.clock.forward(seconds=late.settings.monitor.worker_job_time_limit - 20)
    look(late)
    assert late.held(worker).kill_error is None
    late.clock.forward(seconds=20)
    look(late)
    assert late.held(worker).kill_error is PilotError.KILLED_BY_HARVESTER


def test_a_worker_that_is_given_a_job_when_its_time_is_over_keeps_it(late: World):
    (worker,) = start(late, 1)
    ask(late, worker)
    late.clock.forward(seconds=late.settings.monitor.worker_job_time_limit)
    monitor = Monitor(late.instance)
    (unit,) = late.claim(monitor)
    seen = monitor.act(unit)
    late.work(Feeder)
    late.finish(monitor, unit, seen)
    assert late.held(worker).kill_error is None
    assert late.worker(worker).job_ids == (1,)
    look(late)
    assert late.held(worker).kill_error is None


# ---- refill ----------------------------------------------------------------------------------------------------------


def test_a_worker_that_cannot_be_given_further_jobs_keeps_those_that_it_has(world: World):
    world.serve(QUEUE, mapType="ManyToOne", workerMaker={"plugin": "simple", "nJobsPerWorker": 2}, maxWorkers=1)
    (worker,) = start(world, 1, 2, 3)
    ask(world, worker)
    world.messenger.give_answer = Failed("an input has a name that no link can have")
    world.work(Feeder)
    assert world.worker(worker).job_ids == (1, 2)
    assert [job.substatus for job in world.jobs()[::2]] == [JobSubstatus.RUNNING, JobSubstatus.PREPARED]


def test_a_shared_job_that_could_not_be_given_to_one_worker_stays_with_the_other(world: World):
    keys = {"plugin": "simple", "nWorkersPerJob": 2}
    world.serve(QUEUE, mapType="OneToMany", useJobLateBinding=True, workerMaker=keys)
    first, second = start(world, 1)
    ask(world, first)
    world.work(Feeder)
    world.messenger.give_answer = Failed("the access point is gone")
    ask(world, second)
    world.work(Feeder)
    assert (world.worker(first).job_ids, world.worker(second).job_ids) == ((1,), ())
    assert (world.job(1).status, world.job(1).submission_attempts) == (JobStatus.RUNNING, 0)


def test_a_running_worker_gets_as_many_further_jobs_as_it_asks_for(world: World):
    world.serve(QUEUE, mapType="ManyToOne", workerMaker={"plugin": "simple", "nJobsPerWorker": 2}, maxWorkers=1)
    (worker,) = start(world, 1, 2, 3, 4, 5, 6)
    assert world.worker(worker).job_ids == (1, 2)
    ask(world, worker, number=3)
    world.work(Feeder)
    assert world.messenger.jobs_given == {worker: {3, 4, 5}}
    assert world.worker(worker).job_ids == (1, 2, 3, 4, 5)
    assert world.worker(worker).status is WorkerStatus.RUNNING
    assert world.job(6).substatus is JobSubstatus.PREPARED


def test_jobs_go_on_running_while_their_worker_waits_for_others(world: World):
    world.serve(QUEUE, mapType="ManyToOne", workerMaker={"plugin": "simple", "nJobsPerWorker": 2})
    (worker,) = start(world, 1, 2)
    ask(world, worker)
    look(world)
    assert world.worker(worker).status is WorkerStatus.READY
    assert {(job.status, job.substatus) for job in world.jobs()} == {(JobStatus.RUNNING, JobSubstatus.RUNNING)}
    world.messenger.news[worker] = News({1: {"pilotStatus": "busy"}}, jobs_wanted=1)
    look(world)
    assert world.job(1).status is JobStatus.RUNNING


def test_a_late_worker_that_jobs_share_is_given_a_whole_group(world: World):
    keys = {"plugin": "simple", "nJobsPerWorker": 2}
    world.serve(QUEUE, mapType="ManyToOne", useJobLateBinding=True, workerMaker=keys, maxWorkers=1)
    (worker,) = start(world, 1, 2, 3)
    ask(world, worker)
    world.work(Feeder)
    ask(world, worker)
    world.work(Feeder)
    assert world.messenger.jobs_given == {worker: {1, 2, 3}}


def test_late_workers_share_a_job(world: World):
    keys = {"plugin": "simple", "nWorkersPerJob": 2}
    world.serve(QUEUE, mapType="OneToMany", useJobLateBinding=True, workerMaker=keys)
    first, second = start(world, 1)
    ask(world, first, second)
    world.work(Feeder)
    assert world.messenger.jobs_given == {first: {1}, second: {1}}
    world.messenger.taken[first].add(1)
    world.resource.states = {first: FINISHED, second: FINISHED}
    look(world)
    assert world.job(1).status is JobStatus.FINISHED
    assert [each.job_ids for each in world.workers()[:2]] == [(1,), ()]
