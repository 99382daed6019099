"""Pause, drain and resume from outside, while a real service runs."""

import pytest

from system_harness.judges import judge, local_batch_jobs
from system_harness.queues import MAX_WORKERS, QUEUE, local_pull, local_push, some_jobs
from system_harness.site import Site

pytestmark = pytest.mark.system

JOBS = 8


def test_nothing_is_fetched_or_submitted_while_a_queue_is_paused(site: Site):
    site.configure({QUEUE: local_push(site)})
    site.start()
    site.until_logged("started")
    site.told_by("queue", "pause", QUEUE, "--reason", "the roof leaks")
    site.until_logged("queue is held back", "the roof leaks")
    site.server.control.add_jobs(some_jobs(JOBS))
    site.survive(3)
    assert site.server.control.job_counts() == {"activated": JOBS}
    assert "the roof leaks" in site.told_by("queue", "explain", QUEUE)
    site.told_by("queue", "resume", QUEUE)
    site.until_jobs_end()
    site.until_workers_end()
    assert site.terminate() == 0
    judge(site, local_batch_jobs(site), jobs=JOBS, max_workers=MAX_WORKERS)


def test_a_drained_queue_ends_what_it_has(site: Site):
    site.configure({QUEUE: local_push(site)})
    site.server.control.add_jobs(some_jobs(JOBS))
    site.start()
    site.until_running(1)
    site.told_by("queue", "drain", QUEUE, "--reason", "moving house")
    site.until_logged("queue is held back", "moving house")
    site.server.control.add_jobs([{**each, "outFiles": f"late.{n}.out"} for n, each in enumerate(some_jobs(JOBS))])
    site.until(lambda: site.server.control.job_counts() == {"finished": JOBS, "activated": JOBS}, "what it has is done")
    site.until_workers_end()
    assert site.terminate() == 0


def test_no_further_pilots_are_started_for_a_drained_pull_queue(site: Site):
    site.configure({QUEUE: local_pull(site)})
    site.start()
    site.until(lambda: len(local_batch_jobs(site)) >= MAX_WORKERS, "pilots run")
    site.told_by("queue", "drain", QUEUE, "--reason", "moving house")
    site.until_logged("queue is held back", "moving house")
    site.until(lambda: all(each.ended for each in local_batch_jobs(site)), "all pilots have ended")
    before = len(local_batch_jobs(site))
    site.survive(3)
    assert len(local_batch_jobs(site)) == before
    assert site.terminate() == 0
