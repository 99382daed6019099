"""Each way in which jobs map to workers, as real processes on this machine."""

from collections import Counter, defaultdict
from functools import partial

import pytest

from system_harness.judges import judge, judge_batch_jobs, judge_jobs, local_batch_jobs, local_markers
from system_harness.queues import MAX_WORKERS, QUEUE, local_push, push_command, some_jobs
from system_harness.site import Row, Site

pytestmark = pytest.mark.system

PER_WORKER = 3
WORKERS_PER_JOB = 2
JOBS = 8


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
    logs = [path.name for path in site.storage.rglob("*.log.tgz*")]
    assert sorted(name.rpartition("._")[2] for name in logs) == sorted(map(str, jobs_by_worker(site)))
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


def asking(site: Site, number: int, *, wait: float = 2.0, most: int = 1000) -> list[str]:
    """A pilot that asks for jobs by file, as long as some come."""
    return [*push_command(site), "--ask", str(number), "--wait", str(wait), "--most-jobs", str(most)]


def late(site: Site, map_type: str, command: list[str], **keys: int) -> Row:
    return local_push(site, command=command, mapType=map_type, useJobLateBinding=True, workerMaker=maker(**keys))


def test_workers_get_their_job_when_they_ask_for_it(site: Site):
    site.configure({QUEUE: late(site, "OneToOne", asking(site, 1, wait=20, most=1))})
    site.server.control.add_jobs(some_jobs(JOBS))
    site.start()
    finish(site)
    judge(site, local_batch_jobs(site), jobs=JOBS, max_workers=MAX_WORKERS)


def test_workers_that_share_jobs_ask_for_more_of_them(site: Site):
    queue = local_push(site, command=asking(site, 2), mapType="ManyToOne", workerMaker=maker(nJobsPerWorker=2))
    site.configure({QUEUE: {**queue, "maxWorkers": 1, "useJobLateBinding": True}})
    site.server.control.add_jobs(some_jobs(JOBS, taskID=7))
    site.start()
    finish(site)
    judge(site, local_batch_jobs(site), jobs=JOBS, max_workers=1)
    assert len(jobs_by_worker(site)) < JOBS // 2, "no worker was refilled"


def test_workers_are_refilled_that_had_jobs_from_the_start(site: Site):
    queue = local_push(site, command=asking(site, 2), mapType="ManyToOne", workerMaker=maker(nJobsPerWorker=2))
    site.configure({QUEUE: {**queue, "maxWorkers": 1}})
    site.server.control.add_jobs(some_jobs(JOBS, taskID=7))
    site.start()
    finish(site)
    judge(site, local_batch_jobs(site), jobs=JOBS, max_workers=1)
    assert len(jobs_by_worker(site)) < JOBS // 2, "no worker was refilled"


@pytest.mark.parametrize("map_type", ["OneToOne", "ManyToOne"])
@pytest.mark.parametrize(
    "point",
    [
        "feeder.before_feed",
        "feeder.after_feed",
        "feeder.before_commit",
        "feeder.in_commit",
        "feeder.after_commit",
        "monitor.before_commit:3",
    ],
)
def test_killed_while_it_gives_jobs_to_workers(site: Site, point: str, map_type: str):
    most = 1 if map_type == "OneToOne" else 1000
    site.configure({QUEUE: late(site, map_type, asking(site, 1, wait=10, most=most))})
    site.server.control.add_jobs(some_jobs(JOBS, taskID=7))
    site.die_and_come_back(point)
    finish(site)
    judge(site, local_batch_jobs(site), jobs=JOBS, max_workers=MAX_WORKERS)


def finish(site: Site) -> None:
    """Wait for all ends, and stop."""
    site.until_jobs_end()
    site.terminate()
    site.take_offline()
    site.start()
    site.follow_all(partial(local_markers, site))
