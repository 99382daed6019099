"""From jobs to workers that a resource holds: sizer, submitter and reconciler."""

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from structlog.testing import capture_logs
from world import QUEUE, FakeWorkerMaker, World

from harvester.agents.event_reports import NOTHING_TOLD
from harvester.agents.killer import Killer
from harvester.agents.propagator import JobPropagator, Told
from harvester.agents.reconciler import Reconciler
from harvester.agents.sizer import Sizer
from harvester.agents.submitter import Submitter, SubmitUnit
from harvester.core.clock import MOST_APART
from harvester.core.jobs import JobStatus, JobSubstatus, Kill
from harvester.core.workers import WorkerStatus
from harvester.panda.messages import JobReply
from harvester.plugins.api import Failed, Grade, GroupToServe, Later, Refused, Submitted, Unclear, WorkerPlan
from harvester.plugins.pool import QueueUnknownError
from harvester.store import history, jobs, leases, worker_counts, workers
from harvester.store.leases import BATCH, ClaimTicket
from moving_clock import NOW


@pytest.fixture
def waiting(world: World) -> Callable[..., list[int]]:
    """Puts jobs in that wait for a worker."""

    def put(number: int, queue: str = QUEUE) -> list[int]:
        known = [job.job_id for job in world.jobs()]
        ids = list(range(len(known) + 1, len(known) + number + 1))
        world.give_jobs(*ids, queue=queue)
        return ids

    return put


@pytest.fixture
def intended(world: World, waiting: Callable[..., list[int]]) -> Callable[[int], list[int]]:
    """Puts workers in that are to be submitted, each with one job."""

    def put(number: int) -> list[int]:
        waiting(number)
        world.work(Sizer)
        return [each.worker_id for each in world.workers()]

    return put


def die_after_asking(world: World) -> None:
    """The resource is asked, and nobody lives to write down what it said."""
    submitter = Submitter(world.instance)
    for unit in world.claim(submitter):
        submitter.act(unit)
    world.lose_claims()


def nudge(world: World) -> None:
    """Something has changed for the queue, as happens all the time."""
    with world.db.write() as connection:
        leases.nudge_queues(connection, leases.QUEUE_SIZE, [QUEUE], world.clock(), timedelta())


# ---- how many --------------------------------------------------------------------------------------------------------


def test_every_waiting_job_gets_one_worker(world: World, waiting: Callable[..., list[int]]):
    waiting(3)
    world.work(Sizer)
    made = world.workers()
    assert [each.job_ids for each in made] == [(1,), (2,), (3,)]
    assert [(each.status, each.marker, each.access_point, each.cores) for each in made[:1]] == [
        (WorkerStatus.PENDING, "test-1", "/access/1", 4)
    ]
    world.clock.forward(minutes=5)
    world.work(Sizer)
    assert len(world.workers()) == 3


def test_why_a_worker_was_made_is_kept(world: World, waiting: Callable[..., list[int]]):
    waiting(1)
    world.work(Sizer)
    assert world.causes(history.Kind.WORKER, 1) == ["1 job waits for a worker"]
    assert world.note_of("sizer")["limit"] == "jobs"


@pytest.mark.shows("queue.maxWorkers", "queue.nQueueLimitWorker")
@pytest.mark.parametrize(
    ("limits", "made"),
    [
        ({"maxWorkers": 4}, 4),
        ({"nQueueLimitWorker": 3}, 3),
        ({"maxNewWorkersPerCycle": 2}, 2),
        ({"maxWorkers": 0, "nQueueLimitWorker": None}, 1),
    ],
)
def test_limits_hold_from_the_moment_of_the_intent(
    world: World, waiting: Callable[..., list[int]], limits: dict[str, int | None], made: int
):
    world.serve(QUEUE, **limits)
    waiting(10)
    world.work(Sizer)
    assert len(world.workers()) == made
    if "maxNewWorkersPerCycle" not in limits:
        world.clock.forward(hours=1)
        world.work(Sizer)
        assert len(world.workers()) == made


@pytest.mark.shows("queue.mapType")
def test_pull_queues_get_workers_without_jobs(world: World):
    world.serve(QUEUE, mapType="NoJob", nQueueLimitWorker=2)
    world.work(Sizer)
    assert [each.job_ids for each in world.workers()] == [(), ()]


def test_a_job_that_no_worker_suits_fails(world: World, waiting: Callable[..., list[int]]):
    waiting(2)
    world.maker.fails = {1}
    world.work(Sizer)
    assert (world.job(1).status, world.job(1).substatus) == (JobStatus.FAILED, JobSubstatus.FAILED_TO_MAKE)
    assert world.job(1).attributes["pilotErrorDiag"] == "no worker is large enough"
    assert [each.job_ids for each in world.workers()] == [(2,)]


def test_a_job_that_was_bound_meanwhile_gets_no_second_worker(world: World, waiting: Callable[..., list[int]]):
    waiting(2)
    sizer = Sizer(world.instance)
    (unit,) = world.claim(sizer)
    with world.db.write() as connection:
        assert jobs.bind(connection, [1]) == {1}
    world.finish(sizer, unit)
    assert [each.job_ids for each in world.workers()] == [(2,)]


def test_a_pull_queue_without_workers_allowed_gets_none(world: World):
    world.serve(QUEUE, mapType="NoJob", maxWorkers=0, nQueueLimitWorker=20)
    world.work(Sizer)
    assert world.workers() == []
    assert world.note_of("sizer")["limit"] == "maxWorkers"


def test_after_a_cycle_that_was_cut_short_the_next_workers_wait_for_the_next_cycle(
    world: World, waiting: Callable[..., list[int]]
):
    world.serve(QUEUE, maxNewWorkersPerCycle=1)
    waiting(5)
    made = []
    for _ in range(4):
        world.work(Sizer)
        world.work(Submitter)
        made.append(len(world.workers()))
        nudge(world)
        world.clock.forward(seconds=world.settings.submitter.lookup_time / 2)
    assert made == [1, 1, 2, 2]


@pytest.mark.shows("submitter.maxNewWorkers", "queue.maxNewWorkersPerCycle")
def test_a_cycle_of_more_than_one_batch_keeps_its_limit(world: World):
    world.serve(
        QUEUE, mapType="NoJob", maxWorkers=100_000, nQueueLimitWorker=100_000, maxNewWorkersPerCycle=BATCH + 500
    )
    for _ in range(3):
        world.work(Sizer)
        nudge(world)
    assert len(world.workers()) == BATCH + 500


@pytest.mark.shows("submitter.minSubmissionInterval")
def test_submissions_keep_their_distance(world: World, waiting: Callable[..., list[int]]):
    world.configure(submitter={"minSubmissionInterval": 3600})
    waiting(1)
    world.work(Sizer)
    waiting(1)
    nudge(world)
    world.clock.forward(seconds=3599)
    assert world.work(Sizer) == 0
    world.clock.forward(seconds=1)
    assert world.work(Sizer) == 1


def test_a_failed_plan_is_reported_though_another_report_is_under_way(world: World, waiting: Callable[..., list[int]]):
    waiting(1)
    world.maker.fails = {1}
    world.clock.forward(seconds=leases.TOGETHER.total_seconds())
    propagator = JobPropagator(world.instance)
    (unit,) = world.claim(propagator)
    world.work(Sizer)
    world.finish(propagator, unit, Told([JobReply(accepted=True)], NOTHING_TOLD))
    with world.db.read() as connection:
        assert leases.next_due(connection, leases.JOB_REPORT) == world.clock()


def test_a_decision_that_comes_too_late_is_dropped(world: World, waiting: Callable[..., list[int]]):
    waiting(1)
    sizer = Sizer(world.instance)
    (unit,) = world.claim(sizer)
    world.lose_claims()
    world.finish(sizer, unit)
    assert world.workers() == []
    world.work(Sizer)
    assert len(world.workers()) == 1


# ---- submitting ------------------------------------------------------------------------------------------------------


def test_what_the_resource_took_is_recorded(world: World, intended: Callable[[int], list[int]]):
    intended(2)
    world.work(Submitter)
    first = world.worker(1)
    assert (first.status, first.batch_id, first.submitted_at) == (WorkerStatus.SUBMITTED, "batch-1", NOW)
    assert world.job(1).substatus is JobSubstatus.SUBMITTED
    assert world.messenger.fed == [1, 2]
    assert world.resource.asked == [[1, 2]]
    assert "monitor" in world.woken
    assert world.work(Submitter) == 0


def test_a_refusal_frees_the_job_for_another_try(world: World, intended: Callable[[int], list[int]]):
    intended(2)
    world.resource.outcomes = {1: Refused("no space left")}
    world.work(Submitter)
    assert (world.worker(1).status, world.worker(1).diagnostics) == (WorkerStatus.MISSED, "no space left")
    assert world.worker(2).status is WorkerStatus.SUBMITTED
    job = world.job(1)
    assert (job.status, job.submission_attempts) == (JobStatus.STARTING, 1)
    world.work(Sizer)
    assert len(world.workers()) == 2
    world.clock.forward(minutes=2)
    world.work(Sizer)
    assert world.workers()[-1].job_ids == (1,)


@pytest.mark.shows("queue.maxSubmissionAttempts")
def test_a_job_is_given_up_after_its_tries(world: World, intended: Callable[[int], list[int]]):
    world.serve(QUEUE, maxSubmissionAttempts=2)
    intended(1)
    world.resource.outcomes = {1: Refused("first"), 2: Refused("second")}
    world.work(Submitter)
    world.clock.forward(minutes=2)
    world.work(Sizer)
    world.work(Submitter)
    job = world.job(1)
    assert (job.status, job.attributes["pilotErrorDiag"]) == (JobStatus.MISSED, "second")
    world.clock.forward(hours=1)
    world.work(Sizer)
    assert len(world.workers()) == 2


def test_a_permanent_refusal_ends_the_job_at_once(world: World, intended: Callable[[int], list[int]]):
    intended(1)
    world.resource.outcomes = {1: Refused("no such partition", permanent=True)}
    world.work(Submitter)
    assert world.job(1).status is JobStatus.MISSED
    assert world.job(1).submission_attempts == 1


def test_a_worker_whose_access_point_cannot_be_filled_is_not_submitted(
    world: World, intended: Callable[[int], list[int]]
):
    intended(1)
    world.messenger.feed_answer = Failed("disk full")
    world.work(Submitter)
    assert world.resource.asked == []
    assert "disk full" in world.worker(1).diagnostics


@pytest.mark.parametrize("answers", [[], [Submitted("x")] * 5])
def test_a_wrong_number_of_answers_is_no_answer(
    world: World, intended: Callable[[int], list[int]], monkeypatch: pytest.MonkeyPatch, answers: list[Submitted]
):
    intended(2)
    monkeypatch.setattr(type(world.resource), "submit", lambda _resource, _workers: answers)
    world.work(Submitter)
    assert {each.status for each in world.workers()} == {WorkerStatus.PENDING}
    assert f"{len(answers)} answers for 2 items" in world.worker(1).diagnostics
    assert world.work(Submitter) == 0


def test_a_resting_queue_is_left_alone(world: World, intended: Callable[[int], list[int]]):
    intended(1)
    assert world.claim(Submitter(world.instance), busy=frozenset({QUEUE})) == []
    assert len(world.claim(Submitter(world.instance))) == 1


def test_a_batch_job_whose_worker_was_given_up_meanwhile_is_killed(world: World, intended: Callable[[int], list[int]]):
    world.serve(QUEUE, maxSubmissionAttempts=1)
    intended(1)
    submitter = Submitter(world.instance)
    (unit,) = world.claim(submitter)
    result = submitter.act(unit)
    world.resource.holds.clear()
    world.lose_claims()
    for _ in range(2):
        world.work(Reconciler)
        world.clock.forward(minutes=2)
    assert world.worker(1).status is WorkerStatus.MISSED
    world.finish(submitter, unit, result)
    assert world.resource.killed == [(1, "batch-1")]
    assert world.worker(1).status is WorkerStatus.MISSED


def test_what_others_have_taken_over_is_neither_fed_nor_submitted(world: World, intended: Callable[[int], list[int]]):
    intended(1)
    submitter = Submitter(world.instance)
    (unit,) = world.claim(submitter)
    world.lose_claims()
    world.finish(submitter, unit)
    assert (world.messenger.fed, world.resource.asked) == ([], [])
    assert world.worker(1).status is WorkerStatus.PENDING


def overtaken(world: World, intended: Callable[[int], list[int]]) -> tuple[Submitter, SubmitUnit]:
    """A submitter whose worker is submitted by another process while it has it in hand."""
    intended(1)
    submitter = Submitter(world.instance)
    (unit,) = world.claim(submitter)
    world.lose_claims()
    for _ in range(2):
        world.work(Reconciler)
        world.clock.forward(minutes=2)
    world.work(Submitter)
    return submitter, unit


def test_a_batch_job_whose_worker_runs_as_another_meanwhile_is_killed(
    world: World, intended: Callable[[int], list[int]]
):
    submitter, unit = overtaken(world, intended)
    assert world.worker(1).batch_id == "batch-1"
    world.finish(submitter, unit, [Submitted("late")])
    assert world.resource.killed == [(1, "late")]
    assert world.worker(1).batch_id == "batch-1"


def test_a_late_batch_job_that_cannot_be_killed_is_named(
    world: World, intended: Callable[[int], list[int]], monkeypatch: pytest.MonkeyPatch
):
    submitter, unit = overtaken(world, intended)
    monkeypatch.setattr(world.resource, "kill", lambda some: [Later("no answer") for _ in some])
    with capture_logs() as lines:
        world.finish(submitter, unit, [Submitted("late")])
    told = [(line["worker"], line["batch_id"], line["reason"]) for line in lines if "batch_id" in line]
    assert told == [(1, "late", "no answer")]


def test_a_batch_job_that_was_adopted_meanwhile_is_left_alone(world: World, intended: Callable[[int], list[int]]):
    intended(1)
    submitter = Submitter(world.instance)
    (unit,) = world.claim(submitter)
    result = submitter.act(unit)
    world.lose_claims()
    world.work(Reconciler)
    world.finish(submitter, unit, result)
    assert world.resource.killed == []
    assert world.worker(1).batch_id == "batch-1"


def test_what_was_not_asked_yet_may_be_submitted_at_once_by_others(world: World, intended: Callable[[int], list[int]]):
    intended(1)
    submitter = Submitter(world.instance)
    (unit,) = world.claim(submitter)
    world.db.transact(lambda connection: submitter.give_back(connection, unit, world.clock()))
    assert (world.held(1).tries, world.work(Reconciler)) == (0, 0)
    world.work(Submitter)
    assert world.resource.asked == [[1]]


def test_what_was_asked_is_searched(world: World, intended: Callable[[int], list[int]]):
    intended(1)
    submitter = Submitter(world.instance)
    (unit,) = world.claim(submitter)
    submitter.act(unit)
    world.db.transact(lambda connection: submitter.give_back(connection, unit, world.clock()))
    assert world.work(Submitter) == 0
    world.work(Reconciler)
    assert (world.worker(1).batch_id, world.resource.asked) == ("batch-1", [[1]])


def test_a_queue_that_was_taken_out_of_the_configuration_holds_its_intents_back(
    world: World, intended: Callable[[int], list[int]]
):
    intended(1)
    submitter = Submitter(world.instance)
    (unit,) = world.claim(submitter)
    queue = world.pool.known.pop(QUEUE)
    with pytest.raises(QueueUnknownError, match=QUEUE):
        submitter.act(unit)
    world.db.transact(lambda connection: submitter.give_back(connection, unit, world.clock()))
    world.pool.known[QUEUE] = queue
    world.work(Submitter)
    assert world.worker(1).status is WorkerStatus.SUBMITTED


def test_a_queue_that_rests_is_left_alone_however_often_it_is_nudged(world: World, waiting: Callable[..., list[int]]):
    waiting(1)
    nudge(world)
    assert world.claim(Sizer(world.instance), busy=frozenset({QUEUE})) == []
    assert world.work(Sizer) == 1


# ---- unwanted before they are there ----------------------------------------------------------------------------------


def unwant(world: World, worker_id: int) -> None:
    with world.db.write() as connection:
        assert workers.request_kill(connection, {worker_id: Kill("nobody wants it")}, world.clock(), "test")


def test_an_intent_that_is_to_be_killed_is_never_submitted(world: World, intended: Callable[[int], list[int]]):
    intended(2)
    unwant(world, 1)
    world.work(Submitter)
    world.work(Killer)
    assert world.resource.asked == [[2]]
    assert world.worker(1).status is WorkerStatus.MISSED
    assert (world.job(1).status, world.job(1).substatus) == (JobStatus.CANCELLED, JobSubstatus.KILLED)
    world.clock.forward(hours=1)
    world.work(Sizer)
    assert len(world.workers()) == 2


def test_a_job_whose_unwanted_worker_was_refused_gets_no_other(world: World, intended: Callable[[int], list[int]]):
    intended(1)
    world.resource.outcomes = {1: Refused("no space left")}
    submitter = Submitter(world.instance)
    (unit,) = world.claim(submitter)
    unwant(world, 1)
    world.finish(submitter, unit)
    assert (world.worker(1).status, world.job(1).status) == (WorkerStatus.MISSED, JobStatus.CANCELLED)


def test_an_unwanted_worker_that_certainly_is_not_there_is_not_submitted_again(
    world: World, intended: Callable[[int], list[int]]
):
    intended(1)
    die_after_asking(world)
    world.resource.holds.clear()
    unwant(world, 1)
    for _ in range(2):
        world.work(Reconciler)
        world.clock.forward(minutes=2)
    assert (world.worker(1).status, world.job(1).status) == (WorkerStatus.MISSED, JobStatus.CANCELLED)


def test_a_job_does_not_wait_for_an_unwanted_worker_that_nobody_can_find(
    world: World, intended: Callable[[int], list[int]]
):
    intended(1)
    die_after_asking(world)
    world.resource.holds.clear()
    world.resource.complete = False
    unwant(world, 1)
    world.work(Reconciler)
    assert (world.worker(1).status, world.job(1).status) == (WorkerStatus.PENDING, JobStatus.CANCELLED)


# ---- reconciling -----------------------------------------------------------------------------------------------------


def test_a_batch_job_that_is_found_is_adopted(world: World, intended: Callable[[int], list[int]]):
    intended(2)
    die_after_asking(world)
    world.work(Reconciler)
    assert [each.batch_id for each in world.workers()] == ["batch-1", "batch-2"]
    assert {each.status for each in world.workers()} == {WorkerStatus.SUBMITTED}
    assert world.resource.asked == [[1, 2]]
    assert world.job(1).substatus is JobSubstatus.SUBMITTED


def test_only_what_is_absent_twice_is_submitted_again(world: World, intended: Callable[[int], list[int]]):
    intended(1)
    die_after_asking(world)
    world.resource.holds.clear()
    world.work(Reconciler)
    assert (world.held(1).absences, world.work(Submitter)) == (1, 0)
    world.clock.forward(seconds=59)
    world.clock.now += MOST_APART  # another process, which lives by a later time, asks next
    assert world.work(Reconciler) == 0
    world.clock.forward(seconds=1)
    world.work(Reconciler)
    world.work(Submitter)
    assert world.resource.asked == [[1], [1]]
    assert (world.worker(1).status, world.worker(1).marker) == (WorkerStatus.SUBMITTED, "test-1")
    assert len(world.workers()) == 1


def test_what_appears_late_is_adopted_and_not_submitted_again(world: World, intended: Callable[[int], list[int]]):
    intended(1)
    die_after_asking(world)
    late = dict(world.resource.holds)
    world.resource.holds.clear()
    world.work(Reconciler)
    world.resource.holds = late
    world.clock.forward(minutes=2)
    world.work(Reconciler)
    assert world.worker(1).batch_id == "batch-1"
    assert world.resource.asked == [[1]]


def test_an_incomplete_listing_leaves_everything_charged(world: World, intended: Callable[[int], list[int]]):
    intended(1)
    die_after_asking(world)
    world.resource.holds.clear()
    world.resource.complete = False
    for _ in range(5):
        world.work(Reconciler)
        world.clock.forward(hours=1)
    assert world.worker(1).status is WorkerStatus.PENDING
    assert "the controller does not answer" in world.worker(1).diagnostics
    assert "not complete" in str(world.note_of("reconciler")["text"])
    with world.db.read() as connection:
        assert worker_counts.live(connection, [QUEUE]) == {QUEUE: {WorkerStatus.PENDING: 1}}
    assert world.resource.asked == [[1]]


def test_an_incomplete_listing_between_two_absences_starts_the_count_again(
    world: World, intended: Callable[[int], list[int]]
):
    intended(1)
    die_after_asking(world)
    world.resource.holds.clear()
    for complete in (True, False, True):
        world.resource.complete = complete
        world.work(Reconciler)
        world.clock.forward(minutes=2)
    assert (world.held(1).absences, world.work(Submitter)) == (1, 0)


def test_what_is_found_in_an_incomplete_listing_is_adopted(world: World, intended: Callable[[int], list[int]]):
    intended(1)
    die_after_asking(world)
    world.resource.complete = False
    world.work(Reconciler)
    assert world.worker(1).batch_id == "batch-1"


def test_a_resource_without_markers_is_never_asked_again(
    world: World, intended: Callable[[int], list[int]], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(type(world.resource), "grade", Grade.BLIND)
    intended(1)
    die_after_asking(world)
    for _ in range(5):
        world.work(Reconciler)
        world.clock.forward(hours=1)
    assert (world.worker(1).status, world.resource.asked) == (WorkerStatus.PENDING, [[1]])


def test_after_its_tries_a_worker_is_given_up_and_its_job_gets_another(
    world: World, intended: Callable[[int], list[int]]
):
    world.serve(QUEUE, maxSubmissionAttempts=2)
    intended(1)
    for _ in range(2):
        die_after_asking(world)
        world.resource.holds.clear()
        for _ in range(2):
            world.work(Reconciler)
            world.clock.forward(minutes=2)
    assert world.worker(1).status is WorkerStatus.MISSED
    assert world.resource.asked == [[1], [1]]
    assert (world.job(1).status, world.job(1).submission_attempts) == (JobStatus.STARTING, 1)
    world.work(Sizer)
    assert [each.job_ids for each in world.workers()] == [(1,), (1,)]


def test_an_unclear_answer_is_searched_after_the_settle_time(world: World, intended: Callable[[int], list[int]]):
    intended(1)
    world.resource.outcomes = {1: Unclear("time-out")}
    world.work(Submitter)
    assert world.worker(1).status is WorkerStatus.PENDING
    assert world.work(Reconciler) == 0
    world.clock.forward(seconds=60)
    assert world.work(Reconciler) == 0
    world.clock.now += MOST_APART  # other processes may be ahead by so much
    assert world.work(Reconciler) == 1


# ---- what a resource or a worker maker does not give -----------------------------------------------------------------


def make(_maker: FakeWorkerMaker, _groups: Sequence[GroupToServe]) -> Sequence[WorkerPlan]:
    raise RuntimeError("a bug")


def test_jobs_whose_worker_could_not_be_planned_wait_on(
    world: World, waiting: Callable[..., list[int]], monkeypatch: pytest.MonkeyPatch
):
    waiting(2)
    with monkeypatch.context() as patch:
        patch.setattr(FakeWorkerMaker, "make", make)
        world.work(Sizer)
    assert world.workers() == []
    assert {each.substatus for each in world.jobs()} == {JobSubstatus.PREPARED}
    nudge(world)
    assert world.work(Sizer) == 1
    assert world.workers() == []
    world.clock.forward(minutes=5)
    world.work(Sizer)
    assert [each.job_ids for each in world.workers()] == [(1,), (2,)]


def test_a_queue_whose_workers_are_all_refused_rests(world: World):
    world.serve(QUEUE, mapType="NoJob", maxWorkers=2)
    world.resource.outcomes = {number: Refused("no such partition") for number in range(1, 1000)}
    for _ in range(600):
        world.work(Sizer)
        world.work(Submitter)
        world.clock.forward(seconds=1)
    assert len(world.workers()) <= 2 * 8
    assert "no such partition" in str(world.note_of("sizer")["problem"])
    assert world.note_of("submitter")["problem"] == "no such partition"
    world.resource.outcomes.clear()
    world.clock.forward(minutes=10)
    world.work(Sizer)
    world.work(Submitter)
    assert [each.status for each in world.workers()][-2:] == [WorkerStatus.SUBMITTED] * 2
    assert (world.note_of("sizer").get("problem"), world.note_of("submitter")["problem"]) == (None, "")


def test_a_queue_of_which_something_is_taken_does_not_rest(world: World):
    world.serve(QUEUE, mapType="NoJob", maxWorkers=2)
    world.resource.outcomes = {1: Refused("too large")}
    world.work(Sizer)
    world.work(Submitter)
    world.clock.forward(seconds=2)
    world.work(Sizer)
    assert [each.status for each in world.workers()] == [
        WorkerStatus.MISSED,
        WorkerStatus.SUBMITTED,
        WorkerStatus.PENDING,
    ]


def test_the_reconciler_signs_for_what_it_gives_up(world: World, intended: Callable[[int], list[int]]):
    world.serve(QUEUE, maxSubmissionAttempts=1)
    intended(1)
    die_after_asking(world)
    world.resource.holds.clear()
    for _ in range(3):
        world.work(Reconciler)
        world.clock.forward(minutes=2)
    with world.db.read() as connection:
        last = history.of(connection, history.Kind.JOB, 1)[-1]
    assert (last.became, last.agent) == (JobSubstatus.MISSED, "reconciler")


def test_where_more_intents_are_to_end_than_one_claim_takes_nobody_pauses(
    world: World, intended: Callable[[int], list[int]]
):
    intended(2)
    unwant(world, 1)
    unwant(world, 2)
    ticket = ClaimTicket(world.owner.next_fence(), world.clock(), world.clock() + timedelta(minutes=1), limit=1)
    with world.db.write() as connection:
        assert list(Killer(world.instance).claim(connection, ticket)) == []
    assert ticket.reached_limit.is_set()


def test_an_intent_that_was_given_up_is_not_killed_again_and_again(world: World, intended: Callable[[int], list[int]]):
    intended(1)
    unwant(world, 1)
    for _ in range(3):
        world.work(Killer)
        world.clock.forward(hours=1)
    assert world.worker(1).status is WorkerStatus.MISSED
    assert world.resource.killed == []
