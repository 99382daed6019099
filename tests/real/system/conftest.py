from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from system_harness.site import Site
from system_harness.slurm import SlurmSite


class Cluster(Protocol):
    """What the fixture of a real cluster gives."""

    conf: Path


@pytest.fixture
def cluster(site: Site, slurm: Cluster) -> Iterator[SlurmSite]:
    """A site whose workers are jobs of a real cluster."""
    made = SlurmSite(site, slurm.conf)
    yield made
    made.cancel()
