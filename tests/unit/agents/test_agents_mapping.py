"""Jobs that share workers and workers that share a job, from the sizer to the jobs' ends."""

import pytest
from running_workers import look, start
from world import QUEUE, World

from harvester.agents.event_reports import NOTHING_TOLD
from harvester.agents.propagator import JobPropagator, Told
from harvester.agents.reconciler import Reconciler
from harvester.agents.sizer import Sizer
from harvester.agents.submitter import Submitter
from harvester.core.jobs import JobStatus, JobSubstatus
from harvester.core.workers import WorkerStatus
from harvester.panda.messages import JobReply
from harvester.plugins.api import Done, Later, News, Refused, Seen
from harvester.store import jobs, leases, workers

RUNNING, FINISHED, FAILED = (
    Seen(WorkerStatus.RUNNING),
    Seen(WorkerStatus.FINISHED, exit_code=0),
    Seen(WorkerStatus.FAILED, exit_code=1),
)


@pytest.fixture
def many_to_one(world: World) -> World:
    world.serve(QUEUE, mapType="ManyToOne", allowJobMixture=True, workerMaker={"plugin": "simple", "nJobsPerWorker": 3})
    return world


@pytest.fixture
def one_to_many(world: World) -> World:
    keys = {"plugin": "simple", "nWorkersPerJob": 3, "maxWorkersPerJobInTotal": 4}
    world.serve(QUEUE, mapType="OneToMany", workerMaker=keys)
    return world


def size_again(world: World) -> int:
    """Another look of the sizer; returns how many workers there are."""
    world.clock.forward(seconds=world.settings.submitter.lookup_time)
    world.work(Sizer)
    return len(world.workers())


def states(world: World) -> list[tuple[JobStatus, JobSubstatus]]:
    return [(job.status, job.substatus) for job in world.jobs()]


# ---- jobs that share a worker ----------------------------------------------------------------------------------------


@pytest.mark.shows("queue.allowJobMixture", "block workerMaker.nJobsPerWorker")
def test_only_full_groups_get_a_worker_and_the_rest_waits(many_to_one: World):
    world = many_to_one
    world.give_jobs(*range(1, 9))
    world.work(Sizer)
    assert [each.job_ids for each in world.workers()] == [(1, 2, 3), (4, 5, 6)]
    assert world.note_of("sizer")["text"] == "8 jobs wait, a worker takes 3"
    assert size_again(world) == 2
    assert world.note_of("sizer")["text"] == "2 jobs wait, a worker takes 3"
    world.give_jobs(9)
    assert size_again(world) == 3
    assert world.workers()[-1].job_ids == (7, 8, 9)


def test_jobs_that_ask_for_no_cores_have_an_equal_part_of_their_worker(many_to_one: World):
    world = many_to_one
    world.give_jobs(1, 2, params={"coreCount": "NULL"})
    world.give_jobs(3, params={"coreCount": 1})
    world.serve(QUEUE, mapType="ManyToOne", allowJobMixture=True, workerMaker={"plugin": "simple", "nJobsPerWorker": 2})
    world.work(Sizer)
    assert [job.cores for job in world.jobs()] == [2, 2, 1]


def test_a_group_of_which_a_job_is_gone_meanwhile_leaves_its_jobs_waiting(many_to_one: World):
    world = many_to_one
    world.give_jobs(1, 2, 3, 4, 5, 6)
    sizer = Sizer(world.instance)
    (unit,) = world.claim(sizer)
    planned = sizer.act(unit)
    with world.db.write() as connection:
        jobs.cancel(connection, {2: {}}, world.clock())
    world.finish(sizer, unit, planned)
    assert [each.job_ids for each in world.workers()] == [(4, 5, 6)]
    world.give_jobs(7)
    assert size_again(world) == 2
    assert world.workers()[-1].job_ids == (1, 3, 7)


def test_a_job_ends_by_its_own_word_while_its_worker_runs(many_to_one: World):
    world = many_to_one
    (worker,) = start(world, 1, 2, 3)
    world.messenger.news[worker] = News(
        attributes={1: {"jobStatus": "finished"}, 2: {"jobStatus": "failed"}, 3: {"jobStatus": "running"}}
    )
    look(world)
    assert states(world) == [
        (JobStatus.FINISHED, JobSubstatus.TO_TRANSFER),
        (JobStatus.FAILED, JobSubstatus.TO_TRANSFER),
        (JobStatus.RUNNING, JobSubstatus.RUNNING),
    ]
    world.resource.states[worker] = FINISHED
    world.messenger.news[worker] = News(attributes={3: {"jobStatus": "finished"}})
    look(world)
    assert [job.status for job in world.jobs()] == [JobStatus.FINISHED, JobStatus.FAILED, JobStatus.FINISHED]


def test_a_job_whose_log_is_not_gathered_does_not_end_yet_and_its_word_is_heard_again(many_to_one: World):
    world = many_to_one
    (worker,) = start(world, 1, 2, 3)
    world.messenger.news[worker] = News(attributes={1: {"jobStatus": "finished"}})
    world.messenger.finish_answer = Later("the disk is full")
    look(world)
    assert world.job(1).status is JobStatus.RUNNING
    assert world.messenger.acknowledged == []
    world.messenger.finish_answer = Done()
    look(world)
    assert world.job(1).status is JobStatus.FINISHED
    assert world.messenger.acknowledged == [worker]


def kill_by_server(world: World, *job_ids: int) -> None:
    """The server answers the next reports of these jobs with the order to kill them."""
    propagator = JobPropagator(world.instance)
    world.clock.forward(hours=1)
    for unit in world.claim(propagator):
        world.finish(
            propagator,
            unit,
            Told(
                [JobReply(accepted=True, command="tobekilled" if job.job_id in job_ids else "") for job in unit.jobs],
                NOTHING_TOLD,
            ),
        )


def test_an_unwanted_job_does_not_take_the_others_of_its_worker_along(many_to_one: World):
    world = many_to_one
    (worker,) = start(world, 1, 2, 3)
    kill_by_server(world, 1)
    assert world.job(1).status is JobStatus.CANCELLED
    assert world.held(worker).kill_error is None
    kill_by_server(world, 2, 3)
    assert world.held(worker).kill_error is not None
    assert world.job(2).status is JobStatus.RUNNING


# ---- workers that share a job ----------------------------------------------------------------------------------------


@pytest.mark.shows("block workerMaker.nWorkersPerJob")
def test_a_job_gets_as_many_workers_as_it_may_have_at_once(one_to_many: World):
    world = one_to_many
    world.give_jobs(1, 2)
    world.work(Sizer)
    assert [each.job_ids for each in world.workers()] == [(1,)] * 3 + [(2,)] * 3
    assert size_again(world) == 6


@pytest.mark.shows("block workerMaker.maxWorkersPerJobPerCycle")
def test_no_more_workers_in_a_cycle_than_the_job_may_get(world: World):
    keys = {"plugin": "simple", "nWorkersPerJob": 5, "maxWorkersPerJobPerCycle": 2}
    world.serve(QUEUE, mapType="OneToMany", workerMaker=keys)
    world.give_jobs(1)
    world.work(Sizer)
    with world.db.write() as connection:
        leases.nudge_queues(connection, leases.QUEUE_SIZE, [QUEUE], world.clock(), -leases.TOGETHER)
    world.work(Sizer)
    made = [len(world.workers()), size_again(world), size_again(world), size_again(world)]
    assert made == [2, 4, 5, 5]


@pytest.mark.shows("block workerMaker.maxWorkersPerJobInTotal")
def test_an_ended_worker_is_replaced_until_the_job_has_had_all_its_workers(one_to_many: World):
    world = one_to_many
    first, *_ = start(world, 1)
    world.resource.states[first] = FINISHED
    look(world)
    assert world.job(1).status is JobStatus.RUNNING
    assert size_again(world) == 4
    world.work(Submitter)
    world.resource.states = dict.fromkeys(world.resource.states, RUNNING) | {first + 1: FINISHED}
    look(world)
    assert size_again(world) == 4, "four workers in total"


def test_a_job_ends_when_all_its_workers_have_and_one_that_finished_is_enough(one_to_many: World):
    world = one_to_many
    started = start(world, 1)
    with world.db.write() as connection:
        jobs.stop_growing(connection, [1])
    for worker, end in zip(started, (FINISHED, FAILED, FAILED), strict=True):
        assert world.job(1).status is JobStatus.RUNNING
        world.resource.states[worker] = end
        look(world)
    assert states(world) == [(JobStatus.FINISHED, JobSubstatus.TO_TRANSFER)]


def test_the_cores_of_a_job_are_those_of_its_running_workers(one_to_many: World):
    world = one_to_many
    first, *_ = start(world, 1)
    assert world.job(1).cores == 12
    world.resource.states[first] = FINISHED
    look(world)
    assert world.job(1).cores == 8


def test_a_worker_that_the_resource_refuses_does_not_concern_a_job_that_has_others(one_to_many: World):
    world = one_to_many
    world.give_jobs(1)
    world.work(Sizer)
    refused, *taken = [each.worker_id for each in world.workers()]
    world.resource.outcomes[refused] = Refused("no")
    world.work(Submitter)
    assert states(world) == [(JobStatus.STARTING, JobSubstatus.SUBMITTED)]
    with world.db.write() as connection:
        jobs.stop_growing(connection, [1])
    world.resource.states = dict.fromkeys(taken, FINISHED)
    look(world)
    assert world.job(1).status is JobStatus.FINISHED


def test_a_job_none_of_whose_workers_was_taken_is_tried_again(one_to_many: World):
    world = one_to_many
    world.give_jobs(1)
    world.work(Sizer)
    world.resource.outcomes = {each.worker_id: Refused("no") for each in world.workers()}
    world.work(Submitter)
    assert states(world) == [(JobStatus.STARTING, JobSubstatus.PREPARED)]
    assert world.job(1).submission_attempts == 1


def test_workers_that_were_refused_are_none_of_those_that_a_job_ever_gets(one_to_many: World):
    world = one_to_many
    world.give_jobs(1)
    world.work(Sizer)
    for made in (3, 6):
        assert len(world.workers()) == made
        world.resource.outcomes = {each.worker_id: Refused("no") for each in world.workers()}
        world.work(Submitter)
        size_again(world)
    world.work(Submitter)
    assert [each.status for each in world.workers()[6:]] == [WorkerStatus.SUBMITTED] * 3


def test_a_job_ends_though_its_last_worker_turns_out_never_to_have_been_submitted(one_to_many: World):
    world = one_to_many
    world.give_jobs(1)
    world.work(Sizer)
    lost, *taken = [each.worker_id for each in world.workers()]
    submitter = Submitter(world.instance)
    (unit,) = world.claim(submitter)
    result = [
        Refused("a broken template", permanent=True) if each.worker.worker_id == lost else answer
        for each, answer in zip(unit.assignments, submitter.act(unit), strict=True)
    ]
    world.resource.states = dict.fromkeys(taken, FAILED)
    world.finish(submitter, unit, result)
    with world.db.write() as connection:
        jobs.stop_growing(connection, [1])
    look(world)
    world.work(Reconciler)
    assert world.job(1).status is JobStatus.FAILED


def test_the_server_kills_all_workers_of_a_job(one_to_many: World):
    world = one_to_many
    started = start(world, 1)
    kill_by_server(world, 1)
    assert all(world.held(worker).kill_error is not None for worker in started)
    with world.db.read() as connection:
        assert workers.live_of_jobs(connection, [1]) == {1: tuple(started)}
    assert size_again(world) == 3
