from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

from harvester.core.workers import Worker
from harvester.plugins.slurm import SlurmResource
from harvester.plugins.testing import AnyResource, MakeWorker, Payload, ResourceConformance


class Cluster(Protocol):
    """What the fixtures of a real cluster give."""

    conf: Path


@pytest.mark.real
class TestSlurm(ResourceConformance):
    @pytest.fixture(params=["slurm", "slurm_with_accounting"])
    def resource(self, request: pytest.FixtureRequest, make_resource: Callable[..., SlurmResource]) -> SlurmResource:
        cluster: Cluster = request.getfixturevalue(request.param)
        return make_resource(cluster.conf)

    @pytest.fixture
    def make_worker(self, resource: SlurmResource, worker_of: Callable[..., Worker]) -> MakeWorker:
        def make(payload: Payload) -> Worker:
            return worker_of(resource, payload)

        return make

    def process_starts(self, resource: AnyResource) -> int | None:
        assert isinstance(resource, SlurmResource)
        return sum(count for command, count in resource.process_starts.items() if command != "scontrol")
