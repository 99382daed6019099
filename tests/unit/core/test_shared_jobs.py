"""A job that several workers share reaches one end, whatever they do in whatever order."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.core.errors import IllegalTransitionError
from harvester.core.jobs import Job, JobStatus, JobSubstatus
from harvester.core.shared_jobs import JobWorker, shared_state
from harvester.core.workers import WorkerStatus, next_worker_status

NOW = datetime(2026, 8, 10, 7, 0, tzinfo=UTC)
STEPS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(WorkerStatus)), max_size=30)


@given(number=st.integers(1, 4), steps=STEPS, ends=st.lists(st.sampled_from(WorkerStatus), min_size=4, max_size=4))
@settings(max_examples=2500)
def test_any_interleaving_of_workers_brings_the_job_to_the_best_of_their_ends(
    number: int, steps: list[tuple[int, WorkerStatus]], ends: list[WorkerStatus]
):
    job = Job(1, "Q", JobStatus.STARTING, JobSubstatus.PREPARED)
    siblings = [JobWorker(place, WorkerStatus.PENDING, 4, None, None) for place in range(number)]
    now = NOW
    finally_ended = [(place, end) for place, end in enumerate(ends)]
    forced = [(place, WorkerStatus.SUBMITTED) for place in range(number)]
    for place, seen in [*steps, *forced, *finally_ended, *((place, WorkerStatus.FAILED) for place in range(number))]:
        if place < number:
            now += timedelta(minutes=1)
            siblings[place] = step(siblings[place], seen, now)
            was = job
            state = shared_state(job, siblings, now)
            if not was.status.is_final:
                job = replace(job, status=state.status, substatus=state.substatus, started_at=state.started_at)
            assert job.status.is_final == all(each.status.is_final for each in siblings)
            assert was.status is not JobStatus.RUNNING or job.status is not JobStatus.STARTING
            assert state.cores >= 1
    assert job.status is best_end(siblings)


def step(worker: JobWorker, seen: WorkerStatus, now: object) -> JobWorker:
    """A worker that is seen so; what it cannot become changes nothing."""
    try:
        status = next_worker_status(worker.status, seen)
    except IllegalTransitionError:
        return worker
    started = worker.started_at or (now if status is WorkerStatus.RUNNING else None)
    return replace(worker, status=status, started_at=started, ended_at=now if status.is_final else None)


def best_end(siblings: Sequence[JobWorker]) -> JobStatus:
    for status, end in (
        (WorkerStatus.FINISHED, JobStatus.FINISHED),
        (WorkerStatus.FAILED, JobStatus.FAILED),
        (WorkerStatus.CANCELLED, JobStatus.CANCELLED),
    ):
        if any(each.status is status for each in siblings):
            return end
    return JobStatus.MISSED


def test_the_cores_of_an_ended_job_are_what_its_workers_used_over_its_time():
    hour = timedelta(hours=1)
    job = Job(1, "Q", JobStatus.RUNNING, JobSubstatus.RUNNING, started_at=NOW)
    siblings = [
        JobWorker(1, WorkerStatus.FINISHED, 4, NOW, NOW + 2 * hour),
        JobWorker(2, WorkerStatus.FAILED, 8, NOW + hour, NOW + 2 * hour),
        JobWorker(3, WorkerStatus.MISSED, 8, None, NOW),
    ]
    assert shared_state(job, siblings, NOW + 2 * hour).cores == 8
    assert shared_state(replace(job, started_at=None), [siblings[2]], NOW).cores == job.cores
