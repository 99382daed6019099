import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import JsonValue

from harvester.core.files import File, FileKind, FileStatus
from harvester.core.workers import MapType, Worker, WorkerStatus
from harvester.plugins.api import Assignment, News, PluginContext
from harvester.plugins.messengers.shared_file import SharedFileMessenger, SharedFileSettings

MakeMessenger = Callable[..., SharedFileMessenger]


class MovingClock:
    """Stands still until it is moved; starts at the machine's time, as files' times do."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass(frozen=True)
class Place:
    """One worker with its access point, as the worker sees it."""

    worker: Worker
    directory: Path

    def write(self, name: str, content: JsonValue) -> Path:
        return self.write_text(name, json.dumps(content))

    def write_text(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def read(self, name: str) -> JsonValue:
        content: JsonValue = json.loads((self.directory / name).read_text(encoding="utf-8"))
        return content

    def names(self) -> set[str]:
        return {path.name for path in self.directory.iterdir()}

    def assignment(self, params: Mapping[str, JsonValue] | None = None, inputs: list[File] | None = None) -> Assignment:
        jobs = self.worker.job_ids
        return Assignment(
            self.worker,
            {job: {"PandaID": job, **(params or {})} for job in jobs},
            {job: inputs or [] for job in jobs},
        )


@pytest.fixture
def clock() -> MovingClock:
    return MovingClock()


@pytest.fixture
def context(tmp_path: Path, clock: MovingClock) -> PluginContext:
    state = tmp_path / "state"
    state.mkdir()
    return PluginContext("cern", "Q", clock, state)


@pytest.fixture
def make_messenger(tmp_path: Path, context: PluginContext) -> MakeMessenger:
    def make(**settings: JsonValue) -> SharedFileMessenger:
        block = {"accessPoint": f"{tmp_path}/work/${{workerID}}", **settings}
        return SharedFileMessenger(SharedFileSettings.model_validate(block), context)

    return make


@pytest.fixture
def messenger(make_messenger: MakeMessenger) -> SharedFileMessenger:
    return make_messenger()


@pytest.fixture
def make_place(tmp_path: Path) -> Callable[..., Place]:
    def make(worker_id: int = 7, map_type: MapType = MapType.ONE_TO_ONE, job_ids: tuple[int, ...] = (101,)) -> Place:
        directory = tmp_path / "work" / str(worker_id)
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
