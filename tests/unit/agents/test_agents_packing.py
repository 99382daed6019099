"""Outputs are packed before they are taken away."""

import pytest
from moving import Traffic, an_output, running_worker
from sqlalchemy import select
from world import QUEUE, World

from harvester.agents.early_stager import EarlyStager
from harvester.agents.monitor import Monitor
from harvester.agents.stager import StagerAgent
from harvester.core.files import FileKind, FileStatus
from harvester.core.jobs import JobStatus, JobSubstatus
from harvester.core.workers import WorkerStatus
from harvester.plugins.api import Failed, Later, News, ReportedFile, Seen
from harvester.store.schema import JobPhase
from harvester.store.schema import jobs as job_table

ES = FileKind.ES_OUTPUT
MEGABYTE = 1024 * 1024


@pytest.fixture
def traffic(world: World) -> Traffic:
    return Traffic(world)


def pending(job_id: int, lfn: str, **more: object):
    return an_output(job_id, lfn, **{"kind": ES, "status": FileStatus.PENDING, "worker_id": 5, "size": 3, **more})


def phase_of(world: World, job_id: int) -> JobPhase:
    with world.db.read() as connection:
        return connection.scalar(select(job_table.c.phase).where(job_table.c.job_id == job_id))


@pytest.mark.shows("queue.zipPerMB")
def test_an_ended_job_has_its_pending_files_packed_and_only_the_packed_one_moved(world: World, traffic: Traffic):
    world.serve(QUEUE, zipPerMB=0)
    traffic.end(1, pending(1, "a"), pending(1, "b"), an_output(1, "log"))
    traffic.until(StagerAgent, lambda: world.job(1).substatus is JobSubstatus.STAGED)
    assert traffic.statuses(1) == {
        "a": FileStatus.ZIPPED,
        "b": FileStatus.ZIPPED,
        "log": FileStatus.FINISHED,
        "panda.a.zip": FileStatus.FINISHED,
    }
    (parcel,) = traffic.zipper.parcels
    assert [each.lfn for each in parcel.members] == ["a", "b"]
    made = traffic.files(1)["panda.a.zip"]
    assert (made.path, made.size, made.scope) == ("/moved/panda.a.zip", 7, "panda")
    assert {lfn for call in traffic.stager.started for lfn in call} == {"log", "panda.a.zip"}
    assert world.job(1).output_report.keys() == {"log"}


def test_what_cannot_be_packed_now_is_tried_again(world: World, traffic: Traffic):
    world.serve(QUEUE, zipPerMB=0)
    traffic.zipper.answers["panda.a.zip"] = Later("the disk is full")
    traffic.end(1, pending(1, "a"))
    world.work(StagerAgent)
    assert traffic.statuses(1)["panda.a.zip"] is FileStatus.ZIPPING
    assert world.job(1).substatus is JobSubstatus.TO_TRANSFER
    traffic.zipper.answers.clear()
    world.clock.forward(seconds=6)
    traffic.until(StagerAgent, lambda: world.job(1).substatus is JobSubstatus.STAGED)


def test_what_cannot_be_packed_at_all_fails_the_job_and_says_why(world: World, traffic: Traffic):
    world.serve(QUEUE, zipPerMB=0)
    traffic.zipper.answers["panda.a.zip"] = Failed("a is not there")
    traffic.end(1, pending(1, "a"))
    traffic.until(StagerAgent, lambda: world.job(1).status is JobStatus.FAILED)
    assert world.job(1).substatus is JobSubstatus.FAILED_TO_STAGE_OUT
    assert world.job(1).attributes["pilotErrorCode"] == 1137
    assert "panda.a.zip: a is not there" in world.job(1).attributes["pilotErrorDiag"]


@pytest.mark.shows("zipper.usePostZipping", "queue.zipper")
def test_two_steps_of_packing(world: World, traffic: Traffic):
    world.configure(zipper={"usePostZipping": True})
    world.serve(QUEUE, zipPerMB=0)
    traffic.end(1, pending(1, "a"))
    world.work(StagerAgent)
    assert traffic.statuses(1)["panda.a.zip"] is FileStatus.POST_ZIPPING
    assert (traffic.zipper.begun, traffic.zipper.parcels) == (["panda.a.zip"], [])
    traffic.until(StagerAgent, lambda: world.job(1).substatus is JobSubstatus.STAGED)
    assert traffic.zipper.begun == ["panda.a.zip"]


@pytest.mark.shows("zipper.maxFilesPerJobToZip")
def test_the_limit_of_parcels_per_job_and_call(world: World, traffic: Traffic):
    world.configure(zipper={"maxFilesPerJobToZip": 2})
    world.serve(QUEUE, zipPerMB=1)
    traffic.end(1, *(pending(1, f"f{number}", size=MEGABYTE) for number in range(5)))
    world.work(StagerAgent)
    assert len(traffic.zipper.parcels) == 2
    traffic.until(StagerAgent, lambda: world.job(1).substatus is JobSubstatus.STAGED)
    assert len(traffic.zipper.parcels) == 5


def test_the_word_of_the_job_wins_over_that_of_the_queue(world: World, traffic: Traffic):
    world.serve(QUEUE, zipPerMB=0)
    two = [pending(1, name, size=MEGABYTE) for name in "ab"]
    traffic.end(1, *two, params={"zipPerMB": 1})
    traffic.until(StagerAgent, lambda: world.job(1).substatus is JobSubstatus.STAGED)
    assert {"panda.a.zip", "panda.b.zip"} <= traffic.files(1).keys()


# ---- while the job runs ----------------------------------------------------------------------------------------------


def report(world: World, worker: int, *lfns: str, size: int = MEGABYTE, **more: object) -> None:
    told = [ReportedFile(1, lfn, ES, f"/outputs/{lfn}", size, "ad:1", "g", **more) for lfn in lfns]
    world.messenger.news[worker] = News(files=told)
    world.clock.forward(minutes=10)
    world.work(Monitor)
    world.messenger.news.clear()


def test_full_parcels_leave_while_the_job_runs_and_the_rest_when_it_has_ended(world: World, traffic: Traffic):
    world.serve(QUEUE, zipPerMB=2)
    worker = running_worker(world, 1)
    report(world, worker, "a", "b", "c", event_range="1-2-3-4-5")
    assert set(traffic.statuses(1).values()) == {FileStatus.PENDING}
    traffic.until(EarlyStager, lambda: traffic.statuses(1).get("panda.a.zip") is FileStatus.FINISHED)
    assert traffic.statuses(1)["c"] is FileStatus.PENDING
    assert (world.job(1).status, phase_of(world, 1)) == (JobStatus.RUNNING, JobPhase.WORK)
    world.resource.states[worker] = Seen(WorkerStatus.FINISHED)
    world.clock.forward(minutes=10)
    world.work(Monitor)
    traffic.until(StagerAgent, lambda: world.job(1).substatus is JobSubstatus.STAGED)
    assert traffic.statuses(1)["panda.c.zip"] is FileStatus.FINISHED


def test_a_job_that_ends_under_the_early_stagers_hands_goes_on_at_once(world: World):
    worker = running_worker(world, 1)
    report(world, worker, "a")
    early = EarlyStager(world.instance)
    (unit,) = world.claim(early)
    result = early.act(unit)
    world.resource.states[worker] = Seen(WorkerStatus.FINISHED)
    world.clock.forward(minutes=10)
    world.work(Monitor)
    world.finish(early, unit, result)
    assert world.work(StagerAgent) == 1
    assert world.job(1).substatus is JobSubstatus.STAGED


def test_outputs_that_come_while_others_are_moved_are_seen_at_once(world: World, traffic: Traffic):
    worker = running_worker(world, 1)
    report(world, worker, "a")
    early = EarlyStager(world.instance)
    (unit,) = world.claim(early)
    report(world, worker, "b")
    world.finish(early, unit)
    world.work(EarlyStager)
    assert traffic.statuses(1) == {"a": FileStatus.FINISHED, "b": FileStatus.FINISHED}
    assert world.work(EarlyStager) == 0


def test_what_is_packed_already_or_must_not_be_is_not_packed(world: World, traffic: Traffic):
    world.serve(QUEUE, zipPerMB=0)
    worker = running_worker(world, 1)
    report(world, worker, "a", is_zip=False)
    assert traffic.statuses(1) == {"a": FileStatus.DEFINED}


def test_a_checkpoint_is_renewed_each_time_and_keeps_no_job_from_its_end(world: World, traffic: Traffic):
    worker = running_worker(world, 1)
    for size in (3, 4):
        told = ReportedFile(1, "point", FileKind.CHECKPOINT, "/outputs/point", size, "ad:1", "g", is_zip=False)
        world.messenger.news[worker] = News(files=[told])
        world.clock.forward(minutes=10)
        world.work(Monitor)
        assert (traffic.files(1)["point"].size, traffic.statuses(1)) == (size, {"point": FileStatus.RENEWED})
    world.resource.states[worker] = Seen(WorkerStatus.FINISHED)
    world.clock.forward(minutes=10)
    world.work(Monitor)
    world.work(StagerAgent)
    assert world.job(1).substatus is JobSubstatus.STAGED
