import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.core.sizing import Sizing, WorkerCounts, WorkerLimits, size_job_fetch, size_workers

numbers = st.integers(0, 200)
limits = st.builds(
    WorkerLimits,
    queued=st.none() | numbers,
    total=numbers,
    per_cycle=numbers,
    instance_per_cycle=numbers,
)
counts = st.builds(WorkerCounts, queued=numbers, ready=numbers, running=numbers)
waiting = st.none() | numbers


@pytest.mark.parametrize(
    ("given_limits", "given_counts", "jobs", "new_workers", "limit"),
    [
        (WorkerLimits(queued=10, total=100), WorkerCounts(), None, 10, "nQueueLimitWorker"),
        (WorkerLimits(queued=10, total=100), WorkerCounts(queued=4), None, 6, "nQueueLimitWorker"),
        (WorkerLimits(queued=10, total=100), WorkerCounts(queued=4, running=95), None, 1, "maxWorkers"),
        (WorkerLimits(queued=10, total=100), WorkerCounts(queued=40, running=95), None, 0, "maxWorkers"),
        (WorkerLimits(queued=10), WorkerCounts(running=10_000), 99, 10, "nQueueLimitWorker"),
        (WorkerLimits(queued=10), WorkerCounts(), None, 0, "maxWorkers"),
        (WorkerLimits(total=100), WorkerCounts(running=60, ready=10), None, 30, "maxWorkers"),
        (WorkerLimits(queued=10, total=100), WorkerCounts(), 3, 3, "jobs"),
        (WorkerLimits(queued=10, total=100), WorkerCounts(), 0, 0, "jobs"),
        (WorkerLimits(queued=10, total=100, per_cycle=2), WorkerCounts(), None, 2, "maxNewWorkersPerCycle"),
        (WorkerLimits(queued=10, total=100, instance_per_cycle=1), WorkerCounts(), 9, 1, "submitter.maxNewWorkers"),
        (WorkerLimits(), WorkerCounts(running=7), 9, 1, "no limit set"),
        (WorkerLimits(), WorkerCounts(queued=1), 9, 0, "no limit set"),
    ],
)
def test_the_tightest_limit_decides(
    given_limits: WorkerLimits, given_counts: WorkerCounts, jobs: int | None, new_workers: int, limit: str
):
    sizing = size_workers(given_limits, given_counts, jobs)
    assert (sizing.new_workers, sizing.limit) == (new_workers, limit)


@given(limits, counts, waiting)
def test_no_limit_is_ever_exceeded(given_limits: WorkerLimits, given_counts: WorkerCounts, jobs: int | None):
    new = size_workers(given_limits, given_counts, jobs).new_workers
    assert new >= 0
    if new == 0:
        return
    if given_limits.queued is not None:
        assert given_counts.queued + new <= max(given_limits.queued, 1)
    if given_limits.total > 0:
        assert given_counts.live + new <= given_limits.total
    if jobs is not None:
        assert new <= jobs
    for at_most in (given_limits.per_cycle, given_limits.instance_per_cycle):
        assert at_most == 0 or new <= at_most


@given(limits, counts, waiting)
def test_room_and_work_always_give_a_worker(given_limits: WorkerLimits, given_counts: WorkerCounts, jobs: int | None):
    queued_limit = given_limits.total if given_limits.queued is None else given_limits.queued
    has_queued_room = given_counts.queued < max(queued_limit, 1)
    has_room = jobs is not None if given_limits.total == 0 else given_counts.live < given_limits.total
    new = size_workers(given_limits, given_counts, jobs).new_workers
    assert (new > 0) == (has_queued_room and has_room and jobs != 0)


@given(limits, counts, waiting)
def test_more_live_workers_never_give_more_new_ones(
    given_limits: WorkerLimits, given_counts: WorkerCounts, jobs: int | None
):
    more = WorkerCounts(given_counts.queued + 1, given_counts.ready, given_counts.running + 1)
    fewer_new = size_workers(given_limits, more, jobs).new_workers
    assert fewer_new <= size_workers(given_limits, given_counts, jobs).new_workers


@given(limits, counts, waiting)
def test_every_decision_has_a_reason(given_limits: WorkerLimits, given_counts: WorkerCounts, jobs: int | None):
    sizing = size_workers(given_limits, given_counts, jobs)
    assert sizing.limit
    assert sizing.reason


@given(limit=st.none() | numbers, starting=numbers, per_request=st.integers(1, 200))
def test_job_requests_stay_within_their_limits(limit: int | None, starting: int, per_request: int):
    wanted = size_job_fetch(limit, starting, per_request).new_workers
    assert 0 <= wanted <= per_request
    assert (wanted > 0) == (limit is not None and starting < limit)
    if limit is not None:
        assert wanted + starting <= max(limit, starting)


def test_a_queue_without_job_limit_fetches_none_and_says_so():
    assert size_job_fetch(None, 0, 500) == Sizing(
        0, "nQueueLimitJob", "nQueueLimitJob is not set, so no jobs are fetched"
    )
