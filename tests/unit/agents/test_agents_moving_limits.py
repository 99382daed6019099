"""How much is moved and packed at once, and how often, by the keys of the main configuration."""

from collections.abc import Iterator

import pytest
from moving import Told, Traffic, an_input, an_output
from test_agents_transfers import seconds_to_next
from world import QUEUE, World

from harvester.agents.preparator import PreparatorAgent
from harvester.agents.stager import StagerAgent
from harvester.agents.transfers import TransferAgent
from harvester.core.files import FileKind, FileStatus
from harvester.core.workers import MapType
from harvester.plugins.api import Later
from harvester.store.schema import JobPhase

MOVERS = [("preparator", PreparatorAgent, JobPhase.PREPARE), ("stager", StagerAgent, JobPhase.STAGE)]


@pytest.fixture
def traffic(world: World) -> Traffic:
    return Traffic(world)


def give(traffic: Traffic, section: str, job: int, names: list[str]) -> Told:
    """A job whose files that section's agent has to move; the plugin that does."""
    if section == "preparator":
        traffic.fetch(job, *(an_input(job, name) for name in names))
        return traffic.preparator
    traffic.end(job, *(an_output(job, name) for name in names))
    return traffic.stager


@pytest.mark.shows(
    "preparator.maxJobsToTrigger", "preparator.maxJobsToCheck", "stager.maxJobsToTrigger", "stager.maxJobsToCheck",
)  # fmt: skip
@pytest.mark.parametrize(("section", "agent", "_phase"), MOVERS)
def test_a_call_is_about_so_many_jobs(
    world: World, traffic: Traffic, section: str, agent: type[TransferAgent], _phase: JobPhase
):
    world.configure(**{section: {"maxJobsToTrigger": 2, "maxJobsToCheck": 2}})
    for job in range(1, 6):
        plugin = give(traffic, section, job, [f"f{job}"])
    world.work(agent)
    assert [len(call) for call in plugin.started] == [2, 2, 1]
    assert [len(call) for call in plugin.looked] == [2, 2, 1]


@pytest.mark.shows(
    "preparator.maxFilesPerJobToPrepare", "preparator.maxFilesPerJobToCheck", "stager.maxFilesPerJobToTrigger",
    "stager.maxFilesPerJobToCheck",
)  # fmt: skip
@pytest.mark.parametrize(("section", "agent", "_phase"), MOVERS)
def test_so_many_files_of_a_job_are_started_and_asked_for_at_once(
    world: World, traffic: Traffic, section: str, agent: type[TransferAgent], _phase: JobPhase
):
    to_start = "maxFilesPerJobToPrepare" if section == "preparator" else "maxFilesPerJobToTrigger"
    world.configure(**{section: {to_start: 3, "maxFilesPerJobToCheck": 2}})
    names = [f"f{number}" for number in range(7)]
    plugin = give(traffic, section, 1, names)
    for _ in range(9):
        world.work(agent)
        world.clock.forward(seconds=6)
    assert max(new_ones(plugin.started)) == 3
    assert max(len(call) for call in plugin.looked) == 2
    assert {name for call in plugin.looked for name in call} == set(names)


def new_ones(calls: list[list[str]]) -> Iterator[int]:
    """How many of each call were in none before; what is under way may be started again."""
    seen: set[str] = set()
    for call in calls:
        yield len(set(call) - seen)
        seen.update(call)


@pytest.mark.shows(
    "preparator.triggerInterval", "preparator.checkInterval", "stager.triggerInterval", "stager.checkInterval",
)  # fmt: skip
@pytest.mark.parametrize(("section", "agent", "phase"), MOVERS)
@pytest.mark.parametrize(("is_started", "interval"), [(False, 2), (True, 3)])
def test_starting_and_asking_have_intervals_of_their_own(
    world: World, traffic: Traffic, section: str, agent: type[TransferAgent], phase: JobPhase, *,
    is_started: bool, interval: int,
):  # fmt: skip
    world.configure(**{section: {"triggerInterval": 2, "checkInterval": 3}})
    plugin = give(traffic, section, 1, ["a"])
    plugin.look["a"] = Later("under way")
    if not is_started:
        plugin.start["a"] = Later("busy")
    for _ in range(2):
        world.work(agent)
        seconds = seconds_to_next(world, phase)
        world.clock.forward(seconds=seconds)
    assert seconds == interval


def give_to_pack(traffic: Traffic, *jobs: int) -> None:
    for job in jobs:
        made = an_output(job, f"e{job}", kind=FileKind.ES_OUTPUT, status=FileStatus.PENDING, worker_id=5, size=3)
        traffic.end(job, made)


@pytest.mark.shows("zipper.maxJobsToZip")
def test_a_call_packs_for_so_many_jobs(world: World, traffic: Traffic):
    world.configure(zipper={"maxJobsToZip": 2})
    world.serve(QUEUE, zipPerMB=0, mapType=MapType.ONE_TO_ONE)
    give_to_pack(traffic, 1, 2, 3)
    assert world.work(StagerAgent) == 2
    assert len(traffic.zipper.parcels) == 3


@pytest.mark.shows("zipper.zipInterval")
def test_what_cannot_be_packed_is_tried_again_after_the_interval(world: World, traffic: Traffic):
    world.configure(zipper={"zipInterval": 2})
    world.serve(QUEUE, zipPerMB=0)
    traffic.zipper.answers["panda.e1.zip"] = Later("the disk is full")
    give_to_pack(traffic, 1)
    world.work(StagerAgent)
    assert seconds_to_next(world, JobPhase.STAGE) == 2


@pytest.mark.shows("zipper.lockInterval")
def test_packing_may_take_longer_than_moving(world: World):
    world.configure(stager={"lockInterval": 100}, zipper={"lockInterval": 5000})
    assert StagerAgent(world.instance).pace.lease == 5000
