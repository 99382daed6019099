"""Workers by the jobs that they share (core reference §4.1, §4.4 OneToMany)."""

from collections import defaultdict
from collections.abc import Collection

from sqlalchemy import Connection, case, delete, func, select

from harvester.core.grouping import Tally
from harvester.core.shared_jobs import JobWorker
from harvester.core.workers import FINAL_WORKER_STATUSES
from harvester.store.schema import job_workers, jobs, workers
from harvester.store.sets import one_of


def tallies(connection: Connection, job_ids: Collection[int]) -> dict[int, Tally]:
    """The workers of each job, counted."""
    live = case((workers.c.status.not_in(FINAL_WORKER_STATUSES), 1), else_=0)
    joined = jobs.outerjoin(job_workers, job_workers.c.job_id == jobs.c.job_id).outerjoin(
        workers, workers.c.worker_id == job_workers.c.worker_id
    )
    counted = func.sum(case((workers.c.worker_id.is_(None), 0), else_=live))
    query = (
        select(jobs.c.job_id, counted, func.count(workers.c.worker_id), jobs.c.workers_at_once)
        .select_from(joined)
        .where(one_of(connection, jobs.c.job_id, job_ids))
        .group_by(jobs.c.job_id, jobs.c.workers_at_once)
    )
    return {row[0]: Tally(int(row[1]), row[2], row[3]) for row in connection.execute(query)}


def of_jobs(connection: Connection, job_ids: Collection[int]) -> dict[int, list[JobWorker]]:
    """All workers of each job, ended ones included."""
    columns = (workers.c.worker_id, workers.c.status, workers.c.cores, workers.c.started_at, workers.c.ended_at)
    query = (
        select(job_workers.c.job_id, *columns)
        .join(workers, workers.c.worker_id == job_workers.c.worker_id)
        .where(one_of(connection, job_workers.c.job_id, job_ids))
        .order_by(workers.c.worker_id)
    )
    found: dict[int, list[JobWorker]] = defaultdict(list)
    for row in connection.execute(query):
        found[row[0]].append(JobWorker(*row[1:]))
    return found


def forget(connection: Connection, job_ids: Collection[int]) -> None:
    """These jobs wait for their first workers again: none that they were given was ever on the resource."""
    if job_ids:
        connection.execute(delete(job_workers).where(one_of(connection, job_workers.c.job_id, job_ids)))
