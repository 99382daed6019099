"""Inputs that several jobs need, and those that jobs need besides what they declare."""

from collections.abc import Callable, Mapping, Sequence

import pytest
from moving import Traffic, an_input
from pydantic import JsonValue
from world import QUEUE, World

from harvester.agents.job_fetcher import JobFetcher
from harvester.agents.preparator import PreparatorAgent
from harvester.agents.settling import cancel_jobs
from harvester.core.files import FileKind, FileStatus
from harvester.core.jobs import JobStatus, JobSubstatus
from harvester.panda.devserver import DevControl
from harvester.plugins.api import (
    AuxiliaryInput,
    Extracted,
    Extractor,
    Failed,
    Grouped,
    Later,
    PluginContext,
    PluginSettings,
)
from harvester.plugins.registry import Role
from harvester.store import jobs

ENDPOINT = "SITE_DATADISK"
PREPARING, READY, TRIGGERED = FileStatus.PREPARING, FileStatus.READY, FileStatus.TRIGGERED


@pytest.fixture
def traffic(world: World) -> Traffic:
    world.serve(QUEUE, ddmEndpointIn=ENDPOINT)
    return Traffic(world)


def shared(job_id: int, lfn: str = "a"):
    return an_input(job_id, lfn, endpoint=ENDPOINT, scope="s")


def statuses(traffic: Traffic, *job_ids: int) -> list[FileStatus]:
    return [traffic.files(job)["a"].status for job in job_ids]


def test_one_job_has_it_brought_and_the_others_take_the_path(world: World, traffic: Traffic):
    for job in (1, 2, 3):
        traffic.fetch(job, shared(job))
    traffic.preparator.start["a"] = Grouped("task", "active")
    traffic.preparator.look["a"] = Later("under way")
    world.work(PreparatorAgent)
    assert statuses(traffic, 1, 2, 3) == [TRIGGERED, PREPARING, PREPARING]
    traffic.preparator.look.clear()
    world.clock.forward(seconds=6)
    world.work(PreparatorAgent)
    assert world.job(1).substatus is JobSubstatus.PREPARED
    world.work(PreparatorAgent)
    assert statuses(traffic, 1, 2, 3) == [READY] * 3
    assert {world.job(job).substatus for job in (1, 2, 3)} == {JobSubstatus.PREPARED}
    assert {traffic.files(job)["a"].path for job in (1, 2, 3)} == {"/moved/a"}
    assert traffic.preparator.started == [["a"], ["a"]]


def test_a_job_that_comes_later_takes_what_is_there(world: World, traffic: Traffic):
    traffic.fetch(1, shared(1))
    world.work(PreparatorAgent)
    traffic.fetch(2, shared(2), an_input(2, "own"))
    world.work(PreparatorAgent)
    assert traffic.preparator.started == [["a"], ["own"]]
    assert world.job(2).substatus is JobSubstatus.PREPARED


def end_by_kill(world: World, _: Traffic) -> None:
    with world.db.write() as connection:
        cancel_jobs(connection, [1], world.clock(), "test")


def end_by_failure(world: World, traffic: Traffic) -> None:
    traffic.preparator.look["a"] = Failed("the tape is torn")
    world.clock.forward(seconds=6)
    world.work(PreparatorAgent)
    traffic.preparator.look["a"] = Later("under way")


@pytest.mark.parametrize("end", [end_by_kill, end_by_failure])
def test_when_the_job_that_has_it_brought_ends_the_next_one_takes_over(
    world: World, traffic: Traffic, end: Callable[[World, Traffic], None]
):
    for job in (1, 2, 3):
        traffic.fetch(job, shared(job))
    traffic.preparator.look["a"] = Later("under way")
    world.work(PreparatorAgent)
    end(world, traffic)
    world.clock.forward(seconds=16)
    world.work(PreparatorAgent)
    assert statuses(traffic, 2, 3) == [TRIGGERED, PREPARING]


def test_a_process_that_dies_at_it_makes_nobody_wait(world: World, traffic: Traffic):
    for job in (1, 2):
        traffic.fetch(job, shared(job))
    world.claim(PreparatorAgent(world.instance))
    world.lose_claims()
    traffic.until(PreparatorAgent, lambda: statuses(traffic, 1, 2) == [READY, READY])
    assert traffic.preparator.started == [["a"]]


@pytest.mark.shows("queue.ddmEndpointIn")
def test_other_scopes_and_endpoints_are_other_files(world: World, traffic: Traffic):
    traffic.fetch(1, shared(1))
    traffic.fetch(2, an_input(2, "a", endpoint=ENDPOINT, scope="other"))
    traffic.fetch(3, an_input(3, "a", endpoint="ELSEWHERE", scope="s"))
    world.work(PreparatorAgent)
    assert traffic.preparator.started == [["a", "a", "a"]]


def test_queues_share_what_they_bring_to_the_same_endpoint(world: World, traffic: Traffic):
    world.serve("OTHER", ddmEndpointIn=ENDPOINT)
    traffic.fetch(1, shared(1), queue="OTHER")
    world.work(PreparatorAgent)
    traffic.fetch(2, shared(2))
    world.work(PreparatorAgent)
    assert traffic.preparator.started == [["a"]]


def test_jobs_of_queues_without_an_endpoint_share_nothing(world: World, traffic: Traffic):
    world.serve(QUEUE)
    for job in (1, 2):
        traffic.fetch(job, shared(job))
    world.work(PreparatorAgent)
    assert traffic.preparator.started == [["a", "a"]]


# ---- auxiliary inputs ------------------------------------------------------------------------------------------------

IMAGE = "docker://there/image:1"


class ToldExtractor(Extractor[PluginSettings]):
    answer: Extracted | Failed = Extracted([AuxiliaryInput("image:1", IMAGE)], {"container_name": IMAGE})

    def extract(self, some: Sequence[Mapping[str, JsonValue]]) -> Sequence[Extracted | Failed]:
        return [self.answer for _ in some]


@pytest.fixture
def extractor(served: World) -> ToldExtractor:
    block = {"plugin": "auxiliary"}
    served.serve(QUEUE, extractor=block, aux_preparator={**block, "localBasePath": "/images"}, ddmEndpointIn=ENDPOINT)
    return ToldExtractor(PluginSettings(), PluginContext("test", QUEUE, served.clock, served.directory))


@pytest.fixture
def aided(served: World, extractor: ToldExtractor) -> Traffic:
    traffic = Traffic(served)
    traffic.plug(Role.EXTRACTOR, extractor)
    return traffic


def fetch_one(world: World, control: DevControl) -> int:
    (job_id,) = control.add_jobs([{"site": QUEUE, "inFiles": "data", "scopeIn": "s"}])
    world.work(JobFetcher)
    return job_id


def params_of(world: World, job_id: int) -> Mapping[str, JsonValue]:
    with world.db.read() as connection:
        return jobs.params_of(connection, [job_id])[job_id]


def test_auxiliary_inputs_are_brought_by_their_own_preparator_and_images_used(
    served: World, control: DevControl, aided: Traffic
):
    job_id = fetch_one(served, control)
    stored = aided.files(job_id)
    assert (stored["image:1"].kind, stored["image:1"].url) == (FileKind.AUX_INPUT, IMAGE)
    assert stored["data"].endpoint == ENDPOINT
    aided.until(PreparatorAgent, lambda: served.job(job_id).substatus is JobSubstatus.PREPARED)
    assert (aided.preparator.started, aided.auxiliary.started) == ([["data"]], [["image:1"]])
    assert params_of(served, job_id)["container_name"] == "/moved/image:1"


@pytest.mark.shows("queue.extractor")
def test_a_job_whose_auxiliary_inputs_cannot_be_told_goes_back(
    served: World, control: DevControl, aided: Traffic, extractor: ToldExtractor
):
    extractor.answer = Failed("it needs '..', which is no URL of a file")
    job_id = fetch_one(served, control)
    assert (served.job(job_id).status, aided.files(job_id)) == (JobStatus.FAILED, {})
    assert "no URL" in str(served.job(job_id).attributes["pilotErrorDiag"])


def test_an_extractor_that_raises_costs_no_job_its_answer(
    served: World, control: DevControl, aided: Traffic, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ToldExtractor, "extract", None)
    job_id = fetch_one(served, control)
    assert served.job(job_id).status is JobStatus.FAILED
    assert aided.files(job_id) == {}


@pytest.mark.shows("queue.aux_preparator")
def test_without_an_auxiliary_preparator_such_jobs_go_back(served: World, control: DevControl, aided: Traffic):
    served.serve(QUEUE, extractor={"plugin": "auxiliary"})
    job_id = fetch_one(served, control)
    assert "no aux_preparator" in str(served.job(job_id).attributes["pilotErrorDiag"])
    assert aided.files(job_id) == {}
