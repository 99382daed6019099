"""SIGKILL at every named point: after the restart every job finishes, none runs twice, nothing is left behind."""

import random
import signal

import pytest
from system_judges import judge, local_batch_jobs
from system_queues import MAX_WORKERS, QUEUE, local_pull, local_push, some_jobs
from system_site import Site

pytestmark = pytest.mark.system

SUBMISSION = [
    "sizer.before_commit",
    "sizer.after_commit",
    "submitter.before_feed",
    "submitter.before_submit",
    "submitter.after_submit",
    "submitter.before_commit",
    "submitter.after_commit",
]
REST = [
    "job fetcher.after_commit",
    "preparator.before_commit",
    "monitor.before_commit",
    "monitor.after_commit",
    "stager.before_commit",
    "stager.after_commit",
    "propagator.before_commit",
    "worker propagator.before_commit",
]
JOBS = 12


def die_and_come_back(site: Site, point: str) -> None:
    site.start(kill_at=point)
    assert site.await_end() == -signal.SIGKILL
    site.start()


@pytest.mark.parametrize("point", [*SUBMISSION, *REST, "submitter.after_submit:2", "monitor.before_commit:3"])
def test_push(site: Site, point: str):
    site.configure({QUEUE: local_push(site)})
    site.server.control.add_jobs(some_jobs(JOBS))
    die_and_come_back(site, point)
    site.until_jobs_end()
    site.until_workers_end()
    assert site.terminate() == 0
    judge(site, local_batch_jobs(site), jobs=JOBS, max_workers=MAX_WORKERS)


@pytest.mark.parametrize("point", SUBMISSION)
def test_pull(site: Site, point: str):
    site.configure({QUEUE: local_pull(site)})
    site.server.control.add_jobs(some_jobs(JOBS))
    die_and_come_back(site, point)
    site.until_jobs_end()
    assert site.terminate() == 0
    site.take_offline()
    site.start()
    site.until_workers_end()
    assert site.terminate() == 0
    judge(site, local_batch_jobs(site), jobs=JOBS, max_workers=MAX_WORKERS)
