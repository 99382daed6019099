"""Workers that ask for jobs while they run, on each engine."""

from store_tools import FENCE, LEASE, NOW, after, end, fetch_to, find_job, find_one, submit

from harvester.core.jobs import JobSubstatus
from harvester.core.workers import MapType, WorkerStatus
from harvester.store import asking, jobs, leases
from harvester.store.engine import Database
from harvester.store.leases import WORKER_WORK, ClaimTicket
from harvester.store.schema import JobPhase, WorkerPhase

TICKET = ClaimTicket(FENCE, NOW, NOW + LEASE)
LATE = {"map_type": MapType.MANY_TO_ONE, "late_binding": True}


def test_a_wish_is_noted_once_and_claimed(db: Database):
    with db.write() as connection:
        submit(connection, 1, 2, **LATE)
        asking.note_asked(connection, {1: 3}, NOW)
        asking.note_asked(connection, {1: 5}, NOW)
        assert leases.next_due(connection, WORKER_WORK, WorkerPhase.MONITOR) == NOW
        assert [(each.worker.worker_id, each.jobs_asked) for each in asking.claim(connection, TICKET)] == [(1, 3)]
        assert asking.claim(connection, TICKET) == []
    assert find_one(db, 1).worker.late_binding is True


def test_jobs_are_bound_and_told(db: Database):
    with db.write() as connection:
        fetch_to(connection, JobPhase.SUBMIT, 7, 8, 9)
        submit(connection, 1, 2, **LATE)
        jobs.bind(connection, [7, 8])
        asking.bind(connection, {1: [7, 8]})
        assert asking.untold(connection, [1, 2]) == {1: {7, 8}}
        assert asking.lock_jobs_of(connection, [1, 2]) == {1: {7, 8}, 2: frozenset()}
    assert (find_job(db, 7).substatus, find_one(db, 1).worker.job_ids) == (JobSubstatus.QUEUED, (7, 8))
    with db.write() as connection:
        asking.note_told(connection, [1])
        asking.note_told(connection, [])
        assert asking.untold(connection, [1]) == {}
        asking.unrelate(connection, [(1, 7)])
        asking.unrelate(connection, [])
    assert find_one(db, 1).worker.job_ids == (8,)


def test_what_becomes_of_a_worker_that_has_ended_meanwhile_is_not_written(db: Database):
    rows = [{"worker_id": each, "status": WorkerStatus.RUNNING, "jobs_asked": 0, "due": None} for each in (1, 2)]
    with db.write() as connection:
        submit(connection, 1, 2, **LATE)
        asking.note_asked(connection, {1: 1, 2: 1}, NOW)
        asking.claim(connection, TICKET)
        end(connection, 2)
        asking.settle(connection, rows, FENCE)
    assert [find_one(db, each).worker.status for each in (1, 2)] == [WorkerStatus.RUNNING, WorkerStatus.FINISHED]


def test_workers_that_wait_for_jobs_are_due_when_some_come(db: Database):
    with db.write() as connection:
        submit(connection, 1, 2, **LATE)
        asking.note_asked(connection, {1: 1}, NOW)
        asking.claim(connection, TICKET)
        asking.settle(connection, [{"worker_id": 1, "due": after(minutes=1)}], FENCE)
        asking.hasten(connection, ["THERE"], NOW)
        assert asking.claim(connection, TICKET) == []
        asking.hasten(connection, ["HERE"], NOW)
        assert [each.worker.worker_id for each in asking.claim(connection, TICKET)] == [1]
