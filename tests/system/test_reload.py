"""The queue configuration changes while queues have work: nothing is lost, doubled or looked for in the wrong place."""

import pytest

from crashing.judgement import most_at_once
from system_harness.judges import BatchJob, judge_batch_jobs, judge_jobs, local_batch_jobs
from system_harness.queues import QUEUE, local_push, some_jobs
from system_harness.site import Row, Site

pytestmark = pytest.mark.system

JOBS = 16
MAX_WORKERS = 3
A_WHILE = "--hash-chain 700000"
TAKEN_OVER = "queue configuration taken over"
QUICK = {"qconf": {"checkInterval": 1}}


def moved(queue: Row, site: Site) -> Row:
    """The queue on another resource."""
    places = {"submitter", "monitor", "sweeper"}
    elsewhere = str(site.directory / "elsewhere")
    return {
        key: {**block, "directory": elsewhere} if key in places and isinstance(block, dict) else block
        for key, block in queue.items()
    }


def of_both(site: Site) -> list[list[BatchJob]]:
    return [local_batch_jobs(site, place) for place in ("resource", "elsewhere")]


def judge_everything(site: Site, *, limit: int = MAX_WORKERS) -> None:
    batch_jobs = [each for some in of_both(site) for each in some]
    judge_jobs(site, site.server.control.jobs())
    judge_batch_jobs(site, batch_jobs)
    ran = [(each.started_at, each.ended_at) for each in batch_jobs if each.started_at is not None]
    assert most_at_once(ran) <= limit


def under_load(site: Site, queue: Row, jobs: int = JOBS) -> None:
    """The queue serves jobs, and some of them run."""
    site.configure({QUEUE: queue}, QUICK)
    site.server.control.add_jobs(some_jobs(jobs, jobPars=A_WHILE))
    site.start()
    site.until_running(MAX_WORKERS + 1)


def test_a_queue_moves_to_another_resource_under_load(site: Site):
    queue = local_push(site, max_workers=MAX_WORKERS)
    under_load(site, queue)
    site.configure_queues({QUEUE: moved(queue, site)})
    site.until_logged(TAKEN_OVER, QUEUE)
    site.until_jobs_end()
    site.until_workers_end()
    assert site.terminate() == 0
    assert all(of_both(site))
    judge_everything(site)


def test_a_changed_queue_follows_its_workers_after_it_was_killed(site: Site):
    queue = local_push(site, max_workers=MAX_WORKERS)
    under_load(site, queue)
    site.configure_queues({QUEUE: moved(queue, site)})
    site.until_logged(TAKEN_OVER, QUEUE)
    site.kill()
    site.start()
    site.until_jobs_end()
    site.until_workers_end()
    assert site.terminate() == 0
    judge_everything(site)


def test_a_configuration_with_mistakes_disturbs_nothing(site: Site):
    queue = local_push(site, max_workers=MAX_WORKERS)
    under_load(site, queue)
    site.queue_file.write_text('{"half')
    site.until_logged(str(site.queue_file), "the file was skipped")
    site.configure_queues({QUEUE: {**queue, "maxWorkers": "many"}, "OTHER": queue})
    site.until_logged("last good configuration", QUEUE)
    site.until_logged(TAKEN_OVER, "OTHER")
    site.until_jobs_end()
    site.until_workers_end()
    assert site.terminate() == 0
    judge_everything(site)


def test_a_queue_is_removed_with_work_and_comes_back(site: Site):
    queue = local_push(site, max_workers=MAX_WORKERS, nQueueLimitJob=MAX_WORKERS)
    under_load(site, queue)
    site.configure_queues({})
    site.until_logged(TAKEN_OVER, "removed", QUEUE)
    site.kill()
    site.start()
    site.until_workers_end()
    left = [job for job in site.server.control.jobs() if job["status"] not in {"finished", "failed"}]
    assert left, "a removed queue gets no new jobs and workers"
    site.configure_queues({QUEUE: queue})
    site.until_jobs_end()
    site.until_workers_end()
    assert site.terminate() == 0
    judge_everything(site)
