"""Queues for which the server says how many workers there are."""

import threading
from datetime import timedelta

import pytest
from pydantic import JsonValue
from structlog.testing import capture_logs
from world import QUEUE, World

from harvester.agents.command_manager import CommandManager
from harvester.agents.sizer import Sizer
from harvester.agents.statistics import StatisticsReporter
from harvester.panda.devserver import DevControl
from harvester.panda.errors import PandaUnavailable
from harvester.panda.messages import Command
from harvester.store import duties
from moving_clock import NOW

SET = f"SET_N_WORKERS_JOBTYPE:{QUEUE}"
SLAVE = {"runMode": "slave", "mapType": "NoJob", "workerMaker": {"plugin": "simple"}}


@pytest.fixture
def slave(served: World) -> World:
    served.serve(QUEUE, **SLAVE)
    return served


def order(world: World, control: DevControl, params: JsonValue, command: str = SET) -> None:
    """The server gives a command, and the instance obeys."""
    control.order("test", command, params)
    CommandManager(world.instance, NOW).round()


def statistics_of(control: DevControl) -> dict[str, JsonValue]:
    """What the server knows of the workers of the queue."""
    (instance,) = control.instances()
    statistics = instance["statistics"]
    assert isinstance(statistics, dict)
    told = statistics[QUEUE]
    assert isinstance(told, dict)
    return told


def made(world: World) -> int:
    """How many workers there are after the sizer's next look."""
    world.clock.forward(hours=1)
    world.work(Sizer)
    return len(world.workers())


@pytest.mark.shows("queue.runMode")
def test_a_queue_gets_what_was_ordered_once(slave: World, control: DevControl):
    assert made(slave) == 0
    assert slave.note_of("sizer")["text"] == "the server has ordered no more workers"
    order(slave, control, {"managed": {"SCORE": 3, "MCORE": 2}})
    assert made(slave) == 5
    assert made(slave) == 5


def test_an_order_is_seen_at_once(slave: World, control: DevControl):
    slave.work(Sizer)
    order(slave, control, {"managed": {"SCORE": 1}})
    slave.work(Sizer)
    assert len(slave.workers()) == 1


def test_the_limits_of_the_queue_cap_the_order(slave: World, control: DevControl):
    slave.serve(QUEUE, **SLAVE, nQueueLimitWorker=3)
    order(slave, control, {"managed": {"SCORE": 4, "MCORE": 2}})
    assert made(slave) == 3
    note = slave.note_of("sizer")
    assert (note["new_workers"], note["limit"]) == (3, "nQueueLimitWorker")
    assert note["by_type"] == {
        "MCORE": {"wanted": 2, "new": 1, "limit": "nQueueLimitWorker"},
        "SCORE": {"wanted": 4, "new": 2, "limit": "nQueueLimitWorker"},
    }
    slave.serve(QUEUE, **SLAVE, nQueueLimitWorker=5)
    assert made(slave) == 5


def test_a_new_order_replaces_the_rest_of_the_old_one(slave: World, control: DevControl):
    slave.serve(QUEUE, **SLAVE, nQueueLimitWorker=2)
    order(slave, control, {"managed": {"SCORE": 9}})
    assert made(slave) == 2
    slave.serve(QUEUE, **SLAVE)
    order(slave, control, {"managed": {"MCORE": 1}})
    assert made(slave) == 3
    assert [worker.resource_type for worker in slave.workers()] == ["SCORE", "SCORE", "MCORE"]


@pytest.mark.shows("queue.prioritizedProdSourceLabels")
def test_labels_that_go_first_get_their_pilots(slave: World, control: DevControl):
    slave.tell(
        "job_statistics_new.json", {QUEUE: {"SCORE": {"rc_alrb": {"activated": 2}, "managed": {"activated": 9}}}}
    )
    order(slave, control, {"managed": {"SCORE": 3}})
    assert made(slave) == 3
    assert sorted(str(worker.pilot_type) for worker in slave.workers()) == ["ALRB", "ALRB", "None"]


def test_what_the_server_ordered_is_told_with_the_statistics(slave: World, control: DevControl):
    slave.serve(QUEUE, **SLAVE, nQueueLimitWorker=1)
    order(slave, control, {"managed": {"SCORE": 3}})
    made(slave)
    known = threading.Event()
    known.set()
    StatisticsReporter(slave.instance, known).round()
    numbers: JsonValue = {"running": 0, "submitted": 0, "finished": 0, "to_submit": 2}
    assert statistics_of(control)["counts"] == {"managed": {"SCORE": numbers}}


def test_no_numbers_are_told_before_the_server_has_heard_of_the_instance(slave: World, control: DevControl):
    manager = CommandManager(slave.instance, NOW)
    reporting = threading.Thread(target=StatisticsReporter(slave.instance, manager.introduced).round)
    reporting.start()
    assert not manager.introduced.is_set()
    manager.round()
    reporting.join(10)
    assert statistics_of(control)["counts"] == {
        "managed": {"SCORE": dict.fromkeys(("running", "submitted", "finished", "to_submit"), 0)}
    }


def test_statistics_are_reported_at_once_when_the_server_asks(slave: World, control: DevControl):
    with slave.db.write() as connection:
        duties.take(connection, StatisticsReporter.name, 1, now=slave.clock(), until=slave.clock())
        duties.put_down(connection, StatisticsReporter.name, 1, slave.clock() + timedelta(minutes=5))
    order(slave, control, None, f"REPORT_WORKER_STATS:{QUEUE}")
    with slave.db.write() as connection:
        assert duties.take(connection, StatisticsReporter.name, 2, now=slave.clock(), until=slave.clock())


def test_an_order_for_a_queue_that_decides_itself_is_told(
    served: World, control: DevControl, capsys: pytest.CaptureFixture[str]
):
    order(served, control, {"managed": {"SCORE": 3}})
    assert "without a queue in slave mode" in capsys.readouterr().out
    assert [command["state"] for command in control.commands()] == ["retrieved"]


def test_a_server_that_repeats_itself_for_ever_is_obeyed_all_the_same(slave: World, monkeypatch: pytest.MonkeyPatch):
    calls: list[int] = []

    def acquire(number: int) -> list[Command]:
        calls.append(number)
        assert len(calls) < 1000, "it is asked for ever"
        return [Command(each, "SET_N_WORKERS_JOBTYPE", QUEUE, {"managed": {"SCORE": 2}}) for each in range(number)]

    monkeypatch.setattr(slave.panda, "acquire_commands", acquire)
    CommandManager(slave.instance, NOW).round()
    assert made(slave) == 2


def test_yes_is_no_worker(slave: World, control: DevControl):
    order(slave, control, {"managed": {"SCORE": 1}})
    made(slave)
    order(slave, control, [True, "1"], "SYNC_WORKERS_KILL")
    assert slave.held(1).kill_error is None


def test_jobs_limit_the_order_where_workers_need_them(served: World, control: DevControl):
    served.serve(QUEUE, runMode="slave", mapType="OneToOne")
    served.give_jobs(1, 2)
    order(served, control, {"managed": {"SCORE": 9}})
    assert made(served) == 2
    served.give_jobs(3)
    order(served, control, {"managed": {}})
    assert made(served) == 2


def test_the_server_knows_which_commands_it_may_give(slave: World, control: DevControl):
    CommandManager(slave.instance, NOW).round()
    (instance,) = control.instances()
    assert instance["locks"] == [
        {"command": "REPORT_WORKER_STATS", "computingSite": QUEUE, "resourceType": "ANY"},
        {"command": "SET_N_WORKERS_JOBTYPE", "computingSite": QUEUE, "resourceType": "ANY"},
    ]


def test_ordered_workers_take_what_the_information_system_says(slave: World, control: DevControl):
    entry: JsonValue = {
        "nickname": QUEUE,
        "panda_resource": QUEUE,
        "corecount": 8,
        "maxrss": 16000,
        "capability": "ucore",
    }
    slave.tell("panda_queues.json", {QUEUE: entry})
    slave.tell("resource_types.json", [{"resource_name": "MCORE", "mincore": 2}])
    slave.serve(QUEUE, **SLAVE, nQueueLimitWorkerCores=20)
    order(slave, control, {"managed": {"MCORE": 5}})
    slave.work(Sizer)
    assert slave.note_of("sizer")["limit"] == "nQueueLimitWorkerCores"
    assert len(slave.workers()) == 2


def test_that_a_silent_server_answers_again_is_told(served: World, control: DevControl):
    manager = CommandManager(served.instance, NOW)
    control.fault("http_500")
    with pytest.raises(PandaUnavailable):
        manager.round()
    control.clear_faults()
    with capture_logs() as lines:
        manager.round()
        manager.round()
    assert [each["event"] for each in lines if "answers" in each["event"]] == ["the server answers again"]
