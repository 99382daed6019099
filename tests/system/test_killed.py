"""SIGKILL at every named point: after the restart every job finishes, none runs twice, nothing is left behind."""

import random
import signal

import pytest

from system_harness.judges import judge, local_batch_jobs
from system_harness.queues import MAX_WORKERS, QUEUE, local_pull, local_push, some_jobs
from system_harness.site import Site

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
    "monitor.before_commit:2",
    "monitor.after_commit:2",
    "stager.before_commit",
    "stager.after_commit",
    "propagator.before_commit",
    "worker propagator.before_commit",
]
JOBS = 8


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


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_again_and_again_at_random_moments(site: Site, seed: int):
    moments = random.Random(seed)
    site.configure({QUEUE: local_push(site)})
    site.server.control.add_jobs(some_jobs(4 * JOBS))
    for _ in range(4):
        site.start()
        site.survive(moments.uniform(0.8, 3.0))
        site.kill()
    site.start()
    site.until_jobs_end()
    site.until_workers_end()
    assert site.terminate() == 0
    judge(site, local_batch_jobs(site), jobs=4 * JOBS, max_workers=MAX_WORKERS)


def test_killed_while_it_sweeps(site: Site):
    site.configure({QUEUE: local_push(site)}, {"sweeper": {"keepFinished": 0}})
    site.server.control.add_jobs(some_jobs(JOBS))
    die_and_come_back(site, "sweeper.before_commit")
    site.until_jobs_end()
    site.until(lambda: not local_batch_jobs(site), "the resource's book is empty")
    site.until(lambda: not any((site.directory / "access").iterdir()), "all access points are gone")
    assert site.terminate() == 0
    judge(site, (), jobs=JOBS, max_workers=MAX_WORKERS)
