"""A process frozen for longer than its claims last, and thawed: another has done its work, and nothing runs twice."""

import signal

import pytest

from system_harness.judges import judge, local_batch_jobs
from system_harness.points import SUBMISSION
from system_harness.queues import MAX_WORKERS, QUEUE, local_push, some_jobs
from system_harness.site import STOPS_WITHIN, Site

pytestmark = pytest.mark.system

JOBS = 16
FROZEN_AT = [point for point in SUBMISSION if point.startswith("submitter")]


@pytest.mark.parametrize("point", FROZEN_AT)
def test_at_every_point_of_a_submission(site: Site, point: str):
    site.configure({QUEUE: local_push(site)})
    site.server.control.add_jobs(some_jobs(JOBS))
    site.start(freeze_at=point)
    frozen = site.leave_frozen()
    site.start()
    site.until_logged("took over from a dead process", f"pid={frozen.pid}")
    site.until_running(1)
    frozen.send_signal(signal.SIGCONT)
    site.until_logged("others took this process for dead")
    site.until_jobs_end()
    site.until_workers_end()
    frozen.terminate()
    assert frozen.wait(STOPS_WITHIN) == 0
    assert site.terminate() == 0
    judge(site, local_batch_jobs(site), jobs=JOBS, max_workers=MAX_WORKERS)
