"""Somebody sets the clock of the machine: nothing stops, nothing is done twice, nobody is killed for it."""

from pathlib import Path

import pytest

from system_harness.judges import judge, local_batch_jobs
from system_harness.queues import MAX_WORKERS, QUEUE, local_push, some_jobs
from system_harness.site import Site

pytestmark = pytest.mark.system

JOBS = 16
HOUR = 3600
STEPPING = Path(__file__).parents[1] / "system_harness" / "stepping"
IMPATIENT = {"monitor": {"checkInterval": 2, "workerQueueTimeLimit": HOUR // 2}}
"""A worker that seems to have waited for an hour would be killed."""


class SystemClock:
    """The clock of the machine, as Harvester sees it."""

    def __init__(self, site: Site) -> None:
        self._file = site.directory / "stepped_by"
        self.step(0)
        site.add_plugins(STEPPING)
        site.environment["STEPPED_BY"] = str(self._file)

    def step(self, seconds: int) -> None:
        fresh = self._file.with_suffix(".new")
        fresh.write_text(str(seconds))
        fresh.replace(self._file)


@pytest.fixture
def clock(site: Site) -> SystemClock:
    return SystemClock(site)


@pytest.mark.parametrize("step", [HOUR, -HOUR])
def test_set_by_an_hour_and_back(site: Site, clock: SystemClock, step: int):
    site.configure({QUEUE: local_push(site)}, IMPATIENT)
    site.server.control.add_jobs(some_jobs(JOBS))
    site.start()
    site.until_running(2)
    clock.step(step)
    site.until_running(6)
    clock.step(0)
    site.until_jobs_end()
    site.until_workers_end()
    assert site.terminate() == 0
    judge(site, local_batch_jobs(site), jobs=JOBS, max_workers=MAX_WORKERS)


def test_put_back_while_nobody_runs(site: Site, clock: SystemClock):
    site.configure({QUEUE: local_push(site)}, IMPATIENT)
    site.server.control.add_jobs(some_jobs(JOBS))
    site.start()
    site.until_running(2)
    assert site.terminate() == 0
    clock.step(-HOUR)
    site.start()
    site.until_logged("the clock of this host was set")
    site.until_jobs_end()
    site.until_workers_end()
    assert site.terminate() == 0
    judge(site, local_batch_jobs(site), jobs=JOBS, max_workers=MAX_WORKERS)
