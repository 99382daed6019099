"""Workers of a real Slurm that find the door, and their tokens, by what their batch jobs are told."""

import pytest

from system_harness.door import door_section, with_door
from system_harness.judges import judge
from system_harness.queues import MAX_WORKERS, QUEUE, some_jobs
from system_harness.site import Site
from system_harness.slurm import SlurmSite

pytestmark = [pytest.mark.system, pytest.mark.real]

JOBS = 6


def test_batch_jobs_talk_http(site: Site, cluster: SlurmSite):
    site.server.control.add_jobs(some_jobs(JOBS))
    site.configure({QUEUE: with_door(cluster.push())}, {"frontend": {**door_section(site), "verbose": True}})
    site.start()
    site.until_jobs_end(180)
    site.until_workers_end()
    assert site.terminate() == 0
    judge(site, cluster.batch_jobs(), jobs=JOBS, max_workers=MAX_WORKERS)
    for method in ("getJobs", "updateJobs", "uploadEventOutputDump"):
        assert site.has_logged(f"method={method}", "status=200"), f"nobody said {method} at the door"
