from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harvester.core.workers import Worker, WorkerStatus
from harvester.plugins.api import Done, PluginContext, Refused, Seen, Submitted, Unknown
from harvester.plugins.dummy import DummyResource, DummySettings

MakeWorker = Callable[[int], Worker]


@pytest.fixture
def resource(tmp_path: Path) -> DummyResource:
    context = PluginContext("cern", "Q", lambda: datetime(2026, 1, 1, tzinfo=UTC), tmp_path)
    return DummyResource(DummySettings(), context)


@pytest.fixture
def make_worker(tmp_path: Path) -> MakeWorker:
    def make(worker_id: int) -> Worker:
        directory = tmp_path / str(worker_id)
        directory.mkdir()
        return Worker(worker_id, "Q", WorkerStatus.PENDING, f"cern-{worker_id}", access_point=str(directory))

    return make


def _write(worker: Worker, text: str) -> None:
    (Path(worker.access_point) / "status.txt").write_text(text)


def test_submitting_writes_the_status_and_gives_a_batch_id(resource: DummyResource, make_worker: MakeWorker):
    worker = make_worker(1)
    (outcome,) = resource.submit([worker])
    assert isinstance(outcome, Submitted)
    assert outcome.batch_id.startswith("batch_ID_")
    assert outcome.log_urls["stdOut"] == f"http://localhost/test/{outcome.batch_id}.out"
    assert resource.check([worker]) == [Seen(WorkerStatus.SUBMITTED, native_status="submitted")]


def test_submitting_again_is_the_same_submission(resource: DummyResource, make_worker: MakeWorker):
    worker = make_worker(1)
    first = resource.submit([worker])
    _write(worker, "running\n")
    assert resource.submit([worker]) == first
    assert resource.check([worker]) == [Seen(WorkerStatus.RUNNING, native_status="running")]


def test_a_search_finds_exactly_what_was_submitted(resource: DummyResource, make_worker: MakeWorker):
    submitted, other = make_worker(1), make_worker(2)
    (outcome,) = resource.submit([submitted])
    search = resource.find([submitted, other])
    assert search.complete
    assert search.found == {submitted.marker: outcome}


def test_without_an_access_point_nothing_is_submitted(resource: DummyResource, make_worker: MakeWorker):
    good, lost = make_worker(1), make_worker(2)
    Path(lost.access_point).rmdir()
    outcomes = resource.submit([lost, good])
    assert [type(outcome) for outcome in outcomes] == [Refused, Submitted]
    assert lost.access_point in outcomes[0].reason


@pytest.mark.parametrize("status", ["submitted", "running", "idle", "failed", "cancelled"])
def test_whoever_writes_the_file_plays_the_batch_system(resource: DummyResource, make_worker: MakeWorker, status: str):
    worker = make_worker(1)
    _write(worker, f"{status}\nand more\n")
    assert resource.check([worker]) == [Seen(WorkerStatus(status), native_status=status)]


def test_a_worker_without_a_file_has_finished(resource: DummyResource, make_worker: MakeWorker):
    assert resource.check([make_worker(1)]) == [Seen(WorkerStatus.FINISHED, native_status="done", exit_code=0)]


@pytest.mark.parametrize("text", ["", "missed\n", "pending\n", "nonsense\n", "x" * 10_000])
def test_other_words_are_unknown_and_never_the_end(resource: DummyResource, make_worker: MakeWorker, text: str):
    good, bad = make_worker(1), make_worker(2)
    resource.submit([good])
    _write(bad, text)
    unknown, seen = resource.check([bad, good])
    assert isinstance(unknown, Unknown)
    assert "status.txt" in unknown.reason
    assert isinstance(seen, Seen)


def test_a_status_that_cannot_be_read_is_unknown(resource: DummyResource, make_worker: MakeWorker):
    worker = make_worker(1)
    (Path(worker.access_point) / "status.txt").mkdir()
    assert isinstance(resource.check([worker])[0], Unknown)


def test_killing_ends_a_worker_once(resource: DummyResource, make_worker: MakeWorker):
    live, ended, gone = make_worker(1), make_worker(2), make_worker(3)
    resource.submit([live])
    _write(ended, "failed\n")
    for _ in range(2):
        assert resource.kill([live, ended, gone]) == [Done(), Done(), Done()]
    statuses = [outcome.status.value for outcome in resource.check([live, ended, gone]) if isinstance(outcome, Seen)]
    assert statuses == ["cancelled", "failed", "finished"]
    assert resource.clean([live, ended, gone]) == [Done(), Done(), Done()]
