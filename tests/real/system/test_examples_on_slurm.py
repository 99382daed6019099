"""The example configurations for Slurm do what they are for on a real cluster: only places are replaced."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from system_harness.examples import EXAMPLES, adopt
from system_harness.judges import judge_batch_jobs, judge_jobs
from system_harness.queues import push_command, some_jobs
from system_harness.site import PILOT_COMMAND, Row, Site
from system_harness.slurm import SlurmSite

pytestmark = [pytest.mark.system, pytest.mark.real]

QUICK = {
    "monitor": {"checkInterval": 1, "sleepTime": 1},
    "submitter": {"lookupTime": 1, "sleepTime": 1},
    "jobfetcher": {"lookupTime": 1, "sleepTime": 1},
}
NODES = 2
CPUS = 64
"""More than the examples say, so that two of their workers fit onto a node."""


class Cluster(Protocol):
    """What the fixture of a real cluster gives."""

    conf: Path


class StartSlurm(Protocol):
    """Starts one."""

    def __call__(self, *, cpus: int, nodes: int) -> Cluster: ...


@pytest.fixture(scope="module")
def nodes(start_slurm: StartSlurm) -> Cluster:
    """A cluster of some large nodes."""
    return start_slurm(cpus=CPUS, nodes=NODES)


@pytest.fixture
def cluster(site: Site, nodes: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlurmSite]:
    """The cluster as the machine's own, as the examples have it."""
    monkeypatch.setenv("SLURM_CONF", str(nodes.conf))
    made = SlurmSite(site, nodes.conf)
    yield made
    made.cancel()


def adopt_with_template(site: Site, name: str, template: str, pilot: str, script: str) -> None:
    """The example with its batch script, which starts the given script in the place of the pilot."""
    run = site.directory / "pilot.sh"
    run.write_text(f"#!/bin/bash\n{script}\n")
    run.chmod(0o755)
    here = site.directory / template
    here.write_text((EXAMPLES / name / template).read_text().replace(pilot, str(run)))
    places = {
        f"/opt/harvester/etc/panda/{template}": str(here),
        "/shared/harvester/": f"{site.directory}/access/",
        pilot: str(run),
    }
    adopt(site, name, places, QUICK)


def words(command: list[str]) -> str:
    return " ".join(f"'{word}'" for word in command)


def end(cluster: SlurmSite) -> None:
    site = cluster.site
    site.follow_all(cluster.markers)
    judge_jobs(site, site.server.control.jobs())
    judge_batch_jobs(site, cluster.batch_jobs())


def test_the_slurm_example(site: Site, cluster: SlurmSite):
    pulls = [*PILOT_COMMAND, "--server", site.server.url, "--queue", "HPC_SLURM_PULL", "--wait", "2"]
    pulls += ["--output-dir", str(site.storage), "--journal", str(site.journal)]
    choice = f'if [ "$2" = HPC_SLURM_PULL ]; then exec {words(pulls)}; fi\nexec {words(push_command(site))}'
    adopt_with_template(site, "slurm", "slurm_template.sh", "/opt/pilot/runpilot.sh", choice)
    site.server.control.add_jobs([*some_jobs(4, queue="HPC_SLURM"), *some_jobs(3, queue="HPC_SLURM_PULL")])
    site.start()
    site.until_jobs_end(180)
    assert site.terminate() == 0
    site.take_offline()
    site.start()
    end(cluster)


def test_the_example_of_a_cluster_that_gives_whole_nodes(site: Site, cluster: SlurmSite):
    first_of_the_node_list = '[ "${SLURM_PROCID}" = 0 ] || exit 0\n'
    noted = f'echo "${{SLURM_JOB_NUM_NODES}} ${{OMP_NUM_THREADS}} $2" >>{site.directory}/nodes\n'
    script = f"{first_of_the_node_list}{noted}exec {words(push_command(site))}"
    adopt_with_template(site, "hpc", "multinode_template.sh", "/opt/pilot/mpi_pilot.sh", script)
    site.server.control.add_jobs(some_jobs(3 * NODES, queue="HPC_MULTINODE"))
    site.start()
    site.until_jobs_end(180)
    end(cluster)
    assert sorted(map(len, jobs_by_worker(site).values())) == [NODES] * 3
    told = (site.directory / "nodes").read_text().splitlines()
    assert [line.split()[:2] for line in told] == [[str(NODES), "64"]] * 3
    cores = {fields["nCore"] for fields in map(fields_of, site.server.control.workers())}
    assert cores == {64 * NODES}


def jobs_by_worker(site: Site) -> dict[int, set[int]]:
    """Which jobs each worker has run, by the pilots' own journal."""
    found: dict[int, set[int]] = defaultdict(set)
    for line in site.journal.read_text().splitlines():
        job, worker = map(int, line.split()[:2])
        found[worker].add(job)
    return found


def fields_of(worker: Row) -> Row:
    found = worker["fields"]
    assert isinstance(found, dict)
    return found
