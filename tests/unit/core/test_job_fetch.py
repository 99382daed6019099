import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.core.job_fetch import JobCounts, JobLimits, JobRequest, size_job_fetch

MANY = settings(max_examples=2500)
numbers = st.integers(0, 200)
maybe = st.none() | numbers
percents = st.none() | st.integers(0, 300)
limits = st.builds(
    JobLimits,
    jobs=maybe,
    per_request=st.integers(1, 200),
    ratio=percents,
    least=maybe,
    cores=maybe,
    cores_ratio=percents,
    cores_least=maybe,
)
counts = st.builds(JobCounts, starting=numbers, running=numbers, starting_cores=numbers, running_cores=numbers)


@pytest.mark.shows(
    "queue.nQueueLimitJobRatio", "queue.nQueueLimitJobMin", "queue.nQueueLimitJobCores",
    "queue.nQueueLimitJobCoresRatio", "queue.nQueueLimitJobCoresMin",
)  # fmt: skip
@pytest.mark.parametrize(
    ("given_limits", "given_counts", "jobs", "limit"),
    [
        (JobLimits(100, 500), JobCounts(starting=30), 70, "nQueueLimitJob"),
        (JobLimits(100, 50), JobCounts(starting=30), 50, "jobfetcher.maxJobs"),
        (JobLimits(100, 500), JobCounts(starting=130), 0, "nQueueLimitJob"),
        (JobLimits(100, 500, ratio=50), JobCounts(starting=3, running=40), 17, "nQueueLimitJobRatio"),
        (JobLimits(100, 500, ratio=50), JobCounts(), 1, "nQueueLimitJobRatio"),
        (JobLimits(100, 500, ratio=50, least=10), JobCounts(running=4), 10, "nQueueLimitJobMin"),
        (JobLimits(5, 500, ratio=50, least=10), JobCounts(running=4), 5, "nQueueLimitJob"),
        (JobLimits(0, 500, ratio=50, least=10), JobCounts(running=4), 0, "nQueueLimitJob"),
        (JobLimits(100, 500, cores=64), JobCounts(starting=4, starting_cores=32), 4, "nQueueLimitJobCores"),
        (JobLimits(100, 500, cores=64), JobCounts(starting=4, starting_cores=63), 1, "nQueueLimitJobCores"),
        (JobLimits(100, 500, cores=64), JobCounts(starting=4, starting_cores=64), 0, "nQueueLimitJobCores"),
        (JobLimits(100, 500, cores_ratio=50), JobCounts(running_cores=40), 20, "nQueueLimitJobCoresRatio"),
        (JobLimits(100, 500, cores_ratio=50, cores_least=9, least=7), JobCounts(), 9, "nQueueLimitJobCoresMin"),
        (JobLimits(100, 500, cores_ratio=50, cores_least=4, least=7), JobCounts(), 7, "nQueueLimitJobMin"),
    ],
)
def test_the_tightest_limit_decides(given_limits: JobLimits, given_counts: JobCounts, jobs: int, limit: str):
    request = size_job_fetch(given_limits, given_counts)
    assert (request.jobs, request.limit) == (jobs, limit)


def test_jobs_are_charged_with_the_cores_of_the_queue_before_any_is_there():
    assert size_job_fetch(JobLimits(100, 500, cores=64), JobCounts(), usual_cores=8).jobs == 8


@MANY
@given(limits, counts, st.integers(0, 64))
def test_requests_stay_within_their_limits(given_limits: JobLimits, given_counts: JobCounts, usual_cores: int):
    wanted = size_job_fetch(given_limits, given_counts, usual_cores).jobs
    assert 0 <= wanted <= given_limits.per_request
    if given_limits.jobs is None:
        assert wanted == 0
        return
    assert wanted + given_counts.starting <= max(given_limits.jobs, given_counts.starting)
    if given_limits.cores is not None:
        assert wanted + given_counts.starting_cores <= max(given_limits.cores, given_counts.starting_cores)


@MANY
@given(limits, counts, st.integers(0, 64))
def test_a_queue_with_room_asks(given_limits: JobLimits, given_counts: JobCounts, usual_cores: int):
    has_room = given_limits.jobs is not None and given_counts.starting < given_limits.jobs
    has_room &= given_limits.cores is None or given_counts.starting_cores < given_limits.cores
    idle = given_counts.starting == given_counts.starting_cores == 0
    no_share = given_limits.ratio is given_limits.cores_ratio is None
    if idle or no_share:
        assert (size_job_fetch(given_limits, given_counts, usual_cores).jobs > 0) == has_room


def test_a_queue_without_job_limit_fetches_none_and_says_so():
    told = "nQueueLimitJob is not set, so no jobs are fetched"
    assert size_job_fetch(JobLimits(None, 500), JobCounts()) == JobRequest(0, "nQueueLimitJob", told)
