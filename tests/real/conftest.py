"""Slurm clusters for tests, started when first asked for and stopped at the end of the test process; and sites."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from real_services import facts, running
from system_harness.site import Site


@dataclass(frozen=True, slots=True)
class SlurmCluster:
    """A running cluster; the account of the tests submits to it."""

    conf: Path
    accounting: bool

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "SLURM_CONF": str(self.conf)}

    def run(self, *command: str) -> str:
        """What a Slurm command prints."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60, check=True)
        return done.stdout


StartSlurm = Callable[..., SlurmCluster]


@pytest.fixture(scope="session")
def start_slurm() -> Iterator[StartSlurm]:
    """Starts further clusters: `start_slurm(accounting=True, min_job_age=5)`."""
    with ExitStack() as clusters:

        def start(*, accounting: bool = False, min_job_age: int = 300, cpus: int = 16, nodes: int = 1) -> SlurmCluster:
            options = {
                "SLURM_ACCOUNTING": str(int(accounting)),
                "SLURM_MIN_JOB_AGE": str(min_job_age),
                "SLURM_CPUS": str(cpus),
                "SLURM_NODES": str(nodes),
            }
            directory = clusters.enter_context(running("slurm", **options))
            return SlurmCluster(Path(facts(directory)["SLURM_CONF"]), accounting)

        yield start


@pytest.fixture(scope="session")
def slurm(start_slurm: StartSlurm) -> SlurmCluster:
    """A cluster without accounting."""
    return start_slurm()


@pytest.fixture(scope="session")
def slurm_with_accounting(start_slurm: StartSlurm) -> SlurmCluster:
    """A cluster with an accounting database."""
    return start_slurm(accounting=True)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site of its own, with nothing configured yet."""
    with Site(tmp_path) as made:
        yield made
