"""SIGKILL at every named point of a submission to a real Slurm: all finish, none twice, no batch job left behind."""

import pytest

from system_harness.judges import judge
from system_harness.points import SUBMISSION
from system_harness.queues import MAX_WORKERS, QUEUE, some_jobs
from system_harness.site import Site
from system_harness.slurm import SlurmSite

pytestmark = [pytest.mark.system, pytest.mark.real]

JOBS = 6


def bring_home(cluster: SlurmSite) -> None:
    site = cluster.site
    site.until_jobs_end(180)
    site.follow_all(cluster.markers)
    judge(site, cluster.batch_jobs(), jobs=JOBS, max_workers=MAX_WORKERS)


@pytest.mark.parametrize("point", SUBMISSION)
def test_push(site: Site, cluster: SlurmSite, point: str):
    site.server.control.add_jobs(some_jobs(JOBS))
    site.configure({QUEUE: cluster.push()})
    site.die_and_come_back(point)
    bring_home(cluster)


@pytest.mark.parametrize("point", ["submitter.before_submit", "submitter.after_submit"])
def test_pull(site: Site, cluster: SlurmSite, point: str):
    site.server.control.add_jobs(some_jobs(JOBS))
    site.configure({QUEUE: cluster.pull()})
    site.die_and_come_back(point)
    site.until_jobs_end(180)
    assert site.terminate() == 0
    site.take_offline()
    site.start()
    bring_home(cluster)


@pytest.mark.parametrize("accepted", [False, True], ids=["before the controller is asked", "after it accepted"])
def test_inside_the_plugin(site: Site, cluster: SlurmSite, *, accepted: bool):
    site.server.control.add_jobs(some_jobs(JOBS))
    site.configure({QUEUE: cluster.push(sbatch=cluster.killing_sbatch(accepted=accepted))})
    site.die_and_come_back("")
    bring_home(cluster)
