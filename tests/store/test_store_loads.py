"""What limits on cores, memory and running jobs count."""

from sqlalchemy import update
from store_tools import NOW, a_job, after, claim_intents, end, intend, submit

from harvester.core.job_fetch import JobCounts
from harvester.core.jobs import JobStatus
from harvester.core.loads import Load
from harvester.core.workers import WorkerStatus
from harvester.store import jobs, worker_counts
from harvester.store.engine import Database
from harvester.store.jobs import NewJob
from harvester.store.schema import JobPhase
from harvester.store.schema import jobs as job_table
from harvester.store.schema import workers as worker_table
from harvester.store.worker_counts import Missed


def test_live_workers_are_weighed_by_kind(db: Database):
    with db.write() as connection:
        submit(connection, 1, 2, cores=8, ram_mb=2**31, resource_type="MCORE", pilot_type="PR")
        intend(connection, 3, cores=1, ram_mb=10, resource_type="SCORE", pilot_type="PR")
        claim_intents(connection)
        intend(connection, 4, cores=1, ram_mb=10)
        submit(connection, 5, queue="THERE")
        end(connection, 5)
        assert {
            queue: sorted(found, key=str) for queue, found in worker_counts.loads(connection, ["HERE", "THERE"]).items()
        } == {
            "HERE": sorted(
                [
                    Load(WorkerStatus.SUBMITTED, "MCORE", "PR", 2, 16, 2**32),
                    Load(WorkerStatus.PENDING, "SCORE", "PR", 1, 1, 10),
                    Load(WorkerStatus.PENDING, None, None, 1, 1, 10),
                ],
                key=str,
            ),
            "THERE": [],
        }


def test_jobs_are_weighed_until_their_outputs_are_stored(db: Database):
    with db.write() as connection:
        jobs.insert_fetched(connection, [NewJob(a_job(each, cores=4), {}) for each in range(1, 6)], NOW)
        mine = update(job_table)
        connection.execute(mine.where(job_table.c.job_id <= 2).values(status=JobStatus.RUNNING, phase=JobPhase.WORK))
        connection.execute(mine.where(job_table.c.job_id == 1).values(phase=JobPhase.STAGE))
        assert jobs.count_loads(connection, ["HERE", "THERE"]) == {
            "HERE": JobCounts(starting=3, running=1, starting_cores=12, running_cores=4),
            "THERE": JobCounts(),
        }


def test_failed_submissions_are_counted_by_window_and_element(db: Database):
    with db.write() as connection:
        submit(connection, 1, 2, 3, 4)
        end(connection, 1, 2, status=WorkerStatus.MISSED)
        end(connection, 3)
        connection.execute(update(worker_table).where(worker_table.c.worker_id == 1).values(computing_element="ce1"))
        moments = [NOW, after(seconds=1)]
        found = worker_counts.missed(connection, ["HERE", "THERE"], moments)
        assert sorted(found["HERE"], key=str) == [Missed("ce1", (1, 0)), Missed(None, (1, 0))]
        assert found["THERE"] == []
        assert worker_counts.missed(connection, ["HERE"], []) == {"HERE": []}
