"""How many files are moved at once, how often, and in which groups."""

import pytest
from moving import Traffic, an_input, an_output
from structlog.testing import capture_logs
from world import World

from harvester.agents.preparator import PreparatorAgent
from harvester.agents.stager import StagerAgent
from harvester.agents.transfers import TransferAgent
from harvester.core.files import FileStatus
from harvester.core.jobs import JobSubstatus
from harvester.plugins.api import Failed, Grouped, Later
from harvester.store.leases import JOB_WORK, next_due
from harvester.store.schema import JobPhase


@pytest.fixture
def traffic(world: World) -> Traffic:
    return Traffic(world)


def seconds_to_next(world: World, phase: JobPhase) -> float:
    with world.db.read() as connection:
        due = next_due(connection, JOB_WORK, phase)
    assert due is not None
    return (due - world.clock()).total_seconds()


@pytest.mark.shows("preparator.maxFilesPerJobToPrepare")
def test_no_more_files_of_a_job_are_started_at_once_than_configured(world: World, traffic: Traffic):
    world.configure(preparator={"maxFilesPerJobToPrepare": 2})
    traffic.fetch(1, *(an_input(1, f"f{number}") for number in range(5)))
    traffic.until(PreparatorAgent, lambda: world.job(1).substatus is JobSubstatus.PREPARED)
    assert traffic.preparator.started == [["f0", "f1"], ["f2", "f3"], ["f4"]]


@pytest.mark.shows("stager.maxFilesPerJobToCheck")
def test_no_more_files_of_a_job_are_asked_for_at_once_than_configured_and_all_have_their_turn(
    world: World, traffic: Traffic
):
    world.configure(stager={"maxFilesPerJobToCheck": 2})
    names = [f"f{number}" for number in range(4)]
    traffic.stager.look = {name: Later("under way") for name in names}
    traffic.end(1, *(an_output(1, name) for name in names))
    for _ in range(5):
        world.work(StagerAgent)
        world.clock.forward(seconds=6)
    assert all(len(call) <= 2 for call in traffic.stager.looked)
    assert {name for call in traffic.stager.looked for name in call} == set(names)
    traffic.stager.look = {}
    traffic.until(StagerAgent, lambda: world.job(1).substatus is JobSubstatus.STAGED)


def test_the_next_files_follow_at_once_but_not_if_the_plugin_cannot_be_asked(world: World, traffic: Traffic):
    world.configure(preparator={"maxFilesPerJobToPrepare": 1})
    traffic.fetch(1, an_input(1, "a"), an_input(1, "b"))
    world.work(PreparatorAgent)
    assert seconds_to_next(world, JobPhase.PREPARE) == 0
    traffic.preparator.trigger = None  # type: ignore[assignment]
    world.work(PreparatorAgent)
    assert seconds_to_next(world, JobPhase.PREPARE) == 5


@pytest.mark.shows("stager.maxJobsToTrigger")
def test_a_call_has_no_more_jobs_than_configured(world: World, traffic: Traffic):
    world.configure(stager={"maxJobsToTrigger": 2})
    for job in range(1, 6):
        traffic.end(job, an_output(job, f"f{job}"))
    assert world.work(StagerAgent) == 3
    assert [len(call) for call in traffic.stager.started] == [2, 2, 1]


def test_jobs_without_files_are_one_unit_and_ask_nobody(world: World, traffic: Traffic):
    world.configure(stager={"maxJobsToTrigger": 2})
    for job in range(1, 6):
        traffic.end(job)
    assert world.work(StagerAgent) == 1
    assert traffic.stager.started == []


@pytest.mark.shows("preparator.checkInterval", "preparator.triggerInterval")
@pytest.mark.parametrize(("start", "interval"), [(Later("busy"), 2), (None, 3)])
def test_starting_and_asking_have_their_own_intervals(
    world: World, traffic: Traffic, start: Later | None, interval: int
):
    world.configure(preparator={"triggerInterval": 2, "checkInterval": 3})
    traffic.fetch(1, an_input(1, "a"))
    traffic.preparator.look["a"] = Later("under way")
    if start:
        traffic.preparator.start["a"] = start
    world.work(PreparatorAgent)
    assert seconds_to_next(world, JobPhase.PREPARE) == interval


# ---- groups ----------------------------------------------------------------------------------------------------------


def test_a_plugin_has_its_words_on_groups_given_back(world: World, traffic: Traffic):
    traffic.end(1, an_output(1, "a"))
    traffic.stager.start["a"] = Grouped("task-1", "queued")
    traffic.stager.look["a"] = Grouped("task-1", "active")
    world.work(StagerAgent)
    moving = traffic.files(1)["a"]
    assert (moving.status, moving.group_id, moving.group_status) == (FileStatus.TRANSFERRING, "task-1", "active")
    assert moving.grouped_at == world.clock()
    world.clock.forward(seconds=6)
    world.work(StagerAgent)
    assert (traffic.stager.seen[0].group_id, traffic.stager.seen[0].grouped_at) == ("task-1", moving.grouped_at)


def test_a_new_word_on_a_group_reaches_all_of_its_files(world: World, traffic: Traffic):
    for job in (1, 2):
        traffic.end(job, an_output(job, "a"))
    traffic.stager.start["a"] = traffic.stager.look["a"] = Grouped("task-1", "active")
    world.work(StagerAgent)
    world.configure(stager={"maxJobsToCheck": 1})
    world.clock.forward(seconds=6)
    agent = StagerAgent(world.instance)
    first, _ = world.claim(agent)
    traffic.stager.look["a"] = Grouped("task-1", "done")
    world.finish(agent, first)
    assert [traffic.files(job)["a"].group_status for job in (1, 2)] == ["done", "done"]


@pytest.mark.parametrize("agent", [PreparatorAgent, StagerAgent])
def test_files_that_are_given_up_are_told_of_by_whom_they_were_given_up(
    world: World, traffic: Traffic, agent: type[TransferAgent]
):
    traffic.fetch(1, an_input(1, "in"))
    traffic.end(2, an_output(2, "out"))
    traffic.preparator.look["in"] = traffic.stager.look["out"] = Failed("the tape is torn")
    with capture_logs() as lines:
        world.work(agent)
    (line,) = (each for each in lines if each["event"] == "files are given up")
    assert (line["agent"], line["files"], line["reason"]) == (agent.name, 1, "the tape is torn")
