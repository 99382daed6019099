"""Outputs that a job declares and no worker tells of are told to the operator: the server may fail such a job."""

import pytest
from moving import Traffic, an_output
from structlog.testing import capture_logs
from world import QUEUE, World

from harvester.agents.stager import StagerAgent
from harvester.core.jobs import JobSubstatus
from harvester.plugins.api import Failed
from harvester.store import history

DECLARED = {"outFiles": "out.root,log.tgz", "logFile": "log.tgz"}


@pytest.fixture
def traffic(world: World) -> Traffic:
    return Traffic(world)


def warnings_at_the_end(world: World) -> list[str]:
    """What is said of untold outputs when job 1 has been staged."""
    with capture_logs() as lines:
        for _ in range(3):
            world.work(StagerAgent)
            world.clock.forward(seconds=6)
    return [str(line["outputs"]) for line in lines if line["event"] == "no worker told of declared outputs"]


def test_they_are_named_in_the_log_and_in_the_story_of_the_job(world: World, traffic: Traffic):
    traffic.end(1, an_output(1, "log.tgz"), params=DECLARED)
    assert warnings_at_the_end(world) == ["out.root"]
    assert world.job(1).substatus is JobSubstatus.STAGED
    with world.db.read() as connection:
        (event,) = history.of(connection, history.Kind.JOB, 1)
    assert event.cause == "1 output file; no worker told of out.root, which the job declares: the server may fail it"


def test_one_line_tells_of_many_jobs(world: World, traffic: Traffic):
    for job in (1, 2, 3):
        traffic.end(job, params=DECLARED)
    with capture_logs() as lines:
        world.work(StagerAgent)
    (line,) = (each for each in lines if each["log_level"] == "warning")
    assert (line["queue"], line["jobs"], line["outputs"]) == (QUEUE, 3, "out.root, log.tgz")


@pytest.mark.parametrize(
    ("told", "params"),
    [
        (["out.root", "log.tgz"], {}),
        (["out.root", "log.tgz._12", "log.tgz._13"], {}),
        (["log.tgz"], {"allowNoOutput": ["out.root"]}),
        (["log.tgz"], {"allowNoOutput": "out.root,other"}),
        (["log.tgz"], {"outFiles": "regex|.*root,log.tgz"}),
        (["log.tgz"], {"eventService": "True"}),
        (["log.tgz"], {"onSiteMerging": True}),
    ],
)
def test_nothing_is_said_where_the_server_is_content(
    world: World, traffic: Traffic, told: list[str], params: dict[str, object]
):
    traffic.end(1, *(an_output(1, name) for name in told), params={**DECLARED, **params})
    assert warnings_at_the_end(world) == []


@pytest.mark.parametrize(
    ("told", "lacking"),
    [
        ([("out.root", "user"), ("log.tgz", "user")], []),
        ([("out.root", "user"), ("log.tgz._12", "user"), ("log.tgz._13", "user")], []),
        ([("out.root", None), ("log.tgz", None)], []),
        ([("log.tgz._12", "user"), ("log.tgz._13", "user")], ["out.root"]),
        ([("stray", None), ("log.tgz", "user")], ["out.root"]),
    ],
)
def test_where_their_number_is_known_names_are_looked_at_only_if_too_few_were_told(
    world: World, traffic: Traffic, told: list[tuple[str, str | None]], lacking: list[str]
):
    outputs = [an_output(1, name, scope=scope) for name, scope in told]
    traffic.end(1, *outputs, params=DECLARED, needed=2)
    assert warnings_at_the_end(world) == lacking


def test_nothing_is_said_of_jobs_that_fail_anyhow(world: World, traffic: Traffic):
    traffic.stager.look["log.tgz"] = Failed("the archive burns")
    traffic.end(1, an_output(1, "log.tgz"), params=DECLARED)
    assert warnings_at_the_end(world) == []


def test_nothing_is_said_where_pilots_tell_the_server_themselves(world: World, traffic: Traffic):
    world.serve(QUEUE, truePilot=True)
    traffic.end(1, params=DECLARED)
    assert warnings_at_the_end(world) == []
