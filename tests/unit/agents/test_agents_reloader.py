"""The queue configuration changes while the service runs."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from world import World

from harvester.agents.config_versions import ConfigVersions
from harvester.agents.reloader import QueueReloader
from harvester.config.queue_loader import QueueLoader
from harvester.plugins.api import PluginContext
from harvester.plugins.pool import PluginPool
from harvester.plugins.routing import RoutedResource
from harvester.store import queues, reload_orders

QUEUE = {"mapType": "NoJob", "submitter": {"plugin": "dummy"}, "maxWorkers": 1}
OURS = {"pilot_manager": "Harvester", "harvester": "test"}


class Reloads:
    """An instance with real plugins and a file that a test writes."""

    def __init__(self, world: World, directory: Path, *, keeps_versions: bool = True, **qconf: Any) -> None:  # noqa: ANN401 (any key)
        self.world = world
        self.file = directory / "queues.json"
        self.file.write_text("{}")
        world.configure(qconf=qconf)
        loader = QueueLoader(self.file, world.settings.qconf, directory)
        loaded = loader.load()
        self.pool = PluginPool(
            loaded.queues,
            lambda name: PluginContext("test", name, world.clock, directory),
            loaded.active,
            keeps_versions=keeps_versions,
        )
        object.__setattr__(world.instance, "plugins", self.pool)
        self.versions = ConfigVersions(world.db, world.clock, directory)
        self.reloader = QueueReloader(world.instance, loader, loaded, self.versions)
        self.reloader.round()
        self._stamp = 1

    def say(self, entries: Mapping[str, object] | str) -> None:
        """The file says something else; the reloader looks."""
        self.file.write_text(entries if isinstance(entries, str) else json.dumps(entries))
        self._stamp += 1
        os.utime(self.file, ns=(self._stamp, self._stamp))
        self.look()

    def look(self, *, seconds: float = 5) -> None:
        self.world.clock.forward(seconds=seconds)
        self.reloader.round()

    def active(self) -> set[str]:
        """What the database says."""
        with self.world.db.read() as connection:
            return {each.name for each in queues.states(connection) if each.active}


@pytest.fixture
def reloads(world: World, tmp_path: Path) -> Reloads:
    return Reloads(world, tmp_path)


def test_queues_come_change_and_go(reloads: Reloads):
    reloads.say({"A": QUEUE, "B": QUEUE})
    assert reloads.active() == reloads.pool.active == {"A", "B"}
    reloads.say({"A": {**QUEUE, "maxWorkers": 7}, "B": {**QUEUE, "queueStatus": "offline"}})
    assert reloads.pool.queue("A").max_workers == 7
    assert reloads.active() == {"A"}
    reloads.say({"B": QUEUE})
    assert reloads.active() == {"B"}


def test_nothing_new_costs_two_small_statements(reloads: Reloads, monkeypatch: pytest.MonkeyPatch):
    reloads.say({"A": QUEUE})
    statements: list[str] = []
    event.listen(reloads.world.db.engine, "before_cursor_execute", lambda *told: statements.append(told[2]))
    monkeypatch.setattr(QueueLoader, "load", lambda *_: pytest.fail("it was read again"))
    for _ in range(100):
        reloads.look()
    assert len(statements) == 200
    assert {each.partition(" ")[0] for each in statements} == {"SELECT"}


def test_it_is_read_again_once_for_each_order(reloads: Reloads, monkeypatch: pytest.MonkeyPatch):
    reloads.say({"A": QUEUE})
    loads: list[None] = []
    load = QueueLoader.load
    monkeypatch.setattr(QueueLoader, "load", lambda *told: (loads.append(None), load(*told))[1])
    for _ in range(2):
        with reloads.world.db.write() as connection:
            reload_orders.add(connection)
            reload_orders.add(connection)
        reloads.look()
        reloads.look()
    assert len(loads) == 2


@pytest.mark.shows("qconf.updateInterval")
def test_everything_is_read_again_now_and_then(reloads: Reloads, monkeypatch: pytest.MonkeyPatch):
    read: list[int] = []
    load = QueueLoader.load
    monkeypatch.setattr(QueueLoader, "load", lambda *told: read.append(1) or load(*told))
    reloads.look(seconds=599)
    assert read == []
    reloads.look(seconds=1)
    assert read == [1]


def test_only_plugins_whose_block_has_changed_are_built_anew(reloads: Reloads):
    reloads.say({"A": QUEUE, "B": QUEUE})
    pool = reloads.pool
    before = {name: (pool.submitter(name), pool.stager(name)) for name in "AB"}
    changed = {**QUEUE, "maxWorkers": 9, "submitter": {"plugin": "dummy", "x": 1}}
    reloads.say({"A": changed, "B": {**QUEUE, "maxWorkers": 9}})
    after = pool.submitter("A")
    assert isinstance(after, RoutedResource)
    assert after._routes.present is not before["A"][0]
    assert [each is before["A"][0] for each in after._routes.able] == [False, True]
    assert pool.stager("A") is before["A"][1]
    assert (pool.submitter("B"), pool.stager("B")) == before["B"]


def test_a_queue_with_an_error_goes_on_as_before_and_this_is_told_once(
    reloads: Reloads, capsys: pytest.CaptureFixture[str]
):
    reloads.say({"A": QUEUE})
    for _ in range(3):
        reloads.say({"A": {**QUEUE, "maxWorkers": "many"}, "B": QUEUE})
    assert reloads.active() == {"A", "B"}
    assert reloads.pool.queue("A").max_workers == 1
    told = capsys.readouterr().out
    assert told.count("must be a whole number") == 1
    assert told.count("last good configuration") == 1
    assert "key=A.maxWorkers" in told
    assert f"place={reloads.file}:1" in told
    reloads.say({"A": QUEUE, "B": QUEUE})
    assert "follow their present configuration again" in capsys.readouterr().out


def test_a_file_that_is_broken_changes_nothing(reloads: Reloads):
    reloads.say({"A": QUEUE})
    reloads.say('{"A": ')
    assert reloads.active() == {"A"}
    reloads.file.unlink()
    reloads.look()
    assert reloads.active() == {"A"}
    reloads.say({"B": QUEUE})
    assert reloads.active() == {"B"}


def test_work_of_a_removed_queue_finds_its_plugins_and_one_that_comes_back_has_its_own(reloads: Reloads):
    reloads.say({"A": QUEUE})
    submitter = reloads.pool.submitter("A")
    reloads.say({})
    assert reloads.pool.sweeper("A").context.queue == "A"
    assert reloads.pool.submitter("A") is submitter
    reloads.say({"A": QUEUE})
    assert reloads.pool.submitter("A") is submitter
    assert reloads.active() == {"A"}


def test_changed_queues_are_looked_at_at_once(reloads: Reloads):
    reloads.say({"A": QUEUE, "B": QUEUE})
    with reloads.world.db.write() as connection:
        connection.exec_driver_sql("UPDATE queues SET size_due = 99999999999999999")
    reloads.say({"A": {**QUEUE, "maxWorkers": 2}, "B": QUEUE})
    with reloads.world.db.read() as connection:
        rows = connection.exec_driver_sql("SELECT name FROM queues WHERE size_due < 99999999999999999")
        assert [row[0] for row in rows] == ["A"]


def test_documents_that_were_fetched_are_followed(world: World, tmp_path: Path):
    resolver = {"resolverModule": "m", "resolverClass": "PandaQueuesDict"}
    reloads = Reloads(world, tmp_path, configFromCacher=True, queueList=["DYNAMIC"], **resolver)
    world.tell("queues_config_file", {"X_TEMPLATE": QUEUE, "R": {"templateQueueName": "X_TEMPLATE"}})
    reloads.look()
    assert reloads.active() == {"R"}
    dynamic = {"nickname": "D", "panda_resource": "D", **OURS, "harvester_template": "X_TEMPLATE", "params": {}}
    world.tell("panda_queues.json", {"D": dynamic})
    reloads.look()
    assert reloads.active() == {"R", "D"}
    world.tell("queues_config_file", ["nothing"])
    world.tell("panda_queues.json", {"D": {**dynamic, "params": {"maxWorkers": 55}}})
    reloads.look()
    assert reloads.active() == {"R", "D"}
    assert reloads.pool.queue("D").max_workers == 55


def test_a_database_that_is_away_is_told_when_it_is_back(reloads: Reloads, monkeypatch: pytest.MonkeyPatch):
    write = queues.activate
    monkeypatch.setattr("harvester.store.queues.activate", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        reloads.say({"A": QUEUE})
    monkeypatch.setattr("harvester.store.queues.activate", write)
    reloads.look()
    assert reloads.active() == {"A"}
