"""`harvester test submitter` and `harvester worker kill` on a real cluster, by what its controller says."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any, Protocol

import pytest

from system_harness.queues import QUEUE, common
from system_harness.site import COMMAND, Row, Site

pytestmark = [pytest.mark.system, pytest.mark.real]

TEMPLATE = """#!/bin/bash
#SBATCH --ntasks={nCoreTotal} --time=10
#SBATCH --comment=of-the-queue
cd {accessPoint}
exec sleep 600
"""


class Cluster(Protocol):
    """What the fixture of a real cluster gives."""

    conf: Path

    def run(self, *command: str) -> str: ...


@pytest.fixture
def queue(site: Site, slurm: Cluster) -> Row:
    """A queue whose workers sleep for ten minutes."""
    template = site.directory / "template.sh"
    template.write_text(TEMPLATE)
    block = {"plugin": "slurm", "templateFile": str(template), "slurmConf": str(slurm.conf)}
    place: Row = {"submitter": block, "monitor": block, "sweeper": block}
    return {"mapType": "NoJob", **common(site, 2), **place}


def jobs_of(cluster: Cluster, name: str) -> dict[str, str]:
    """State and comment of the batch jobs of an instance, by their names; ended ones included."""
    told = cluster.run("squeue", "--noheader", "--array", "--states=all", "-O", "Name:200,State:20,Comment:30")
    rows = [line.split() for line in told.splitlines()]
    return {row[0]: " ".join(row[1:]) for row in rows if row and row[0].startswith(name)}


def probe(site: Site, *arguments: str, code: int) -> dict[str, Any]:
    command = [*COMMAND, "test", *arguments, "--json", "--config", str(site.configuration)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=180)
    assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
    (verdict,) = json.loads(done.stdout)
    found: dict[str, Any] = verdict
    return found


def test_a_worker_that_asks_for_the_same_and_does_nothing(site: Site, slurm: Cluster, queue: Row):
    site.configure({QUEUE: queue})
    verdict = probe(site, "submitter", "--queue", QUEUE, code=0)
    assert verdict["outcome"] == "works"
    ((_, said),) = jobs_of(slurm, f"{site.instance}.test-").items()
    assert said == "COMPLETED of-the-queue"
    assert list(site.directory.glob("access/*")) == []
    assert not site.database.exists()


def test_a_worker_that_takes_too_long_is_cancelled(site: Site, slurm: Cluster, queue: Row):
    site.configure({QUEUE: queue})
    wanted = ("submitter", "--queue", QUEUE, "--payload", "configured", "--timeout", "3")
    verdict = probe(site, *wanted, code=3)
    assert "killed it" in [step["did"] for step in verdict["steps"]]
    ((_, said),) = jobs_of(slurm, f"{site.instance}.test-").items()
    assert said.startswith("CANCELLED")


def test_what_a_killed_test_has_submitted_is_found_and_cancelled(site: Site, slurm: Cluster, queue: Row):
    site.configure({QUEUE: queue})
    command = [*COMMAND, "test", "submitter", "--queue", QUEUE, "--config", str(site.configuration)]
    environment = {**os.environ, "HARVESTER_KILL_AT": "submitter.after_submit"}
    died = subprocess.run(
        [*command, "--payload", "configured"], check=False, capture_output=True, timeout=180, env=environment
    )
    assert died.returncode == -signal.SIGKILL
    verdict = probe(site, "submitter", "--queue", QUEUE, code=0)
    assert verdict["steps"][0]["saw"] == "workers: 1; killed and cleaned up"
    states = sorted(said.split()[0] for said in jobs_of(slurm, f"{site.instance}.test-").values())
    assert states == ["CANCELLED", "COMPLETED"]


def test_why_the_cluster_refuses_is_told(site: Site, slurm: Cluster, queue: Row):
    (site.directory / "template.sh").write_text(TEMPLATE.replace("--time=10", "--partition=nowhere"))
    site.configure({QUEUE: queue})
    verdict = probe(site, "submitter", "--queue", QUEUE, code=1)
    assert "nowhere" in json.dumps(verdict) or "invalid partition" in json.dumps(verdict)
    assert jobs_of(slurm, f"{site.instance}.test-") == {}


def test_the_cluster_can_be_asked(site: Site, queue: Row):
    site.configure({QUEUE: queue})
    verdict = probe(site, "monitor", "--queue", QUEUE, code=0)
    assert "the listing was complete" in json.dumps(verdict)


def test_workers_are_killed_beside_a_test(site: Site, slurm: Cluster, queue: Row):
    """A test beside the service neither counts nor is killed with its workers, nor harms them."""
    site.configure({QUEUE: queue})
    site.start()
    site.until(lambda: running(site) == 2, "two workers run")
    site.told_by("queue", "pause", QUEUE, "--reason", "it is to get no others")
    assert probe(site, "submitter", "--queue", QUEUE, code=0)["outcome"] == "works"
    assert running(site) == 2
    told = json.loads(site.told_by("worker", "kill", "--queue", QUEUE, "--status", "running", "--yes", "--json"))
    assert (told["found"], len(told["marked"])) == (2, 2)
    site.until(lambda: running(site) == 0, "they have ended")
    names = {state.split()[0] for state in jobs_of(slurm, f"{site.instance}").values()}
    assert names == {"CANCELLED", "COMPLETED"}
    assert site.terminate() == 0


def running(site: Site) -> int:
    if not site.database.exists():
        return 0
    return len(json.loads(site.told_by("worker", "ls", "--status", "running", "--json")))
