from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from uuid import uuid4

import pytest

from harvester.core.workers import Worker, WorkerStatus, marker_of
from harvester.plugins.slurm import SlurmResource, SlurmSettings
from harvester.plugins.testing import Payload, context_in

TEMPLATE = """#!/bin/bash
#SBATCH -n {nCoreTotal}
. {accessPoint}/payload.sh
"""


@pytest.fixture
def make_resource(tmp_path: Path) -> Callable[..., SlurmResource]:
    """Makes the resource of a cluster, with an instance name of its own and a template that runs a payload."""
    template = tmp_path / "template.sh"
    template.write_text(TEMPLATE)
    context = context_in(tmp_path, instance=f"test-{uuid4().hex[:8]}")

    def make(conf: Path, **settings: object) -> SlurmResource:
        block = {"templateFile": str(template), "slurmConf": str(conf), **settings}
        return SlurmResource(SlurmSettings.model_validate(block), context)

    return make


MakeSlurmWorker = Callable[..., Worker]


@pytest.fixture
def worker_of(tmp_path: Path) -> MakeSlurmWorker:
    """Makes a worker of a resource's instance: `worker_of(resource, Payload(exit_code=3))`."""
    numbers = count(1)

    def make(resource: SlurmResource, payload: Payload) -> Worker:
        number = next(numbers)
        instance, queue = resource.context.instance, resource.context.queue
        access_point = tmp_path / f"worker-{number}"
        access_point.mkdir()
        (access_point / "payload.sh").write_text(f"sleep {payload.seconds}\nexit {payload.exit_code}\n")
        return Worker(
            number,
            queue,
            WorkerStatus.PENDING,
            marker_of(instance, number),
            access_point=str(access_point),
            created_at=datetime.now(UTC),
        )

    return make
