"""SIGKILL at every named point: after the restart every job finishes, none runs twice, nothing is left behind."""

import random
from functools import partial
from pathlib import Path

import pytest

from system_harness.judges import judge, local_batch_jobs, local_markers
from system_harness.points import SUBMISSION
from system_harness.queues import MAX_WORKERS, QUEUE, local_pull, local_push, some_jobs
from system_harness.site import Row, Site

pytestmark = pytest.mark.system

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
TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize("point", [*SUBMISSION, *REST, "submitter.after_submit:2", "monitor.before_commit:3"])
def test_push(site: Site, point: str):
    site.configure({QUEUE: local_push(site)})
    site.server.control.add_jobs(some_jobs(JOBS))
    site.die_and_come_back(point)
    site.until_jobs_end()
    site.until_workers_end()
    assert site.terminate() == 0
    judge(site, local_batch_jobs(site), jobs=JOBS, max_workers=MAX_WORKERS)


@pytest.mark.parametrize("point", SUBMISSION)
def test_pull(site: Site, point: str):
    site.configure({QUEUE: local_pull(site)})
    site.server.control.add_jobs(some_jobs(JOBS))
    site.die_and_come_back(point)
    site.until_jobs_end()
    assert site.terminate() == 0
    site.take_offline()
    site.start()
    site.follow_all(partial(local_markers, site))
    judge(site, local_batch_jobs(site), jobs=JOBS, max_workers=MAX_WORKERS)


@pytest.mark.parametrize("where", ["DiesBeforeEntry", "DiesAfterEntry", "DiesAfterStart"])
def test_inside_the_plugin(site: Site, where: str):
    queue = local_push(site)
    queue["submitter"] = {**submitter_of(queue), "module": "system_harness.dying", "name": where}
    site.configure({QUEUE: queue})
    site.add_plugins(TESTS)
    site.server.control.add_jobs(some_jobs(JOBS))
    site.die_and_come_back("")
    site.until_jobs_end()
    site.until_workers_end()
    assert site.terminate() == 0
    judge(site, local_batch_jobs(site), jobs=JOBS, max_workers=MAX_WORKERS)


def submitter_of(queue: Row) -> Row:
    """The submitter's block without the name of its plugin."""
    block = queue["submitter"]
    assert isinstance(block, dict)
    return {key: value for key, value in block.items() if key != "plugin"}


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_again_and_again_at_random_moments(site: Site, seed: int):
    moments = random.Random(seed)
    site.configure({QUEUE: local_push(site)})
    jobs = some_jobs(5 * JOBS)
    for first in range(0, 4 * JOBS, JOBS):
        site.server.control.add_jobs(jobs[first : first + JOBS])
        site.start()
        site.survive(moments.uniform(0.8, 3.0))
        site.kill()
    site.server.control.add_jobs(jobs[-JOBS:])
    site.start()
    excused = site.jobs_of_lost_answers(before=4 * JOBS)
    site.until_jobs_end(but=excused)
    site.until_workers_end()
    assert site.terminate() == 0
    judge(site, local_batch_jobs(site), jobs=len(jobs), max_workers=MAX_WORKERS, but=excused)


def test_killed_while_it_sweeps(site: Site):
    site.configure({QUEUE: local_push(site)}, {"sweeper": {"keepFinished": 0}})
    site.server.control.add_jobs(some_jobs(JOBS))
    site.die_and_come_back("sweeper.before_commit")
    site.until_jobs_end()
    site.until(lambda: not local_batch_jobs(site), "the resource's book is empty")
    site.until(lambda: not any((site.directory / "access").iterdir()), "all access points are gone")
    assert site.terminate() == 0
    judge(site, (), jobs=JOBS, max_workers=MAX_WORKERS)
