"""The watcher tells of what is stuck: once, by the parts that it is to watch, with the actions that it is to take."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update
from structlog.testing import capture_logs
from test_agents_reporting import given_worker
from test_agents_runner import until
from world import World, settings_with

from harvester.agents.alarm_mail import AlarmMail, MailError
from harvester.agents.base import Agent
from harvester.agents.killer import Killer
from harvester.agents.preparator import PreparatorAgent
from harvester.agents.runner import AgentRunner, _InHand
from harvester.agents.sizer import Sizer
from harvester.agents.submitter import Submitter
from harvester.agents.sweeper import Sweeper
from harvester.agents.watcher import Watcher, signs_of
from harvester.core.holds import Hold, HoldMode
from harvester.core.jobs import Job, JobStatus, JobSubstatus, Kill
from harvester.core.watching import Sign
from harvester.core.workers import WorkerStatus
from harvester.logs import area_of
from harvester.store import holds, jobs, workers
from harvester.store.jobs import NewJob
from harvester.store.schema import WorkerPhase
from harvester.store.schema import workers as worker_table
from moving_clock import MovingClock

WELL = [Sign("monitor", 1), Sign("preparator", 1)]
STUCK = [Sign("monitor", 400), Sign("preparator", 1)]


class FakeMail(AlarmMail):
    """Keeps what it is to send."""

    def __init__(self) -> None:
        self.sent: list[Mapping[str, str]] = []
        self.fails = False

    def send(self, found: Mapping[str, str]) -> None:
        if self.fails:
            raise MailError("no route")
        self.sent.append(found)


@dataclass
class Watch:
    """A watcher whose time and signs a test sets."""

    keys: Mapping[str, object]
    signs: list[Sign] = field(default_factory=lambda: WELL)
    now: float = 0.0

    def __post_init__(self) -> None:
        self.mail = FakeMail()
        self.ended: list[bool] = []
        settings = settings_with(watcher={"actions": "email", **self.keys})
        self.watcher = Watcher(
            settings, lambda: self.signs, lambda name: area_of("", name),
            mail=self.mail, end=self.ended.append, tick=lambda: self.now,
        )  # fmt: skip

    def look(self, signs: list[Sign], after: float = 180.0) -> list[str]:
        """What is logged when it looks so much later."""
        self.now += after
        self.signs = signs
        with capture_logs() as lines:
            self.watcher.round()
        return [f"{line['log_level']} {line['event']}" for line in lines]


@pytest.mark.shows("watcher.checkInterval")
def test_it_first_looks_after_the_check_interval():
    watch = Watch({"checkInterval": 100})
    assert watch.look(STUCK, after=99) == []
    assert watch.look(STUCK, after=1) == ["error part of the service is stuck"]


def test_an_alarm_is_told_once_and_its_end():
    watch = Watch({})
    assert watch.look(STUCK) == ["error part of the service is stuck"]
    assert watch.look(STUCK) == []
    assert len(watch.mail.sent) == 1
    assert watch.look(WELL) == ["info part of the service works again"]
    assert watch.look(STUCK) == ["error part of the service is stuck"]
    assert len(watch.mail.sent) == 2


def test_what_goes_on_is_mailed_again_after_six_hours():
    watch = Watch({})
    watch.look(STUCK)
    watch.look(STUCK, after=5 * 3600)
    assert len(watch.mail.sent) == 1
    watch.look(STUCK, after=3600)
    assert len(watch.mail.sent) == 2


def test_a_mail_that_failed_is_tried_again():
    watch = Watch({})
    watch.mail.fails = True
    assert watch.look(STUCK)[-1] == "warning the alarm could not be mailed"
    watch.mail.fails = False
    watch.look(STUCK)
    assert watch.mail.sent == [{"monitor": "it has done nothing for 400 s"}]


@pytest.mark.shows("watcher.actions")
@pytest.mark.parametrize(
    ("actions", "ended"),
    [("", []), ("email", []), ("terminate", [False]), ("kill", [True]), ("email,terminate,kill", [True])],
)
def test_the_process_is_ended_once_if_that_is_wanted(actions: str, ended: list[bool]):
    watch = Watch({"actions": actions})
    watch.look(STUCK)
    watch.look([*STUCK, Sign("stager", 500)])
    assert watch.ended == ended
    assert watch.watcher.has_ended_the_process == bool(ended)
    assert bool(watch.mail.sent) == ("email" in actions)


@pytest.mark.shows("watcher.logFileNameList")
@pytest.mark.parametrize(
    ("logs", "alarm"),
    [
        ("panda-db_proxy.log", True),
        ("panda-monitor.log", True),
        ("panda-preparator.log", False),
        ("panda-preparator.log, panda-monitor.log", True),
        ("panda-no_such.log", True),
        ("", True),
    ],
)
def test_a_log_stands_for_the_parts_that_write_to_it(logs: str, *, alarm: bool):
    watch = Watch({"logFileNameList": logs})
    assert bool(watch.look(STUCK)) == alarm


def test_the_signs_are_read_once_for_a_look():
    watch, read = Watch({"logFileNameList": "panda-monitor.log"}), []
    watch.watcher._signs = lambda: read.append(1) or STUCK  # type: ignore[func-returns-value]  # it notes and tells
    watch.look(STUCK)
    assert len(read) == 1


@pytest.mark.shows("watcher.maxStalled")
@pytest.mark.parametrize("keys", [{"maxStalled": 0}, {"maxStalled": 500}])
def test_a_rule_can_be_switched_off(keys: Mapping[str, object]):
    assert Watch(keys).look(STUCK) == []


@pytest.mark.shows("watcher.nMessages", "watcher.maxDuration")
@pytest.mark.parametrize(("keys", "alarm"), [({}, True), ({"nMessages": 0}, False), ({"maxDuration": 0}, False)])
def test_work_that_waits_is_an_alarm_unless_switched_off(keys: Mapping[str, object], *, alarm: bool):
    assert bool(Watch(keys).look([Sign("monitor", 1, overdue=700)])) == alarm


# ---- the signs -------------------------------------------------------------------------------------------------------


def test_an_agent_that_looks_for_work_is_not_silent_and_what_it_leaves_is_overdue(world: World, clock: MovingClock):
    ticks = [0.0]
    runner = AgentRunner(
        PreparatorAgent(world.instance), world.db, lambda: world.owner, lambda: True, tick=lambda: ticks[0]
    )
    with world.db.write() as connection:
        new = NewJob(Job(1, "HERE", JobStatus.STARTING, JobSubstatus.FETCHED), {})
        jobs.insert_fetched(connection, [new], clock())
    ticks[0] = 400.0
    clock.forward(seconds=400)
    assert signs_of([runner], world.db) == [Sign("preparator", silent=400, overdue=400)]
    runner._look()
    clock.forward(seconds=5)
    assert signs_of([runner], world.db) == [Sign("preparator", silent=0, overdue=0)]


def test_an_agent_that_begins_one_unit_after_the_other_is_not_silent(world: World):
    ticks = [0.0]
    runner = AgentRunner(
        PreparatorAgent(world.instance), world.db, lambda: world.owner, lambda: True, tick=lambda: ticks[0]
    )
    fetch_an_hour_ago(world, 1, "HERE")
    units = world.claim(runner.agent)
    ticks[0] = 20.0
    runner._begin(units)
    until(lambda: not runner._in_hand)
    assert runner.silence == 0


def test_an_agent_that_is_switched_off_is_not_stuck(world: World):
    world.configure(preparator={"nThreads": 0})
    ticks = [0.0]
    runner = AgentRunner(
        PreparatorAgent(world.instance), world.db, lambda: world.owner, lambda: True, tick=lambda: ticks[0]
    )
    runner._look()
    ticks[0] = 1e6
    assert signs_of([runner], world.db) == []


def fetch_an_hour_ago(world: World, job_id: int, queue: str) -> None:
    new = NewJob(Job(job_id, queue, JobStatus.STARTING, JobSubstatus.FETCHED), {})
    with world.db.write() as connection:
        jobs.insert_fetched(connection, [new], world.clock() - timedelta(hours=1))


def overdue(runner: AgentRunner[Any, Any]) -> float:
    (sign,) = signs_of([runner], runner._db)
    return sign.overdue


def runner_of(world: World, agent: type[Agent[Any, Any]]) -> AgentRunner[Any, Any]:
    return AgentRunner(agent(world.instance), world.db, lambda: world.owner, lambda: True)


def test_what_waits_for_a_queue_that_rests_or_hangs_hides_no_other_queue(world: World):
    runner = runner_of(world, PreparatorAgent)
    fetch_an_hour_ago(world, 1, "HERE")
    runner._count_failure("HERE", ValueError("no"))
    assert overdue(runner) == 0
    fetch_an_hour_ago(world, 2, "THERE")
    assert overdue(runner) == 3600
    (unit,) = world.claim(runner.agent, busy=frozenset({"HERE"}))
    runner._in_hand[id(unit)] = _InHand(unit, renewed=0.0, started=0.0)
    fetch_an_hour_ago(world, 3, "THERE")
    assert overdue(runner) == 0


def test_workers_of_a_paused_queue_are_not_overdue(world: World):
    world.give_jobs(1)
    world.work(Sizer)
    world.clock.forward(hours=1)
    runner = runner_of(world, Submitter)
    assert overdue(runner) == 3600
    with world.db.write() as connection:
        holds.put(connection, Hold("HERE", HoldMode.PAUSE, "the disk is full", "me", world.clock()))
    world.clock.forward(seconds=2)
    assert overdue(runner) == 0


def test_workers_that_the_server_does_not_hear_of_are_not_overdue_to_be_swept(world: World):
    given_worker(world, 1, WorkerPhase.SWEEP, status=WorkerStatus.FINISHED)
    with world.db.write() as connection:
        connection.execute(update(worker_table).values(due=world.clock(), ended_at=world.clock()))
    world.clock.forward(hours=1)
    runner = runner_of(world, Sweeper)
    assert overdue(runner) == 0
    with world.db.write() as connection:
        connection.execute(update(worker_table).values(report_due=None))
    assert overdue(runner) == 3600


def test_workers_that_nobody_has_found_yet_are_not_overdue_to_be_killed(world: World):
    given_worker(world, 1, WorkerPhase.SETTLE, status=WorkerStatus.PENDING)
    with world.db.write() as connection:
        workers.request_kill(connection, {1: Kill("it is not wanted")}, world.clock(), "test")
    world.clock.forward(hours=1)
    runner = runner_of(world, Killer)
    assert overdue(runner) == 0
    with world.db.write() as connection:
        connection.execute(update(worker_table).values(phase=WorkerPhase.MONITOR))
    assert overdue(runner) == 3600


def test_a_rest_that_is_over_keeps_nobody_from_taking_what_is_due(world: World):
    ticks = [0.0]
    runner = AgentRunner(
        PreparatorAgent(world.instance), world.db, lambda: world.owner, lambda: True, tick=lambda: ticks[0]
    )
    fetch_an_hour_ago(world, 1, "HERE")
    runner._count_failure("HERE", ValueError("no"))
    assert overdue(runner) == 0
    ticks[0] += 600
    assert overdue(runner) == 3600


# ---- the end ---------------------------------------------------------------------------------------------------------

_ENDING = """
import signal, sys, threading
from harvester.agents import watcher
watcher._GRACE = 0.2
if sys.argv[2] == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
watcher.end_this_process(sys.argv[1] == "kill")
for each in {*threading.enumerate()} - {threading.current_thread()}:
    each.join()  # whoever is to kill it gets to it
"""


@pytest.mark.parametrize(
    ("action", "ears", "code"),
    [("terminate", "hears", -15), ("kill", "hears", -15), ("kill", "deaf", -9), ("terminate", "deaf", 0)],
)
def test_a_process_stops_and_is_killed_if_it_does_not(action: str, ears: str, code: int):
    ended = subprocess.run([sys.executable, "-c", _ENDING, action, ears], timeout=60, check=False)
    assert ended.returncode == code
