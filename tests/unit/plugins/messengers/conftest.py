from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from messenger_tools import MakeMessenger, Place
from pydantic import JsonValue

from harvester.core.files import File, FileKind, FileStatus
from harvester.core.workers import MapType, Worker, WorkerStatus
from harvester.plugins.api import News, PluginContext
from harvester.plugins.messengers.shared_file import SharedFileMessenger, SharedFileSettings
from moving_clock import MovingClock


@pytest.fixture
def clock() -> MovingClock:
    return MovingClock(datetime.now(UTC))  # as files' times do


@pytest.fixture
def context(tmp_path: Path, clock: MovingClock) -> PluginContext:
    state = tmp_path / "state"
    state.mkdir()
    return PluginContext("cern", "Q", clock, state)


@pytest.fixture
def make_messenger(tmp_path: Path, context: PluginContext) -> MakeMessenger:
    def make(**settings: JsonValue) -> SharedFileMessenger:
        block = {"accessPoint": f"{tmp_path}/access/${{workerID}}", **settings}
        return SharedFileMessenger(SharedFileSettings.model_validate(block), context)

    return make


@pytest.fixture
def messenger(make_messenger: MakeMessenger) -> SharedFileMessenger:
    return make_messenger()


@pytest.fixture
def make_place(tmp_path: Path) -> Callable[..., Place]:
    def make(worker_id: int = 7, map_type: MapType = MapType.ONE_TO_ONE, job_ids: tuple[int, ...] = (101,)) -> Place:
        directory = tmp_path / "access" / str(worker_id)
        directory.mkdir(parents=True)
        worker = Worker(
            worker_id,
            "Q",
            WorkerStatus.RUNNING,
            f"cern-{worker_id}",
            map_type=map_type,
            job_ids=job_ids,
            access_point=str(directory),
        )
        return Place(worker, directory)

    return make


@pytest.fixture
def place(make_place: Callable[..., Place]) -> Place:
    return make_place()


@pytest.fixture
def look(messenger: SharedFileMessenger, place: Place) -> Callable[[], News]:
    def once() -> News:
        (news,) = messenger.collect([place.worker])
        return news

    return once


@pytest.fixture
def make_input() -> Callable[..., File]:
    def make(lfn: str, path: str | None = None, guid: str | None = "G-1") -> File:
        return File(0, 101, lfn, FileKind.INPUT, FileStatus.READY, path=path, guid=guid)

    return make
