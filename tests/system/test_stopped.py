"""SIGTERM: the work in hand is finished or safely left, and whoever starts next brings it home."""

import random

import pytest

from system_harness.judges import judge, local_batch_jobs
from system_harness.queues import MAX_WORKERS, QUEUE, local_push, some_jobs
from system_harness.site import Site

pytestmark = pytest.mark.system

JOBS = 16


@pytest.mark.parametrize("seed", [1, 2])
def test_at_random_moments(site: Site, seed: int):
    moments = random.Random(seed)
    site.configure({QUEUE: local_push(site)})
    site.server.control.add_jobs(some_jobs(JOBS))
    for _ in range(3):
        site.start()
        site.survive(moments.uniform(1.0, 3.0))
        assert site.terminate() == 0
    site.start()
    site.until_jobs_end()
    site.until_workers_end()
    assert site.terminate() == 0
    judge(site, local_batch_jobs(site), jobs=JOBS, max_workers=MAX_WORKERS)


@pytest.mark.shows("pandacon.timeout")
def test_while_the_server_says_nothing(site: Site):
    site.configure({QUEUE: local_push(site)}, {"pandacon": {"timeout": 60}})
    site.server.control.add_jobs(some_jobs(JOBS))
    site.start()
    site.until_running(1)
    site.server.control.fault("hang", seconds=60)
    site.survive(2)
    assert site.terminate() == 0
    site.server.control.clear_faults()
    site.start()
    site.until_jobs_end()
    site.until_workers_end()
    assert site.terminate() == 0
    judge(site, local_batch_jobs(site), jobs=JOBS, max_workers=MAX_WORKERS)
