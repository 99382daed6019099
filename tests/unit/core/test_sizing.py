import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.core.kinds import Want, WorkerKind
from harvester.core.limits import Measure, Room, WorkerCounts, WorkerLimits, rooms_of
from harvester.core.sizing import NO_END, Admission, Demand, Sizing, size_workers

MANY = settings(max_examples=2500)
numbers = st.integers(0, 200)
maybe = st.none() | numbers
percents = st.none() | st.integers(0, 300)
limits = st.builds(
    WorkerLimits,
    queued=maybe,
    total=numbers,
    per_cycle=numbers,
    instance_per_cycle=numbers,
    queued_ratio=percents,
    queued_min=maybe,
    cores=maybe,
    cores_ratio=percents,
    cores_min=maybe,
    ram_mb=st.none() | st.integers(0, 200_000),
    ram_ratio=percents,
    ram_min=st.none() | st.integers(0, 200_000),
)
plain_limits = st.builds(WorkerLimits, queued=maybe, total=numbers, per_cycle=numbers, instance_per_cycle=numbers)
counts = st.builds(
    WorkerCounts,
    queued=numbers,
    ready=numbers,
    running=numbers,
    queued_cores=numbers,
    running_cores=st.integers(0, 2000),
    queued_ram_mb=st.integers(0, 200_000),
    running_ram_mb=st.integers(0, 2_000_000),
)
wants = st.builds(
    Want,
    number=numbers,
    kind=st.builds(WorkerKind, resource_type=st.sampled_from(["SCORE", "MCORE", "MCORE_HIMEM"])),
    cores=st.integers(1, 64),
    ram_mb=st.integers(1, 64_000),
    goes_first=st.booleans(),
)
demands = st.builds(Demand, st.lists(wants, max_size=6).map(tuple), st.just("wishes"), st.just("somebody wants them"))


def jobs(number: int) -> Demand:
    return Demand((Want(number),), "jobs", f"{number} jobs wait for a worker")


@pytest.mark.shows("queue.nQueueLimitWorkerCoresRatio", "queue.nQueueLimitWorkerCoresMin")
@pytest.mark.parametrize(
    ("given_limits", "given_counts", "demand", "new_workers", "limit"),
    [
        (WorkerLimits(queued=10, total=100), WorkerCounts(), NO_END, 10, "nQueueLimitWorker"),
        (WorkerLimits(queued=10, total=100), WorkerCounts(queued=4), NO_END, 6, "nQueueLimitWorker"),
        (WorkerLimits(queued=10, total=100), WorkerCounts(queued=4, running=95), NO_END, 1, "maxWorkers"),
        (WorkerLimits(queued=10, total=100), WorkerCounts(queued=40, running=95), NO_END, 0, "nQueueLimitWorker"),
        (WorkerLimits(queued=10), WorkerCounts(running=10_000), jobs(99), 10, "nQueueLimitWorker"),
        (WorkerLimits(total=100), WorkerCounts(running=60, ready=10), NO_END, 30, "maxWorkers"),
        (WorkerLimits(queued=10, total=100), WorkerCounts(), jobs(3), 3, "jobs"),
        (WorkerLimits(queued=10, total=100), WorkerCounts(), jobs(0), 0, "jobs"),
        (WorkerLimits(queued=10, total=100, per_cycle=2), WorkerCounts(), NO_END, 2, "maxNewWorkersPerCycle"),
        (
            WorkerLimits(queued=10, total=100, instance_per_cycle=1),
            WorkerCounts(),
            jobs(9),
            1,
            "submitter.maxNewWorkers",
        ),
        (WorkerLimits(), WorkerCounts(running=7), jobs(9), 1, "no limit set"),
        (WorkerLimits(), WorkerCounts(queued=1), jobs(9), 0, "no limit set"),
        (WorkerLimits(queued=0, total=100), WorkerCounts(running=7), jobs(9), 1, "no limit set"),
        (WorkerLimits(total=100, queued_ratio=40), WorkerCounts(running=50), NO_END, 20, "nQueueLimitWorkerRatio"),
        (WorkerLimits(total=100, queued_ratio=40), WorkerCounts(), NO_END, 1, "nQueueLimitWorkerRatio"),
        (
            WorkerLimits(total=100, queued_ratio=40, queued_min=5),
            WorkerCounts(running=9),
            NO_END,
            5,
            "nQueueLimitWorkerMin",
        ),
        (
            WorkerLimits(total=100, queued=3, queued_ratio=40, queued_min=5),
            WorkerCounts(),
            NO_END,
            3,
            "nQueueLimitWorker",
        ),
        (WorkerLimits(total=100, queued_min=5), WorkerCounts(), NO_END, 100, "maxWorkers"),
        (WorkerLimits(total=100, cores=16), WorkerCounts(queued_cores=4), NO_END, 12, "nQueueLimitWorkerCores"),
        (
            WorkerLimits(total=100, cores_ratio=50),
            WorkerCounts(running_cores=9),
            NO_END,
            4,
            "nQueueLimitWorkerCoresRatio",
        ),
        (WorkerLimits(total=100, cores_ratio=50, cores_min=7), WorkerCounts(), NO_END, 7, "nQueueLimitWorkerCoresMin"),
        (WorkerLimits(total=100, cores_ratio=50, queued_min=8), WorkerCounts(), NO_END, 8, "nQueueLimitWorkerMin"),
        (WorkerLimits(total=100, ram_mb=4000), WorkerCounts(queued_ram_mb=3998), NO_END, 2, "nQueueLimitWorkerMemory"),
        (
            WorkerLimits(total=9, ram_ratio=50, queued_min=2),
            WorkerCounts(queued_ram_mb=1999),
            NO_END,
            1,
            "nQueueLimitWorkerMin",
        ),
    ],
)
def test_the_tightest_limit_decides(
    given_limits: WorkerLimits, given_counts: WorkerCounts, demand: Demand, new_workers: int, limit: str
):
    sizing = size_workers(given_limits, given_counts, demand)
    assert (sizing.new_workers, sizing.limit) == (new_workers, limit)


def test_the_reason_tells_the_share_that_decided():
    sizing = size_workers(WorkerLimits(total=100, queued_ratio=40), WorkerCounts(queued=3, running=10), NO_END)
    assert sizing.reason == "3 of 4 workers are queued, 40 % of the 10 workers that run"


def test_orders_are_served_in_proportion_and_those_that_go_first_get_what_is_left():
    score, mcore = WorkerKind(resource_type="SCORE"), WorkerKind(resource_type="MCORE")
    demand = Demand((Want(5, score), Want(5, mcore, goes_first=True)), "order of the server", "ordered")
    sizing = size_workers(WorkerLimits(queued=3, total=100), WorkerCounts(), demand)
    assert [(share.kind, share.number) for share in sizing.shares] == [(score, 1), (mcore, 2)]
    assert {share.limit for share in sizing.shares} == {"nQueueLimitWorker"}
    assert list(sizing.kinds(2)) == [score, mcore]


def test_each_kind_knows_what_kept_it_from_more():
    small, large = Want(2, WorkerKind(resource_type="SCORE")), Want(2, WorkerKind(resource_type="MCORE"), cores=8)
    demand = Demand((small, large), "order of the server", "ordered")
    sizing = size_workers(WorkerLimits(total=100, cores=10), WorkerCounts(), demand)
    assert [(share.number, share.limit) for share in sizing.shares] == [
        (2, "order of the server"),
        (1, "nQueueLimitWorkerCores"),
    ]


def test_without_any_want_nobody_is_asked_for_room():
    assert size_workers(WorkerLimits(), WorkerCounts(), Demand((), "x", "nobody")) == Sizing(0, "x", "nobody")


@MANY
@given(limits, counts, demands)
def test_no_limit_is_ever_exceeded(given_limits: WorkerLimits, given_counts: WorkerCounts, demand: Demand):
    sizing = size_workers(given_limits, given_counts, demand)
    assert sizing.new_workers == sum(share.number for share in sizing.shares)
    assert all(0 <= share.number <= share.wanted for share in sizing.shares)
    if sizing.new_workers == 0:
        return
    given_by = list(zip(demand.wants, (share.number for share in sizing.shares), strict=True))
    cores = given_counts.queued_cores + sum(want.cores * number for want, number in given_by)
    ram = given_counts.queued_ram_mb + sum(want.ram_mb * number for want, number in given_by)
    if given_limits.queued is not None:
        assert given_counts.queued + sizing.new_workers <= max(given_limits.queued, 1)
    if given_limits.total > 0:
        assert given_counts.live + sizing.new_workers <= given_limits.total
    assert given_limits.cores is None or cores <= given_limits.cores
    assert given_limits.ram_mb is None or ram <= given_limits.ram_mb
    for at_most in (given_limits.per_cycle, given_limits.instance_per_cycle):
        assert at_most == 0 or sizing.new_workers <= at_most


@MANY
@given(limits, counts, demands)
def test_a_queue_with_work_and_room_is_never_starved(
    given_limits: WorkerLimits, given_counts: WorkerCounts, demand: Demand
):
    sizing = size_workers(given_limits, given_counts, demand)
    if not demand.wants:
        return
    largest = Want(1, cores=max(want.cores for want in demand.wants), ram_mb=max(want.ram_mb for want in demand.wants))
    rooms = list(rooms_of(given_limits, given_counts, largest))
    has_use = any(want.number and all(room.places(want) for room in rooms) for want in demand.wants)
    assert (sizing.new_workers > 0) == has_use


@MANY
@given(limits, counts, demands)
def test_no_further_worker_would_fit(given_limits: WorkerLimits, given_counts: WorkerCounts, demand: Demand):
    sizing = size_workers(given_limits, given_counts, demand)
    places = [at_most for at_most in (given_limits.per_cycle, given_limits.instance_per_cycle) if at_most]
    if not demand.wants or sizing.new_workers in places:
        return
    largest = Want(1, cores=max(want.cores for want in demand.wants), ram_mb=max(want.ram_mb for want in demand.wants))
    rooms = list(rooms_of(given_limits, given_counts, largest))
    given_by = list(zip(demand.wants, (share.number for share in sizing.shares), strict=True))
    for want, number in given_by:
        fits = all(
            room.left - sum(room.measure.cost(each) * n for each, n in given_by) >= room.measure.cost(want)
            for room in rooms
        )
        assert number == want.number or not fits


@MANY
@given(plain_limits, counts, demands)
def test_more_live_workers_never_give_more_new_ones(
    given_limits: WorkerLimits, given_counts: WorkerCounts, demand: Demand
):
    more = WorkerCounts(given_counts.queued + 1, given_counts.ready, given_counts.running + 1)
    fewer_new = size_workers(given_limits, more, demand).new_workers
    assert fewer_new <= size_workers(given_limits, given_counts, demand).new_workers


@MANY
@given(limits, counts, demands)
def test_every_decision_has_a_reason(given_limits: WorkerLimits, given_counts: WorkerCounts, demand: Demand):
    sizing = size_workers(given_limits, given_counts, demand)
    assert sizing.limit
    assert sizing.reason
    assert (sizing.new_workers == demand.number) == (sizing.limit == demand.limit)


@MANY
@given(st.lists(st.builds(Room, numbers, st.just("limit"), st.just(""), st.sampled_from(Measure))), st.lists(wants))
def test_planned_workers_are_let_in_as_long_as_they_fit(rooms: list[Room], plans: list[Want]):
    gate = Admission(rooms)
    admitted = [plan for plan in plans if gate.refusal(plan) is None]
    for room in rooms:
        assert sum(room.measure.cost(plan) for plan in admitted) <= max(room.left, 0)
