"""A local resource in a temporary directory, and workers for it; whatever still runs after a test is killed."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from harvester.core.workers import Worker, WorkerStatus, marker_of
from harvester.plugins.local import LocalResource
from harvester.plugins.local.settings import LocalSettings
from harvester.plugins.testing import context_in

PAYLOAD = ("/bin/sh", "{accessPoint}/payload")

MakeResource = Callable[..., LocalResource]
MakeScripted = Callable[..., Worker]


@pytest.fixture
def scripted(tmp_path: Path) -> MakeScripted:
    """Makes a worker with an access point that holds a shell script `payload`."""
    numbers = count(1)

    def make(script: str, *, cores: int = 1) -> Worker:
        number = next(numbers)
        access_point = tmp_path / "access" / str(number)
        access_point.mkdir(parents=True)
        (access_point / "payload").write_text(script)
        return Worker(
            worker_id=number,
            queue="HERE",
            status=WorkerStatus.PENDING,
            marker=marker_of("test", number),
            cores=cores,
            access_point=str(access_point),
        )

    return make


@pytest.fixture
def make_resource(tmp_path: Path) -> Iterator[MakeResource]:
    """Makes resources on one ledger, with settings by their names in the configuration."""
    made: list[LocalResource] = []

    def make(**settings: object) -> LocalResource:
        block = {"command": PAYLOAD, "cores": 4, "killGrace": 5, **settings}
        made.append(LocalResource(LocalSettings.model_validate(block), context_in(tmp_path, instance="test")))
        return made[-1]

    yield make
    access_points = [path for path in (tmp_path / "access").glob("*") if made]
    workers = [
        Worker(int(path.name), "HERE", WorkerStatus.RUNNING, marker_of("test", int(path.name)))
        for path in access_points
        if path.name.isdigit()
    ]
    for resource in made[:1]:
        resource.kill(workers)
