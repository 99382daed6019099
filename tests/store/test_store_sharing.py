"""Jobs that several workers share, and workers that share jobs, on each engine."""

from datetime import timedelta

from store_tools import NOW, after, end, fetch_to, find_job, intend, submit

from harvester.core.grouping import Tally
from harvester.core.jobs import JobStatus, JobSubstatus
from harvester.core.workers import MapType, WorkerStatus
from harvester.store import jobs, shared_workers, worker_counts, workers
from harvester.store.engine import Database
from harvester.store.schema import JobPhase

SHARED = MapType.ONE_TO_MANY


def test_a_shared_job_grows_until_it_has_its_workers_and_when_one_has_ended(db: Database):
    with db.write() as connection:
        fetch_to(connection, JobPhase.SUBMIT, 7, 8)
        assert jobs.bind_shared(connection, {7: 2, 8: 1}, NOW) == {7, 8}
        submit(connection, 1, map_type=SHARED, job_ids=(7,))
        submit(connection, 2, map_type=SHARED, job_ids=(8,))
        assert jobs.count_growing(connection, ["HERE", "THERE"], NOW) == {"HERE": 1}
        assert [job.job_id for job in jobs.best_growing(connection, "HERE", 9, NOW, 3)] == [7]
        jobs.bind_shared(connection, {7: 5}, after(minutes=1))
        intend(connection, 3, map_type=SHARED, job_ids=(7,))
        assert shared_workers.tallies(connection, [7, 8]) == {7: Tally(2, 2, 2), 8: Tally(1, 1, 1)}
        end(connection, 1)
        assert jobs.count_growing(connection, ["HERE"], NOW) == {}
        assert jobs.count_growing(connection, ["HERE"], after(minutes=1)) == {"HERE": 1}
        assert jobs.best_growing(connection, "HERE", 9, after(minutes=1), 2) == []
        assert shared_workers.tallies(connection, [7]) == {7: Tally(1, 2, 2)}


def test_a_job_that_is_to_grow_no_more_gets_no_worker(db: Database):
    with db.write() as connection:
        fetch_to(connection, JobPhase.SUBMIT, 7)
        jobs.bind_shared(connection, {7: 2}, NOW)
        jobs.stop_growing(connection, [7])
        assert jobs.bind_shared(connection, {7: 2}, NOW) == frozenset()
        assert jobs.count_growing(connection, ["HERE"], NOW) == {}


def test_a_job_without_workers_has_none_counted(db: Database):
    with db.write() as connection:
        fetch_to(connection, JobPhase.SUBMIT, 7)
        assert shared_workers.tallies(connection, [7]) == {7: Tally(0, 0, None)}
        assert shared_workers.of_jobs(connection, [7]) == {}


def test_an_ended_worker_of_a_job_is_still_one_of_its_workers(db: Database):
    with db.write() as connection:
        fetch_to(connection, JobPhase.SUBMIT, 7)
        jobs.bind_shared(connection, {7: 2}, NOW)
        submit(connection, 1, 2, map_type=SHARED, job_ids=(7,), cores=4)
        end(connection, 2, status=WorkerStatus.FAILED)
        found = [(each.worker_id, each.status, each.cores) for each in shared_workers.of_jobs(connection, [7])[7]]
    assert found == [(1, WorkerStatus.SUBMITTED, 4), (2, WorkerStatus.FAILED, 4)]


def test_workers_that_run_other_open_jobs_are_told(db: Database):
    with db.write() as connection:
        fetch_to(connection, JobPhase.SUBMIT, 7, 8, 9)
        jobs.bind(connection, [7, 8, 9])
        submit(connection, 1, map_type=MapType.MANY_TO_ONE, job_ids=(7, 8))
        submit(connection, 2, map_type=MapType.MANY_TO_ONE, job_ids=(9,))
        assert workers.with_other_open_jobs(connection, [1, 2], [7, 9]) == {1}
        assert workers.with_other_open_jobs(connection, [1, 2], [7, 8, 9]) == frozenset()
        jobs.cancel(connection, {8: {}}, NOW)
        assert workers.with_other_open_jobs(connection, [1], [7]) == frozenset()


def test_a_job_without_its_worker_waits_again(db: Database):
    with db.write() as connection:
        fetch_to(connection, JobPhase.SUBMIT, 7, 8)
        jobs.bind(connection, [7])
        jobs.unbind(connection, [7, 8], after(minutes=1))
        assert [job.job_id for job in jobs.best_waiting(connection, "HERE", 9, NOW)] == [8]
        assert len(jobs.best_waiting(connection, "HERE", 9, after(minutes=1))) == 2
    assert (find_job(db, 7).status, find_job(db, 7).substatus) == (JobStatus.STARTING, JobSubstatus.PREPARED)


def test_a_postponed_job_waits_until_then_and_cores_are_written(db: Database):
    with db.write() as connection:
        fetch_to(connection, JobPhase.SUBMIT, 7, 8)
        jobs.postpone(connection, [7], NOW + timedelta(hours=1))
        jobs.set_cores(connection, {7: 4})
        jobs.set_cores(connection, {})
        assert [job.job_id for job in jobs.best_waiting(connection, "HERE", 9, NOW)] == [8]
    assert find_job(db, 7).cores == 4


def test_workers_without_a_job_are_counted_while_they_live(db: Database):
    with db.write() as connection:
        fetch_to(connection, JobPhase.SUBMIT, 7)
        jobs.bind(connection, [7])
        submit(connection, 1, job_ids=(7,))
        submit(connection, 2, 3)
        intend(connection, 4)
        end(connection, 3)
        assert worker_counts.jobless(connection, "HERE") == 2
