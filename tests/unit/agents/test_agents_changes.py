"""Resources that tell what changed have it checked at once."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import structlog
from world import QUEUE, World

from harvester.agents.change_watcher import ChangeWatcher
from harvester.agents.monitor import Monitor
from harvester.agents.sizer import Sizer
from harvester.agents.submitter import Submitter
from harvester.plugins.api import PluginContext
from harvester.plugins.local.ledger import Entry, Ledger, Task
from harvester.plugins.local.processes import Process
from harvester.store import leases
from harvester.store.leases import QUEUE_MONITOR

Watch = Callable[..., ChangeWatcher]


@pytest.fixture
def watch(world: World, tmp_path: Path) -> Watch:
    def make(*plugins: dict[str, str]) -> ChangeWatcher:
        world.configure(monitor={"eventBasedPlugins": plugins, "eventBasedTimeWindow": 100, "checkInterval": 3600})
        return ChangeWatcher(world.instance, PluginContext("test", "", world.clock, tmp_path))

    return make


def next_check(world: World) -> timedelta:
    with world.db.read() as connection:
        due = leases.next_due(connection, QUEUE_MONITOR)
    assert due is not None
    return due - world.clock()


def submitted(world: World) -> str:
    world.serve(QUEUE)
    world.give_jobs(1)
    world.work(Sizer)
    world.work(Submitter)
    world.clock.forward(minutes=2)
    world.work(Monitor)
    world.clock.forward(hours=1)
    world.work(Monitor)
    return world.workers()[0].marker


@pytest.mark.shows("monitor.eventBasedPlugins", "monitor.eventBasedTimeWindow")
@pytest.mark.parametrize(("seconds_ago", "checked"), [(50, True), (150, False)])
def test_the_queue_of_a_worker_that_changed_is_checked_at_once(
    world: World, watch: Watch, tmp_path: Path, *, seconds_ago: float, checked: bool
):
    watcher = watch({"plugin": "local", "directory": str(tmp_path / "here")})
    marker = submitted(world)
    (tmp_path / "here").mkdir()
    ledger = Ledger(tmp_path / "here")
    ledger.enter([Entry(marker, Task(["x"], str(tmp_path), {}, "", "", 1.0), 1, 1)])
    ledger.claim(Process(1, ""), world.clock().timestamp() - seconds_ago)
    before = next_check(world)
    watcher.round()
    assert before > timedelta()
    assert (next_check(world) <= timedelta()) is checked


def test_one_that_cannot_tell_is_said_once_and_the_others_are_asked(world: World, watch: Watch, tmp_path: Path):
    marker = submitted(world)
    ledger = Ledger(tmp_path)
    ledger.enter([Entry(marker, Task(["x"], str(tmp_path), {}, "", "", 1.0), 1, 1)])
    ledger.claim(Process(1, ""), world.clock().timestamp())
    watcher = watch({"plugin": "dummy"}, {"plugin": "nobody"}, {"plugin": "local", "directory": str(tmp_path)})
    with structlog.testing.capture_logs() as said:
        watcher.round()
        watcher.round()
    assert ["cannot tell what changed" in each["reason"] for each in said] == [True, False]
    assert next_check(world) <= timedelta()


@pytest.mark.parametrize("marker", ["other-1", "test-x", "test-", "1", ""])
def test_markers_of_others_change_nothing(world: World, watch: Watch, marker: str):
    submitted(world)
    before = next_check(world)
    watch()._have_checked([marker])
    assert next_check(world) == before
