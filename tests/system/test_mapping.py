"""Each way in which jobs map to workers, as real processes on this machine."""

from collections import Counter, defaultdict

import pytest

from system_harness.judges import judge_batch_jobs, judge_jobs, local_batch_jobs
from system_harness.queues import QUEUE, local_push, some_jobs
from system_harness.site import Row, Site

pytestmark = pytest.mark.system

PER_WORKER = 3
WORKERS_PER_JOB = 2


def test_jobs_share_workers(site: Site):
    site.configure({QUEUE: local_push(site, mapType="ManyToOne", workerMaker=maker(nJobsPerWorker=PER_WORKER))})
    jobs = some_jobs(3 * PER_WORKER, taskID=7)
    site.server.control.add_jobs(jobs[: 2 * PER_WORKER + 1])
    site.start()
    site.until(lambda: site.server.control.job_counts().get("finished") == 2 * PER_WORKER, "two full groups finished")
    site.server.control.add_jobs(jobs[2 * PER_WORKER + 1 :])
    site.until_jobs_end()
    site.until_workers_end()
    assert site.terminate() == 0
    judge_jobs(site, site.server.control.jobs())
    judge_batch_jobs(site, local_batch_jobs(site))
    assert sorted(len(jobs) for jobs in jobs_by_worker(site).values()) == [PER_WORKER] * 3
    stored = [path.name for path in site.storage.rglob("*") if path.is_file()]
    assert len(stored) == 2 * 3 * PER_WORKER, "an output and a log of each job"


def test_workers_share_a_job(site: Site):
    site.configure({QUEUE: local_push(site, mapType="OneToMany", workerMaker=maker(nWorkersPerJob=WORKERS_PER_JOB))})
    site.server.control.add_jobs(some_jobs(3))
    site.start()
    site.until_jobs_end()
    site.until_workers_end()
    assert site.terminate() == 0
    assert {job["status"] for job in site.server.control.jobs()} == {"finished"}
    assert Counter(site.executions()) == dict.fromkeys(set(site.executions()), WORKERS_PER_JOB)
    judge_batch_jobs(site, local_batch_jobs(site))


def maker(**keys: int) -> Row:
    return {"plugin": "simple", **keys}


def jobs_by_worker(site: Site) -> dict[int, set[int]]:
    """Which jobs each worker has run, by the pilots' own journal."""
    found: dict[int, set[int]] = defaultdict(set)
    for line in site.journal.read_text().splitlines():
        job, worker = map(int, line.split()[:2])
        found[worker].add(job)
    return found
