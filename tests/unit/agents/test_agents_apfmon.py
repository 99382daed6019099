"""A pilot factory monitor hears of workers, and its failures hurt nobody."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx2
import pytest
from sqlalchemy import delete, insert, select
from structlog.testing import capture_logs
from world import World

from harvester.agents.apfmon import ApfMonitor
from harvester.agents.monitor import Monitor
from harvester.agents.sizer import Sizer
from harvester.agents.submitter import Submitter
from harvester.core.workers import WorkerStatus
from harvester.plugins.api import Seen, Submitted
from harvester.store import marks
from harvester.store.schema import history
from moving_clock import MovingClock


@dataclass
class Spectator(httpx2.BaseTransport):
    """Keeps what it is told."""

    fails: bool = False
    unknown: set[str] = field(default_factory=set)
    told: list[tuple[str, str, object]] = field(default_factory=list)
    timeouts: set[float] = field(default_factory=set)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        if self.fails:
            raise httpx2.ConnectError("no route to host")
        text = request.read().decode()
        body = json.loads(text) if request.method == "PUT" else text
        self.told.append((request.method, request.url.path.removeprefix("/api/"), body))
        self.timeouts.add(request.extensions["timeout"]["read"])
        return httpx2.Response(404 if self.told[-1][1] in self.unknown else 200)

    def take(self) -> list[tuple[str, str, object]]:
        taken, self.told = self.told, []
        return taken


@pytest.fixture
def spectator() -> Spectator:
    return Spectator()


def monitor(world: World, spectator: Spectator, **keys: object) -> ApfMonitor:
    world.configure(apfmon={"active": True, "base_url": "http://monitor/api", **keys})
    watching = ApfMonitor(world.instance, spectator)
    watching.round()
    return watching


def submit(world: World) -> None:
    world.give_jobs(1)
    world.work(Sizer)
    worker = world.workers()[0].worker_id
    ce = "ce1.example.org:9619"
    world.resource.outcomes[worker] = Submitted("b1", computing_element=ce, log_urls={"stdOut": "http://h/out"})
    world.work(Submitter)


def see(world: World, status: WorkerStatus) -> None:
    world.resource.states[world.workers()[0].worker_id] = Seen(status)
    world.clock.forward(minutes=10)
    world.work(Monitor)


def later(world: World, watching: ApfMonitor) -> None:
    """The round that tells of what has happened just now."""
    world.clock.forward(minutes=1)
    watching.round()


@pytest.mark.shows("apfmon.base_url")
def test_it_hears_of_the_factory_and_of_each_change_of_a_worker(world: World, spectator: Spectator):
    watching = monitor(world, spectator)
    assert [path for _, path, _ in spectator.take()] == ["factories/test"]
    submit(world)
    later(world, watching)
    (_, label_path, labels), (_, job_path, jobs), state = spectator.take()
    assert (label_path, job_path) == ("labels", "jobs")
    label = {"name": "HERE-ce1", "wmsqueue": "HERE", "ce_queue_id": "ce1.example.org:9619", "factory": "test"}
    assert labels == [label]
    assert isinstance(jobs, list)
    (entry,) = jobs
    assert isinstance(entry, Mapping)
    assert (entry["cid"], entry["label"], entry["stdouturl"]) == ("b1", "HERE-ce1", "http://h/out")
    assert state == ("POST", "jobs/test:b1", "state=created")
    see(world, WorkerStatus.RUNNING)
    later(world, watching)
    assert spectator.take() == [("POST", "jobs/test:b1", "state=running")]
    later(world, watching)
    assert spectator.take() == []


def test_a_worker_that_starts_before_it_was_told_of_is_made_known_too(world: World, spectator: Spectator):
    watching = monitor(world, spectator)
    spectator.take()
    submit(world)
    see(world, WorkerStatus.RUNNING)
    later(world, watching)
    assert [path for _, path, _ in spectator.take()] == ["labels", "jobs", "jobs/test:b1"]


def test_a_worker_of_which_it_does_not_want_to_hear_concerns_no_other(world: World, spectator: Spectator):
    watching = monitor(world, spectator)
    spectator.take()
    world.give_jobs(1, 2)
    world.work(Sizer)
    world.work(Submitter)
    batch_ids = [each.batch_id for each in world.workers()]
    spectator.unknown = {f"jobs/test:{batch_ids[0]}"}
    with capture_logs() as lines:
        later(world, watching)
    assert [path for _, path, _ in spectator.take()][-2:] == [f"jobs/test:{each}" for each in batch_ids]
    assert [line["workers_by_http_status"] for line in lines] == [{404: 1}]


def test_factory_and_labels_are_told_every_hour(world: World, spectator: Spectator, clock: MovingClock):
    watching = monitor(world, spectator)
    clock.forward(minutes=59)
    watching.round()
    clock.forward(minutes=1)
    watching.round()
    assert [path for _, path, _ in spectator.take()] == ["factories/test"] * 2


def test_one_that_is_away_hurts_nobody_and_old_news_is_not_told_later(world: World, spectator: Spectator):
    watching = monitor(world, spectator)
    spectator.take()
    submit(world)
    spectator.fails = True
    with capture_logs() as lines:
        world.clock.forward(hours=2)
        watching.round()
    assert [line["event"] for line in lines] == ["the pilot factory monitor was not told"]
    spectator.fails = False
    later(world, watching)
    assert [path for _, path, _ in spectator.take()] == ["factories/test"]


@pytest.mark.shows("apfmon.worker_timeout")
@pytest.mark.parametrize(("keys", "timeouts"), [({}, {1.0, 0.5, 0.2}), ({"worker_timeout": 7}, {7.0})])
def test_nobody_waits_long_for_it(world: World, spectator: Spectator, keys: dict[str, object], timeouts: set[float]):
    watching = monitor(world, spectator, **keys)
    submit(world)
    later(world, watching)
    assert spectator.timeouts == timeouts


def test_all_that_has_happened_since_the_last_round_is_told(
    world: World, spectator: Spectator, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("harvester.agents.apfmon._EVENTS_AT_ONCE", 2)
    watching = monitor(world, spectator)
    spectator.take()
    world.give_jobs(*range(1, 8))
    world.work(Sizer)
    world.work(Submitter)
    later(world, watching)
    told = [path for method, path, _ in spectator.take() if method == "POST"]
    assert sorted(set(told)) == sorted(f"jobs/test:{each.batch_id}" for each in world.workers())


def test_what_happens_while_it_is_away_is_not_told(world: World, spectator: Spectator, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("harvester.agents.apfmon._EVENTS_AT_ONCE", 2)
    watching = monitor(world, spectator)
    spectator.take()
    spectator.fails = True
    world.give_jobs(1, 2, 3)
    world.work(Sizer)
    world.work(Submitter)
    later(world, watching)
    spectator.fails = False
    later(world, watching)
    assert [path for _, path, _ in spectator.take()] == []


def test_it_hears_of_workers_also_when_all_former_events_were_forgotten(world: World, spectator: Spectator):
    watching = monitor(world, spectator)
    submit(world)
    later(world, watching)
    with world.db.write() as connection:
        connection.execute(delete(history))
    later(world, watching)
    spectator.take()
    world.give_jobs(2)
    world.clock.forward(minutes=10)
    world.work(Sizer)
    world.work(Submitter)
    later(world, watching)
    (_, second) = world.workers()
    assert f"jobs/test:{second.batch_id}" in [path for _, path, _ in spectator.take()]


def test_an_event_that_is_committed_after_one_with_a_larger_number_is_told(world: World, spectator: Spectator):
    watching = monitor(world, spectator)
    submit(world)
    later(world, watching)
    spectator.take()
    with world.db.read() as connection:
        before = marks.newest(connection)
    see(world, WorkerStatus.FINISHED)
    mine = history.c.event_id > before
    with world.db.write() as connection:
        still_open = [dict(row) for row in connection.execute(select(history).where(mine)).mappings()]
        others = {**still_open[-1], "event_id": still_open[-1]["event_id"] + 1, "kind": "job", "subject": 1}
        connection.execute(delete(history).where(mine))
        connection.execute(insert(history), [others])
    watching.round()
    with world.db.write() as connection:
        connection.execute(insert(history), still_open)
    later(world, watching)
    assert [path for _, path, _ in spectator.take()] == ["jobs/test:b1"]
    later(world, watching)
    assert spectator.take() == []
