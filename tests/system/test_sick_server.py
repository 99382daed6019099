"""The server goes away or answers nonsense in the middle of a run: nothing is lost, nothing doubled."""

import os

import pytest

from harvester.panda.devserver.faults import FaultKind
from system_harness.judges import judge, local_batch_jobs
from system_harness.queues import QUEUE, local_push, some_jobs
from system_harness.site import Site

pytestmark = pytest.mark.system

MAX_WORKERS = 8
AWAY_SECONDS = float(os.environ.get("HARVESTER_TEST_AWAY_SECONDS", "10"))
"""How long the server is away; 60 in the long version of the run."""

FAULTS = [
    ("pilot/update_jobs_bulk", FaultKind.HTML),
    ("pilot/update_jobs_bulk", FaultKind.HTTP_500),
    ("pilot/update_jobs_bulk", FaultKind.HALF_BODY),
    ("pilot/update_jobs_bulk", FaultKind.HANG),
    ("pilot/update_jobs_bulk", FaultKind.DROP_AFTER),
    ("pilot/update_jobs_bulk", FaultKind.SHORT_LIST),
    ("pilot/update_jobs_bulk", FaultKind.DB_DOWN),
    ("pilot/acquire_jobs", FaultKind.HTML),
    ("pilot/acquire_jobs", FaultKind.HTTP_500),
    ("pilot/acquire_jobs", FaultKind.HANG),
    ("pilot/acquire_jobs", FaultKind.DB_DOWN),
    ("harvester/update_workers", FaultKind.HTML),
    ("harvester/update_workers", FaultKind.HTTP_500),
    ("harvester/update_workers", FaultKind.HALF_BODY),
    ("harvester/update_workers", FaultKind.HANG),
    ("harvester/update_workers", FaultKind.DROP_AFTER),
    ("harvester/update_workers", FaultKind.SHORT_LIST),
]
"""Not among them: an answer to acquire_jobs that gets lost after the server has acted. The protocol has no way to ask
for it again; the server fails such jobs half an hour later and makes new attempts."""


def finish(site: Site, jobs: int) -> None:
    site.until_jobs_end(AWAY_SECONDS + 180)
    site.until_workers_end()
    assert site.terminate() == 0
    judge(site, local_batch_jobs(site), jobs=jobs, max_workers=MAX_WORKERS)


def test_away_for_a_while(site: Site):
    site.configure({QUEUE: local_push(site, max_workers=MAX_WORKERS)})
    site.server.control.add_jobs(some_jobs(100))
    site.start()
    site.until_running(30)
    site.server.go_away()
    site.survive(AWAY_SECONDS)
    site.server.come_back()
    finish(site, 100)


def test_away_at_the_start(site: Site):
    site.configure({QUEUE: local_push(site, max_workers=MAX_WORKERS)})
    site.server.control.add_jobs(some_jobs(4))
    site.server.go_away()
    site.start()
    site.survive(3)
    site.server.come_back()
    finish(site, 4)


def test_silent_for_a_while(site: Site):
    """Whoever began to ask a silent server must not wait for its answer once it is well again."""
    site.configure({QUEUE: local_push(site, max_workers=MAX_WORKERS)}, {"pandacon": {"timeout": 180}})
    site.server.control.add_jobs(some_jobs(30))
    site.start()
    site.until_running(10)
    for method in ("pilot/update_jobs_bulk", "harvester/update_workers"):
        site.server.control.fault(FaultKind.HANG, method, seconds=600)
    site.survive(AWAY_SECONDS)
    site.server.control.clear_faults()
    site.until_jobs_end(60)
    finish(site, 30)


@pytest.mark.parametrize("method", sorted({method for method, _ in FAULTS}))
def test_faults_one_after_the_other(site: Site, method: str):
    kinds = [kind for each, kind in FAULTS if each == method]
    site.configure({QUEUE: local_push(site, max_workers=MAX_WORKERS, nQueueLimitJob=10)})
    site.server.control.add_jobs(some_jobs(30))
    for kind in kinds:
        site.server.control.fault(kind, method, count=1, seconds=1)
    site.start()
    finish(site, 30)
