"""Jobs and workers stay with the configuration they were made with, across changes, restarts and processes."""

import inspect
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from test_agents_reloader import QUEUE, Reloads
from world import World

from harvester.core.jobs import Job, JobStatus, JobSubstatus
from harvester.core.workers import Worker, WorkerStatus
from harvester.plugins.api import Messenger, Resource
from harvester.plugins.registry import UnusablePluginError
from harvester.plugins.routing import RoutedMessenger, RoutedResource
from harvester.store import jobs, leases, queue_versions, workers

OTHER = {**QUEUE, "submitter": {"plugin": "dummy", "x": 1}}


@pytest.fixture
def reloads(world: World, tmp_path: Path) -> Reloads:
    return Reloads(world, tmp_path)


def intend(world: World, worker_id: int, version: int | None, queue: str = "A") -> None:
    intent = Worker(worker_id, queue, WorkerStatus.PENDING, f"test-{worker_id}", config_version=version)
    with world.db.write() as connection:
        workers.insert_intents(connection, [intent], world.clock())


def versions(world: World) -> list[int]:
    with world.db.read() as connection:
        return [each.number for each in queue_versions.beyond(connection, 0)]


def test_new_work_has_the_present_version_and_limits_make_none(reloads: Reloads):
    reloads.say({"A": QUEUE})
    first = reloads.pool.version("A")
    reloads.say({"A": {**QUEUE, "maxWorkers": 5}})
    assert reloads.pool.version("A") == first
    reloads.say({"A": OTHER})
    assert reloads.pool.version("A") not in {None, first}
    reloads.say({"A": QUEUE})
    assert reloads.pool.version("A") == first


def test_a_former_version_is_followed_as_long_as_it_has_workers(reloads: Reloads):
    reloads.say({"A": QUEUE})
    intend(reloads.world, 1, reloads.pool.version("A"))
    reloads.say({"A": OTHER})
    reloads.look(seconds=700)
    assert isinstance(reloads.pool.monitor("A"), RoutedResource)
    with reloads.world.db.write() as connection:
        workers.remove(connection, [1], reloads.world.clock())
    reloads.look(seconds=700)
    assert not isinstance(reloads.pool.monitor("A"), RoutedResource)
    assert len(versions(reloads.world)) == 2
    reloads.look(seconds=90_000)
    assert versions(reloads.world) == [reloads.pool.version("A")]


def test_a_version_that_may_just_be_written_is_not_forgotten(reloads: Reloads):
    reloads.say({"A": QUEUE})
    reloads.look(seconds=590)
    reloads.say({"A": OTHER})
    reloads.look(seconds=20)
    assert isinstance(reloads.pool.monitor("A"), RoutedResource)


def test_after_a_restart_a_removed_queue_is_known_from_the_database(reloads: Reloads, world: World, tmp_path: Path):
    reloads.say({"A": OTHER})
    intend(world, 1, reloads.pool.version("A"))
    reloads.say({})
    fresh = Reloads(world, tmp_path)
    assert fresh.pool.queue("A").submitter.settings == {"x": 1}
    assert fresh.pool.sweeper("A").context.queue == "A"
    assert fresh.active() == set()


def test_after_a_restart_a_changed_queue_still_follows_its_workers(reloads: Reloads, world: World, tmp_path: Path):
    reloads.say({"A": QUEUE})
    intend(world, 1, reloads.pool.version("A"))
    reloads.say({"A": OTHER})
    fresh = Reloads(world, tmp_path)
    fresh.say({"A": OTHER})
    assert isinstance(fresh.pool.monitor("A"), RoutedResource)
    assert fresh.pool.version("A") == reloads.pool.version("A")


@pytest.mark.shows("master.dynamic_plugin_change")
def test_without_dynamic_plugin_change_all_work_follows_the_present_configuration(world: World, tmp_path: Path):
    reloads = Reloads(world, tmp_path, keeps_versions=False)
    reloads.say({"A": QUEUE})
    version = reloads.pool.version("A")
    intend(world, 1, version)
    reloads.say({"A": {**OTHER, "stager": {"plugin": "dummy", "x": 1}}})
    assert not isinstance(reloads.pool.monitor("A"), RoutedResource)
    assert reloads.pool.own_version("A", version) is None
    reloads.say({})
    assert reloads.pool.queue("A").submitter.settings == {"x": 1}


def test_other_processes_learn_of_a_version_before_it_is_used(world: World, tmp_path: Path):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir(), there.mkdir()
    ours, theirs = Reloads(world, here), Reloads(world, there)
    same = {"messenger": {"plugin": "shared_file", "accessPoint": "/a/${workerID}"}}
    for each in (ours, theirs):
        each.say({"A": {**QUEUE, **same}})
    with world.db.write() as connection:
        for pid in (1, 2):
            until = world.clock() + timedelta(hours=1)
            leases.register_owner(connection, "host", pid, "", now=world.clock(), expires_at=until)
    first = ours.pool.version("A")
    ours.say({"A": {**OTHER, **same}})
    assert ours.pool.version("A") == first
    theirs.look(seconds=0)
    assert isinstance(theirs.pool.monitor("A"), RoutedResource)
    assert theirs.pool.version("A") == first
    ours.look(seconds=7)
    assert ours.pool.version("A") != first
    assert ours.pool.version("A") in versions(world)


def test_jobs_keep_their_stager(reloads: Reloads, world: World):
    reloads.say({"A": QUEUE})
    first, stager = reloads.pool.version("A"), reloads.pool.stager("A")
    new = [jobs.NewJob(Job(1, "A", JobStatus.STARTING, JobSubstatus.FETCHED, config_version=first), {})]
    with world.db.write() as connection:
        jobs.insert_fetched(connection, new, world.clock())
    reloads.say({"A": {**QUEUE, "stager": {"plugin": "dummy", "x": 1}}})
    assert reloads.pool.own_version("A", first) == first
    assert reloads.pool.stager("A", first) is stager
    assert reloads.pool.stager("A") is not stager
    assert reloads.pool.own_version("A", None) is None
    reloads.say({"A": {**OTHER}})
    assert reloads.pool.own_version("A", first) is None


def test_a_queue_that_is_gone_is_left_alone_and_one_with_workers_is_not(reloads: Reloads, world: World):
    def watched() -> list[str]:
        with world.db.read() as connection:
            rows = connection.exec_driver_sql("SELECT name FROM queues WHERE monitor_due IS NOT NULL")
            return [row[0] for row in rows]

    reloads.say({"A": QUEUE, "B": QUEUE})
    intend(world, 1, None, "B")
    reloads.say({})
    reloads.look(seconds=700)
    reloads.look(seconds=700)
    assert watched() == ["B"]
    reloads.say({"A": QUEUE})
    assert set(watched()) == {"A", "B"}


def test_a_former_plugin_that_cannot_be_had_leaves_its_workers_alone(reloads: Reloads, monkeypatch: pytest.MonkeyPatch):
    reloads.say({"A": QUEUE})
    version = reloads.pool.version("A")
    reloads.say({"A": OTHER})
    get = reloads.pool._get

    def failing(queue: str, role: Any, block: Any) -> Any:  # noqa: ANN401 (as the pool's)
        if not block.settings:
            raise UnusablePluginError("gone")
        return get(queue, role, block)

    monkeypatch.setattr(reloads.pool, "_get", failing)
    resource = reloads.pool.monitor("A")
    worker = Worker(1, "A", WorkerStatus.RUNNING, "test-1", batch_id="b", config_version=version)
    assert [str(each) for each in resource.check([worker])] == ["Unknown(reason='gone')"]


@pytest.mark.parametrize(("contract", "router"), [(Resource, RoutedResource), (Messenger, RoutedMessenger)])
def test_no_verb_of_the_contract_is_forgotten(contract: type, router: type):
    def verbs(of: type) -> set[str]:
        members = inspect.getmembers(of, inspect.isfunction)
        return {
            name for name, each in members if not name.startswith("_") and each.__qualname__.startswith(of.__name__)
        }

    assert verbs(router) >= verbs(contract)
