"""Jobs in the database."""

import pytest
from store_tools import (
    FENCE,
    LEASE,
    NOW,
    a_job,
    after,
    end,
    fetch,
    fetch_to,
    find_job,
    intend,
    submit,
)

from harvester.core.events import EventMode
from harvester.core.files import File, FileKind, FileStatus
from harvester.core.jobs import JobStatus, JobSubstatus
from harvester.core.workers import MapType
from harvester.store import files, history, jobs, leases, workers
from harvester.store.engine import Database
from harvester.store.jobs import NewJob
from harvester.store.leases import JOB_REPORT, TOGETHER, ClaimTicket
from harvester.store.schema import JobPhase
from harvester.store.schema import jobs as job_table


def ended(job_id: int) -> dict[str, object]:
    return {"job_id": job_id, "status": JobStatus.FINISHED, "phase": JobPhase.SWEEP, "due": NOW}


def claim_reports(db: Database, fence: int = 66) -> list[int]:
    with db.write() as connection:
        found = jobs.claim_to_report(connection, ClaimTicket(fence, NOW + TOGETHER, NOW + LEASE, limit=100))
    return sorted(each.job_id for each in found)


def test_reports_may_leave_jobs_out_that_search_for_hyper_parameters(db: Database):
    new = [a_job(1), a_job(2, events=EventMode.RANGES), a_job(3, events=EventMode.SAMPLES)]
    with db.write() as connection:
        jobs.insert_fetched(connection, [NewJob(each, {}) for each in new], NOW)
        ticket = ClaimTicket(FENCE, NOW + TOGETHER, NOW + LEASE)
        assert {each.job_id for each in jobs.claim_to_report(connection, ticket, searches=False)} == {1, 2}
        assert {each.job_id for each in jobs.claim_to_report(connection, ticket)} == {3}


# ---- fetching --------------------------------------------------------------------------------------------------------


def test_a_job_comes_back_as_it_was_stored(db: Database):
    job = a_job(
        2**40,
        attempt=3,
        task_id=2**35,
        priority=-5,
        cores=8,
        resource_type="MCORE",
        label="managed",
        attributes={"nEvents": 5},
    )
    with db.write() as connection:
        assert jobs.insert_fetched(connection, [NewJob(job, {"PandaID": 2**40, "jobPars": "x y"})], NOW) == [2**40]
        assert jobs.params_of(connection, [2**40, 1]) == {2**40: {"PandaID": 2**40, "jobPars": "x y"}}
    assert find_job(db, 2**40) == job


def test_a_job_that_the_server_repeats_stays_as_it_is(db: Database):
    with db.write() as connection:
        fetch_to(connection, JobPhase.WORK, 7)
        again = NewJob(a_job(7, attempt=2), {"PandaID": 7, "second": True})
        assert jobs.insert_fetched(connection, [again, NewJob(a_job(8), {})], NOW) == [8]
        assert jobs.params_of(connection, [7]) == {7: {"PandaID": 7}}
    assert find_job(db, 7).attempt == 1


def test_a_job_that_is_done_gives_way_to_its_next_attempt(db: Database):
    with db.write() as connection:
        fetch_to(connection, JobPhase.SWEEP, 7)
        files.insert_new(connection, [File(0, 7, "old", FileKind.OUTPUT, FileStatus.FINISHED)])
        history.record(connection, [history.Event(history.Kind.JOB, 7, NOW, None, "done", "", "test")])
        assert jobs.insert_fetched(connection, [NewJob(a_job(7, attempt=2), {"second": True})], NOW) == [7]
        assert jobs.params_of(connection, [7]) == {7: {"second": True}}
        assert files.of_jobs(connection, [7], list(FileKind)) == {7: []}
        assert history.of(connection, history.Kind.JOB, 7) == []
    assert find_job(db, 7).attempt == 2


def test_a_new_job_is_prepared_at_once_and_reported_soon(db: Database):
    with db.write() as connection:
        fetch(connection, 7)
        found = jobs.claim_phase(connection, JobPhase.PREPARE, ClaimTicket(FENCE, NOW, NOW + LEASE, limit=9))
        assert [each.job_id for each in found] == [7]
        assert leases.next_due(connection, JOB_REPORT) == NOW + TOGETHER
    assert claim_reports(db) == [7]


def test_what_follows_soon_is_told_together_and_what_has_to_be_told_now_is_not_put_off(db: Database):
    with db.write() as connection:
        fetch(connection, 7)
        jobs.trigger_reports(connection, [7], after(seconds=99))
        assert leases.next_due(connection, JOB_REPORT) == NOW + TOGETHER
        jobs.trigger_reports(connection, [7], NOW)
        assert leases.next_due(connection, JOB_REPORT) == NOW


def test_nothing_fetched_changes_nothing(db: Database):
    with db.write() as connection:
        assert jobs.insert_fetched(connection, [], NOW) == []


# ---- choosing --------------------------------------------------------------------------------------------------------


def test_the_best_jobs_come_first(db: Database):
    given = {1: (5, 10), 2: (9, 30), 3: (9, 20), 4: (9, 20), 5: (1, 1)}
    with db.write() as connection:
        new = [NewJob(a_job(each, priority=best, task_id=task), {}) for each, (best, task) in given.items()]
        jobs.insert_fetched(connection, new, NOW)
        fetch_to(connection, JobPhase.SUBMIT, *given)
        best = jobs.best_waiting(connection, "HERE", 4, NOW)
        assert [each.job_id for each in best] == [3, 4, 2, 1]


def test_a_job_that_waits_for_its_next_try_is_not_chosen(db: Database):
    with db.write() as connection:
        fetch_to(connection, JobPhase.WORK, 1, 2)
        jobs.change_working(connection, [{"job_id": 1, "phase": JobPhase.SUBMIT, "due": after(minutes=1)}])
        assert jobs.best_waiting(connection, "HERE", 9, NOW) == []
        assert jobs.count_waiting(connection, ["HERE", "THERE"], NOW) == {"HERE": 0, "THERE": 0}
        assert jobs.count_waiting(connection, ["HERE"], after(minutes=1)) == {"HERE": 1}


def test_a_job_is_bound_once(db: Database):
    with db.write() as connection:
        fetch_to(connection, JobPhase.SUBMIT, 1, 2)
        fetch(connection, 3)
        assert jobs.bind(connection, [1, 3]) == {1}
        assert jobs.bind(connection, [1, 2]) == {2}
        assert jobs.bind(connection, [1, 2]) == frozenset()
        assert jobs.bind(connection, []) == frozenset()


def test_jobs_that_have_not_started_are_counted_by_queue(db: Database):
    with db.write() as connection:
        fetch(connection, 1)
        fetch_to(connection, JobPhase.SUBMIT, 2)
        fetch_to(connection, JobPhase.WORK, 3, 4)
        jobs.change_working(connection, [{"job_id": 4, "status": JobStatus.RUNNING}])
        fetch(connection, 5, queue="THERE")
        assert jobs.count_starting(connection, ["HERE", "THERE", "NOWHERE"]) == {"HERE": 3, "THERE": 1, "NOWHERE": 0}


# ---- working ---------------------------------------------------------------------------------------------------------


def test_a_job_that_has_ended_keeps_its_end(db: Database):
    with db.write() as connection:
        fetch_to(connection, JobPhase.WORK, 1)
        jobs.change_working(connection, [{"job_id": 1, "status": JobStatus.FAILED, "phase": JobPhase.STAGE}])
        jobs.change_working(connection, [{"job_id": 1, "status": JobStatus.FINISHED, "phase": JobPhase.WORK}])
        jobs.note_submitted(connection, [1], NOW)
    assert find_job(db, 1).status is JobStatus.FAILED
    assert find_job(db, 1).substatus is JobSubstatus.FETCHED


def test_a_submitted_job_is_reported(db: Database):
    with db.write() as connection:
        fetch_to(connection, JobPhase.WORK, 1)
    claim_reports(db)
    with db.write() as connection:
        jobs.note_submitted(connection, [1], NOW)
        jobs.note_submitted(connection, [], NOW)
    assert find_job(db, 1).substatus is JobSubstatus.SUBMITTED
    assert claim_reports(db, 67) == [1]


def test_a_job_that_changes_while_it_is_reported_stays_due(db: Database):
    with db.write() as connection:
        fetch(connection, 1, 2)
    assert claim_reports(db) == [1, 2]
    with db.write() as connection:
        jobs.trigger_reports(connection, [1], NOW)
        rows = [{"job_id": each, "substatus": JobSubstatus.DONE} for each in (1, 2)]
        jobs.settle_reports(connection, rows, 66, {"report_due": None, "phase": JobPhase.SWEEP})
        assert leases.next_due(connection, JOB_REPORT) == NOW
    assert find_job(db, 1).substatus is JobSubstatus.FETCHED
    assert find_job(db, 2).substatus is JobSubstatus.DONE
    assert claim_reports(db, 67) == [1]


# ---- kills -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", [JobPhase.PREPARE, JobPhase.SUBMIT, JobPhase.WORK])
def test_an_open_job_can_be_ended(db: Database, phase: JobPhase):
    with db.write() as connection:
        fetch_to(connection, phase, 1)
        assert jobs.lock_open(connection, [1]) == [1]
        jobs.cancel(connection, {1: {"pilotErrorCode": 1144}}, after(seconds=5))
        assert jobs.lock_open(connection, [1]) == []
        jobs.cancel(connection, {1: {"again": 1}}, after(seconds=9))
    job = find_job(db, 1)
    assert (job.status, job.substatus, job.ended_at) == (JobStatus.CANCELLED, JobSubstatus.KILLED, after(seconds=5))
    assert job.attributes == {"pilotErrorCode": 1144}


@pytest.mark.parametrize("phase", [JobPhase.STAGE, JobPhase.REPORT, JobPhase.SWEEP])
def test_a_job_that_has_ended_is_not_ended_again(db: Database, phase: JobPhase):
    with db.write() as connection:
        fetch_to(connection, phase, 1)
        assert jobs.lock_open(connection, [1]) == []
        jobs.cancel(connection, {1: {}}, NOW)
    assert find_job(db, 1).status is not JobStatus.CANCELLED


def test_a_job_with_a_live_worker_is_known(db: Database):
    with db.write() as connection:
        fetch_to(connection, JobPhase.WORK, 1, 2, 3)
        intend(connection, 1, job_ids=(1,))
        submit(connection, 2, job_ids=(2,))
        end(connection, 2)
        intend(connection, 3, job_ids=(3,), map_type=MapType.NO_JOB)
        assert workers.live_of_jobs(connection, [1, 2, 3]) == {1: (1,)}


# ---- the end ---------------------------------------------------------------------------------------------------------


def test_a_job_is_swept_after_its_workers(db: Database):
    with db.write() as connection:
        fetch_to(connection, JobPhase.SWEEP, 1, 2)
        fetch(connection, 3)
        submit(connection, 1, job_ids=(1,))
        end(connection, 1)
        assert jobs.sweepable(connection, ClaimTicket(FENCE, NOW, NOW, limit=9)) == [2]
        assert jobs.sweepable(connection, ClaimTicket(FENCE, after(seconds=-1), after(seconds=-1), limit=9)) == []
        workers.remove(connection, [1], NOW)
        assert sorted(jobs.sweepable(connection, ClaimTicket(FENCE, NOW, NOW, limit=9))) == [1, 2]
        assert len(jobs.sweepable(connection, ClaimTicket(FENCE, NOW, NOW, limit=1))) == 1


def test_a_job_that_waits_for_its_workers_is_not_looked_at_again(db: Database):
    with db.write() as connection:
        fetch_to(connection, JobPhase.SWEEP, 1, 2, 3)
        submit(connection, 1, job_ids=(1, 2))
        submit(connection, 2, job_ids=(2,))
        end(connection, 1, 2)
        ticket = ClaimTicket(FENCE, NOW, NOW, limit=3)
        assert jobs.sweepable(connection, ticket) == [3]
        assert ticket.reached_limit.is_set()
        jobs.remove(connection, [3])
        assert leases.next_due(connection, leases.JOB_WORK, JobPhase.SWEEP) is None
        workers.remove(connection, [1], NOW)
        assert jobs.sweepable(connection, ClaimTicket(FENCE, NOW, NOW, limit=9)) == [1]
        workers.remove(connection, [2], NOW)
        assert sorted(jobs.sweepable(connection, ClaimTicket(FENCE, NOW, NOW, limit=9))) == [1, 2]


def test_a_job_is_kept_as_long_as_it_should_be_when_its_workers_go_before(db: Database):
    later = after(hours=1)
    with db.write() as connection:
        fetch_to(connection, JobPhase.SWEEP, 1)
        connection.execute(job_table.update().values(due=later))
        submit(connection, 1, job_ids=(1,))
        end(connection, 1)
        workers.remove(connection, [1], NOW)
        assert leases.next_due(connection, leases.JOB_WORK, JobPhase.SWEEP) == later


def test_nothing_of_a_removed_job_is_left(db: Database):
    with db.write() as connection:
        fetch(connection, 1, 2)
        both = [File(0, each, "f", FileKind.INPUT, FileStatus.READY) for each in (1, 2)]
        files.insert_new(connection, both)
        events = [history.Event(history.Kind.JOB, each, NOW, None, "x", "y", "z") for each in (1, 2)]
        history.record(connection, events)
        jobs.remove(connection, [1])
        jobs.remove(connection, [])
        assert [each.job_id for each in jobs.find(connection, [1, 2])] == [2]
        assert list(jobs.params_of(connection, [1, 2])) == [2]
        assert {each: len(some) for each, some in files.of_jobs(connection, [1, 2], list(FileKind)).items()} == {
            1: 0,
            2: 1,
        }
        assert history.of(connection, history.Kind.JOB, 1) == []


def test_jobs_for_a_person(db: Database):
    with db.write() as connection:
        fetch(connection, 1, 2)
        fetch(connection, 3, queue="THERE")
        assert [each.job_id for each in jobs.listed(connection, queue="HERE", status=None, limit=9)] == [2, 1]
        assert jobs.listed(connection, queue=None, status=JobStatus.FAILED, limit=9) == []
        assert jobs.listed(connection, queue="HERE", status=None, limit=1) == jobs.find(connection, [2])
        assert jobs.count_by_queue_and_status(connection) == {
            "HERE": {JobStatus.STARTING: 2},
            "THERE": {JobStatus.STARTING: 1},
        }


def test_a_job_that_comes_twice_in_one_answer_is_taken_once(db: Database):
    first, second = NewJob(a_job(1), {"n": 1}), NewJob(a_job(1), {"n": 2})
    with db.write() as connection:
        assert jobs.insert_fetched(connection, [first, second], NOW) == [1]
        assert jobs.params_of(connection, [1]) == {1: {"n": 1}}
