"""The local resource under the conformance kit."""

from collections.abc import Callable

import pytest

from harvester.core.workers import Worker
from harvester.plugins.local import LocalResource
from harvester.plugins.testing import AnyResource, MakeWorker, Payload, ResourceConformance


class TestLocalResource(ResourceConformance):
    @pytest.fixture
    def resource(self, make_resource: Callable[..., LocalResource]) -> LocalResource:
        return make_resource(cores=20)

    @pytest.fixture
    def make_worker(self, scripted: Callable[..., Worker]) -> MakeWorker:
        return lambda payload: scripted(script_for(payload))

    def process_starts(self, resource: AnyResource) -> int:
        return resource.process_starts.total()


def script_for(payload: Payload) -> str:
    return f"sleep {payload.seconds}\nexit {payload.exit_code}\n"
