import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.core.jobs import FINAL_JOB_STATUSES, Job, JobStatus, JobSubstatus, job_status_from_worker, wire_status
from harvester.core.workers import WorkerStatus

_SERVER_KNOWS = {"running", "failed", "finished", "holding", "starting", "transferring"}


@pytest.mark.parametrize(
    ("worker", "status", "substatus"),
    [
        ("pending", "starting", "submitted"),
        ("submitted", "starting", "submitted"),
        ("ready", "starting", "submitted"),
        ("running", "running", "running"),
        ("idle", "running", "idle"),
        ("finished", "finished", "to_transfer"),
        ("failed", "failed", "to_transfer"),
        ("cancelled", "cancelled", "to_transfer"),
        ("missed", "missed", "missed"),
    ],
)
def test_a_job_follows_its_worker(worker: str, status: str, substatus: str):
    assert job_status_from_worker(WorkerStatus(worker)) == (JobStatus(status), JobSubstatus(substatus))


@given(st.sampled_from(WorkerStatus))
def test_a_job_ends_exactly_when_its_worker_does(worker: WorkerStatus):
    status, _ = job_status_from_worker(worker)
    assert status.is_final == worker.is_final


@pytest.mark.parametrize(
    ("status", "substatus", "told"),
    [
        ("starting", "prepared", ("starting", "prepared")),
        ("running", "idle", ("running", "idle")),
        ("finished", "to_transfer", ("transferring", "to_transfer")),
        ("failed", "transferring", ("transferring", "transferring")),
        ("cancelled", "to_transfer", ("transferring", "to_transfer")),
        ("finished", "staged", ("finished", "staged")),
        ("failed", "failed_to_stage_out", ("failed", "failed_to_stage_out")),
        ("failed", "failed_to_prepare", ("failed", "failed_to_prepare")),
        ("cancelled", "killed", ("failed", "cancelled")),
        ("cancelled", "done", ("failed", "cancelled")),
        ("missed", "missed", ("failed", "pilot_closed")),
    ],
)
def test_what_the_server_is_told(status: str, substatus: str, told: tuple[str, str]):
    assert wire_status(Job(1, "Q", JobStatus(status), JobSubstatus(substatus))) == told


@given(st.sampled_from(JobStatus), st.sampled_from(JobSubstatus))
def test_the_server_is_told_only_words_it_knows(status: JobStatus, substatus: JobSubstatus):
    told, _ = wire_status(Job(1, "Q", status, substatus))
    assert told in _SERVER_KNOWS
    assert (told in {"starting", "running"}) == (status not in FINAL_JOB_STATUSES)


def test_only_a_killed_job_ends_before_the_server_knows_its_events():
    told = {
        substatus: wire_status(Job(1, "Q", JobStatus.CANCELLED, substatus), events_open=True)[0]
        for substatus in (JobSubstatus.KILLED, JobSubstatus.STAGED)
    }
    assert told == {JobSubstatus.KILLED: "failed", JobSubstatus.STAGED: "transferring"}
