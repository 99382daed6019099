"""Workers ask for jobs by file and get them while they run."""

import errno
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harvester.core.clock import utc_now
from harvester.core.workers import MapType, Worker, WorkerStatus
from harvester.plugins.api import Assignment, Done, Failed, Later, PluginContext
from harvester.plugins.messengers.shared_file import SharedFileMessenger, SharedFileSettings

SPEC, LIST, REQUEST = "pandaJobData.out", "worker_pandaids.json", "worker_requestjob.json"


@pytest.fixture
def messenger(tmp_path: Path) -> SharedFileMessenger:
    settings = SharedFileSettings(accessPoint=f"{tmp_path}/${{workerID}}")
    return SharedFileMessenger(settings, PluginContext("test", "Q", utc_now, tmp_path))


@pytest.fixture
def worker_of(messenger: SharedFileMessenger, tmp_path: Path) -> Callable[[MapType], Worker]:
    """A running worker without jobs."""

    def make(map_type: MapType) -> Worker:
        place = str(tmp_path / "7")
        worker = Worker(7, "Q", WorkerStatus.RUNNING, "test-7", map_type, access_point=place, late_binding=True)
        assert messenger.feed([Assignment(worker)]) == [Done()]
        return worker

    return make


def give(messenger: SharedFileMessenger, worker: Worker, *job_ids: int, new: tuple[int, ...] = ()) -> Worker:
    having = replace(worker, job_ids=job_ids)
    params = {job: {"PandaID": job} for job in new or job_ids}
    assert messenger.feed_running([Assignment(having, params)]) == [Done()]
    return having


def ask(worker: Worker, content: str = '{"nJobs": 3}') -> Path:
    path = Path(worker.access_point, REQUEST)
    path.write_text(content)
    return path


@pytest.mark.parametrize(
    ("content", "number"),
    [('{"nJobs": 3}', 3), ("{", 1), ("[]", 1), ('{"nJobs": "x"}', 1), ('{"nJobs": true}', 1), ('{"nJobs": 0}', 0),
     ('{"nJobs": -4}', 0), ('{"nJobs": 1000000}', 1000)],
)  # fmt: skip
def test_what_a_worker_asks_for(
    messenger: SharedFileMessenger, worker_of: Callable[[MapType], Worker], content: str, number: int
):
    worker = worker_of(MapType.ONE_TO_ONE)
    assert messenger.collect([worker])[0].jobs_wanted == 0
    ask(worker, content)
    assert messenger.collect([worker])[0].jobs_wanted == number
    assert messenger.collect([replace(worker, late_binding=False)])[0].jobs_wanted == 0


def test_a_job_is_there_and_the_request_is_gone(messenger: SharedFileMessenger, worker_of: Callable[[MapType], Worker]):
    worker = worker_of(MapType.ONE_TO_ONE)
    request = ask(worker)
    having = give(messenger, worker, 101)
    place = Path(worker.access_point)
    assert json.loads((place / SPEC).read_text()) == {"101": {"PandaID": 101}}
    assert json.loads((place / LIST).read_text()) == [101]
    assert not request.exists()
    assert messenger.untaken([having]) == [(101,)]


def test_what_a_worker_has_taken_away_is_not_put_there_again(
    messenger: SharedFileMessenger, worker_of: Callable[[MapType], Worker]
):
    worker = worker_of(MapType.ONE_TO_ONE)
    having = give(messenger, worker, 101)
    spec = Path(worker.access_point, SPEC)
    spec.rename(spec.with_suffix(".taken"))
    give(messenger, worker, 101)
    assert not spec.exists()
    assert messenger.untaken([having]) == [()]


def test_feeding_that_was_interrupted_before_the_last_step_is_completed(
    messenger: SharedFileMessenger, worker_of: Callable[[MapType], Worker]
):
    worker = worker_of(MapType.ONE_TO_ONE)
    having = give(messenger, worker, 101)
    spec = Path(worker.access_point, SPEC)
    spec.rename(spec.with_name(f".{SPEC}.staged"))
    assert messenger.untaken([having]) == [(101,)]
    give(messenger, worker, 101)
    assert spec.exists()


def test_a_job_that_is_published_while_somebody_looks_is_not_taken_for_taken(
    messenger: SharedFileMessenger, worker_of: Callable[[MapType], Worker], monkeypatch: pytest.MonkeyPatch
):
    worker = worker_of(MapType.ONE_TO_ONE)
    having = give(messenger, worker, 101)
    spec = Path(worker.access_point, SPEC)
    spec.rename(spec.with_name(f".{SPEC}.staged"))
    lstat = os.lstat

    def look_and_publish(path: str) -> os.stat_result:
        try:
            return lstat(path)
        finally:
            publish(spec)

    monkeypatch.setattr(os, "lstat", look_and_publish)
    assert messenger.untaken([having]) == [(101,)]


def publish(spec: Path) -> None:
    staged = spec.with_name(f".{SPEC}.staged")
    if staged.exists():
        staged.rename(spec)


@pytest.mark.parametrize("map_type", [MapType.ONE_TO_ONE, MapType.MANY_TO_ONE])
@pytest.mark.parametrize("content", ["[", "{}", None])
def test_a_list_that_cannot_be_read_is_not_an_empty_list(
    messenger: SharedFileMessenger, worker_of: Callable[[MapType], Worker], map_type: MapType, content: str | None
):
    worker = worker_of(map_type)
    having = give(messenger, worker, 101)
    place = Path(worker.access_point)
    (spec,) = place.rglob(SPEC)
    spec.unlink()
    listed = place / LIST
    listed.unlink()
    listed.write_text(content) if content else listed.mkdir()
    other = replace(having, worker_id=8, access_point=str(place.parent / "8"), job_ids=())
    assert messenger.feed([Assignment(other)]) == [Done()]
    (answer,) = messenger.feed_running([Assignment(having, {101: {"PandaID": 101}})])
    assert isinstance(answer, Later)
    assert not spec.exists()
    unknown, known = messenger.untaken([having, replace(other, job_ids=(102,))])
    assert isinstance(unknown, Later)
    assert str(listed) in unknown.reason
    assert known == (102,)


def test_a_job_file_that_cannot_be_looked_for_is_not_taken_for_taken(
    messenger: SharedFileMessenger, worker_of: Callable[[MapType], Worker], monkeypatch: pytest.MonkeyPatch
):
    having = give(messenger, worker_of(MapType.ONE_TO_ONE), 101)

    def fail(path: str) -> os.stat_result:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), path)

    monkeypatch.setattr(os, "lstat", fail)
    assert [type(each) for each in messenger.untaken([having])] == [Later]


def test_further_jobs_have_directories_of_their_own(
    messenger: SharedFileMessenger, worker_of: Callable[[MapType], Worker]
):
    worker = worker_of(MapType.MANY_TO_ONE)
    give(messenger, worker, 101)
    place = Path(worker.access_point)
    (place / "101" / SPEC).unlink()
    having = give(messenger, worker, 101, 102, 103, new=(102, 103))
    assert not (place / "101" / SPEC).exists()
    assert json.loads((place / "103" / SPEC).read_text()) == {"103": {"PandaID": 103}}
    assert json.loads((place / LIST).read_text()) == [101, 102, 103]
    assert messenger.untaken([having]) == [(102, 103)]


def test_a_request_that_is_newer_than_the_answer_stays(
    messenger: SharedFileMessenger, worker_of: Callable[[MapType], Worker]
):
    worker = worker_of(MapType.MANY_TO_ONE)
    give(messenger, worker, 101)
    request = ask(worker)
    os.utime(request, (2**32, 2**32))
    give(messenger, worker, 101)
    assert request.exists()


def test_without_an_access_point_no_job_can_be_given(messenger: SharedFileMessenger, tmp_path: Path):
    worker = Worker(8, "Q", WorkerStatus.READY, "test-8", MapType.ONE_TO_ONE, (101,), access_point=str(tmp_path / "8"))
    (answer,) = messenger.feed_running([Assignment(worker, {101: {"PandaID": 101}})])
    assert isinstance(answer, Failed)
    assert messenger.untaken([worker]) == [()]
