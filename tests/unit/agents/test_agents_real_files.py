"""Preparator and stagers with the plugins that copy and pack, on real files."""

import tarfile
from pathlib import Path

import pytest
from moving import Traffic, an_input, an_output
from world import QUEUE, World

from harvester.agents.preparator import PreparatorAgent
from harvester.agents.stager import StagerAgent
from harvester.core.files import FileKind, FileStatus
from harvester.core.jobs import JobSubstatus
from harvester.plugins.api import PluginContext
from harvester.plugins.data.copying import CopyPreparator, CopySettings, CopyStager, CopyStagerSettings
from harvester.plugins.data.packing import TarSettings, TarZipper
from harvester.plugins.registry import Role


class Site:
    """An archive, a place for inputs, and an access point with outputs."""

    def __init__(self, world: World, directory: Path) -> None:
        self.world = world
        self.archive, self.inputs, self.work = (directory / name for name in ("archive", "inputs", "work"))
        self.traffic = Traffic(world)
        context = PluginContext("test", QUEUE, world.clock, directory, packing_threads=2)
        brings = CopySettings.model_validate({"source": str(self.archive), "destination": str(self.inputs)})
        takes = CopyStagerSettings.model_validate({"destination": str(self.archive)})
        self.traffic.plug(Role.PREPARATOR, CopyPreparator(brings, context))
        self.traffic.plug(Role.STAGER, CopyStager(takes, context))
        self.traffic.plug(Role.ZIPPER, TarZipper(TarSettings(), context))

    def put(self, place: Path, text: str) -> Path:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        return place

    def end_with_events(self, *names: str) -> None:
        paths = [self.put(self.work / name, f"content of {name}") for name in names]
        known = {"kind": FileKind.ES_OUTPUT, "status": FileStatus.PENDING, "worker_id": 5}
        some = [an_output(1, each.name, path=str(each), size=each.stat().st_size, **known) for each in paths]
        log = self.put(self.work / "log.tgz", "the log")
        self.traffic.end(1, *some, an_output(1, "log.tgz", kind=FileKind.LOG, path=str(log), size=7))

    def stored(self) -> set[str]:
        return {str(each.relative_to(self.archive)) for each in self.archive.rglob("*") if each.is_file()}


@pytest.fixture
def site(world: World, tmp_path: Path) -> Site:
    world.serve(QUEUE, zipPerMB=0, ddmEndpointIn="HERE")
    return Site(world, tmp_path)


def test_outputs_of_events_are_packed_and_stored_with_the_log(world: World, site: Site):
    site.end_with_events("a", "b")
    site.traffic.until(StagerAgent, lambda: world.job(1).substatus is JobSubstatus.STAGED)
    assert site.stored() == {"panda/panda.a.zip", "panda/log.tgz"}
    with tarfile.open(site.archive / "panda/panda.a.zip") as archive:
        assert archive.getnames() == ["a", "b"]
        assert archive.extractfile("b").read() == b"content of b"
    made = site.traffic.files(1)["panda.a.zip"]
    assert made.size == (site.archive / "panda/panda.a.zip").stat().st_size
    assert world.job(1).output_report.keys() == {"log.tgz"}


def test_a_crash_after_each_step_changes_nothing_of_what_is_stored(world: World, site: Site):
    site.end_with_events("a", "b")
    for _ in range(4):
        agent = StagerAgent(world.instance)
        for unit in world.claim(agent):
            agent.act(unit)
        world.lose_claims()
        world.clock.forward(seconds=6)
        world.work(StagerAgent)
    assert world.job(1).substatus is JobSubstatus.STAGED
    assert site.stored() == {"panda/panda.a.zip", "panda/log.tgz"}


def test_a_missing_member_fails_the_job_by_name(world: World, site: Site):
    site.end_with_events("a", "b")
    (site.work / "b").unlink()
    site.traffic.until(StagerAgent, lambda: world.job(1).substatus is JobSubstatus.FAILED_TO_STAGE_OUT)
    assert "cannot pack panda.a.zip: b of its members" in str(world.job(1).attributes["pilotErrorDiag"])


def test_jobs_that_share_an_input_read_one_copy(world: World, site: Site):
    site.put(site.archive / "s/data", "events")
    for job in (1, 2, 3):
        site.traffic.fetch(job, an_input(job, "data", scope="s", endpoint="HERE", size=6))
    site.traffic.until(PreparatorAgent, lambda: world.job(3).substatus is JobSubstatus.PREPARED)
    assert {site.traffic.files(job)["data"].path for job in (1, 2, 3)} == {str(site.inputs / "s/data")}
    assert (site.inputs / "s/data").read_text() == "events"
