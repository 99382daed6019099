"""A plugin that hangs while it is built concerns its own queue alone."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from pydantic import JsonValue

from harvester.config.findings import Findings
from harvester.config.queue_builder import build_queue
from harvester.config.queue_merge import MergedQueue
from harvester.config.queues import PluginBlock, QueueConfig
from harvester.config.served_queues import ServedQueues
from harvester.core.clock import utc_now
from harvester.core.workers import Worker, WorkerStatus
from harvester.plugins.api import CheckOutcome, Plugin, PluginContext, PluginSettings
from harvester.plugins.calling import PluginCalls
from harvester.plugins.data.dummy import DummyStager
from harvester.plugins.dummy import DummyResource
from harvester.plugins.pool import PluginNotReadyError, PluginPool
from harvester.plugins.registry import Role, UnusablePluginError
from waiting import until

LONG_ENOUGH = 30.0


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    made = threading.Event()
    yield made
    made.set()


def a_queue(name: str, directory: Path, **more: JsonValue) -> QueueConfig:
    raw: dict[str, JsonValue] = {"maxWorkers": 1, "submitter": {"plugin": "dummy"}, **more}
    queue = build_queue(MergedQueue(name, raw), directory, Findings())
    assert queue is not None
    return queue


def test_that_hangs_at_the_start(tmp_path: Path, gate: threading.Event, monkeypatch: pytest.MonkeyPatch):
    def build(_role: Role, _block: PluginBlock, context: PluginContext) -> Plugin[PluginSettings]:
        if context.queue == "B":
            assert gate.wait(LONG_ENOUGH)
        return DummyStager(PluginSettings(), context)

    monkeypatch.setattr("harvester.plugins.pool.build", build)
    monkeypatch.setattr("harvester.plugins.pool._PATIENCE", 0.5)
    queues = {name: a_queue(name, tmp_path) for name in "ABC"}
    pool = PluginPool(queues, lambda name: PluginContext("test", name, utc_now, tmp_path))
    (problem,) = pool.build_all("ABC")
    assert "queue B" in problem
    assert pool.stager("A") is pool.stager("A")
    assert pool.stager("C").context.queue == "C"
    with pytest.raises(PluginNotReadyError, match="queue B, block submitter: dummy is still being built"):
        pool.submitter("B")
    gate.set()
    until(lambda: pool.build_all("B"), lambda problems: not problems)
    assert pool.submitter("B") is pool.submitter("B")


def test_that_two_need_first_at_the_same_time_is_built_once_for_both(
    tmp_path: Path, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
):
    begun = threading.Event()

    def build(_role: Role, _block: PluginBlock, context: PluginContext) -> Plugin[PluginSettings]:
        begun.set()
        assert gate.wait(LONG_ENOUGH)
        return DummyStager(PluginSettings(), context)

    monkeypatch.setattr("harvester.plugins.pool.build", build)
    monkeypatch.setattr("harvester.plugins.pool._MOMENT", LONG_ENOUGH)
    pool = PluginPool({"A": a_queue("A", tmp_path)}, lambda name: PluginContext("test", name, utc_now, tmp_path))
    got: list[object] = []
    first = threading.Thread(target=lambda: got.append(pool.stager("A")))
    first.start()
    assert begun.wait(LONG_ENOUGH)
    building = pool._begun["A", Role.STAGER, pool.queue("A").stager.fingerprint].ended
    monkeypatch.setattr(building, "wait", lambda timeout: (gate.set(), threading.Event.wait(building, timeout)))
    assert isinstance(pool.stager("A"), DummyStager)
    first.join(LONG_ENOUGH)
    assert got == [pool.stager("A")]


def test_that_hangs_does_not_hold_up_who_needs_it_first(
    tmp_path: Path, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
):
    """As that of a version that a queue has no longer, which nobody builds ahead."""
    began: list[PluginBlock] = []

    def build(_role: Role, block: PluginBlock, context: PluginContext) -> Plugin[PluginSettings]:
        began.append(block)
        assert gate.wait(LONG_ENOUGH)
        return DummyStager(PluginSettings(), context)

    monkeypatch.setattr("harvester.plugins.pool.build", build)
    monkeypatch.setattr("harvester.plugins.pool._PATIENCE", 0.05)
    monkeypatch.setattr("harvester.plugins.pool._MOMENT", 0.05)
    present, former = (a_queue("A", tmp_path, messenger={"plugin": "http", "n": n}) for n in "12")
    pool = PluginPool({"A": present}, lambda name: PluginContext("test", name, utc_now, tmp_path))
    pool.replace(ServedQueues({"A": present}, frozenset({"A"}), {"A": 2}, {1: former}))
    worker = Worker(1, "A", WorkerStatus.RUNNING, "unit-1", config_version=1)
    for _ in range(2):
        with pytest.raises(PluginNotReadyError, match="queue A, block messenger: http is still being built"):
            pool.messenger_of(worker)
    gate.set()
    for each in threading.enumerate():
        if each.name == "turns":
            each.join(LONG_ENOUGH)
    assert pool.messenger_of(worker) is pool.messenger_of(worker)
    assert began == [former.messenger]


def test_that_cannot_be_built_is_not_tried_again_by_those_who_need_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    tries: list[str] = []
    broken = {"A"}

    def build(_role: Role, _block: PluginBlock, context: PluginContext) -> Plugin[PluginSettings]:
        tries.append(context.queue)
        if context.queue in broken:
            raise OSError("no disk")
        return DummyStager(PluginSettings(), context)

    monkeypatch.setattr("harvester.plugins.pool.build", build)
    queues = {name: a_queue(name, tmp_path) for name in "AB"}
    pool = PluginPool(queues, lambda name: PluginContext("test", name, utc_now, tmp_path))
    for _ in range(3):
        with pytest.raises(UnusablePluginError, match="queue A, block stager: dummy cannot be built: OSError: no disk"):
            pool.stager("A")
    assert tries == ["A"]
    pool.rebuild()
    assert tries == ["A", "A"]
    broken.clear()
    pool.rebuild()
    assert isinstance(pool.stager("A"), DummyStager)
    pool.rebuild()
    assert len(tries) == 3


def test_that_a_worker_maker_implies_is_built_with_the_others_and_kept_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A worker maker that names a partition has its gaps looked for."""
    built: list[Role] = []

    def build(role: Role, _block: PluginBlock, context: PluginContext) -> Plugin[PluginSettings]:
        built.append(role)
        return DummyStager(PluginSettings(), context)

    monkeypatch.setattr("harvester.plugins.pool.build", build)
    queues = {"A": a_queue("A", tmp_path, workerMaker={"plugin": "backfill", "partition": "p"})}
    pool = PluginPool(queues, lambda name: PluginContext("test", name, utc_now, tmp_path))
    assert pool.build_all("A") == []
    assert Role.RESOURCE in built
    finder = pool.slot_finder("A")
    pool.replace(ServedQueues(queues))
    assert pool.slot_finder("A") is finder
    assert built.count(Role.RESOURCE) == 1


def test_what_a_plugin_says_when_it_cannot_be_built_is_told_without_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def build(_role: Role, _block: PluginBlock, _context: PluginContext) -> Plugin[PluginSettings]:
        raise ValueError("token=HUSH is too short")

    monkeypatch.setattr("harvester.plugins.pool.build", build)
    pool = PluginPool({"A": a_queue("A", tmp_path)}, lambda name: PluginContext("test", name, utc_now, tmp_path))
    assert "ValueError: token=(hidden)" in pool.build_all("A")[0]


class Failing(DummyResource):
    """Cannot be asked."""

    asked = 0

    def check(self, workers: Sequence[Worker]) -> Sequence[CheckOutcome]:
        Failing.asked += len(workers)
        raise OSError("no disk")


def test_that_fails_for_one_rests_for_others_who_call_it_first_at_the_same_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    worker = Worker(1, "A", WorkerStatus.RUNNING, "unit-1")

    def ask() -> object:
        return pool.monitor("A").check([worker])

    other = threading.Thread(target=ask)

    def calls_of_two() -> PluginCalls:
        if not other.ident:
            other.start()
            other.join(LONG_ENOUGH)
        return PluginCalls()

    monkeypatch.setattr("harvester.plugins.pool.PluginCalls", calls_of_two)
    present, former = (a_queue("A", tmp_path, monitor={"module": __name__, "name": "Failing", "n": n}) for n in "12")
    pool = PluginPool({"A": present}, lambda name: PluginContext("test", name, utc_now, tmp_path))
    pool.replace(ServedQueues({"A": present}, frozenset({"A"}), {"A": 2}, {1: former}))
    ask()
    assert Failing.asked == 1
