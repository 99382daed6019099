"""What the server is told of jobs and workers, and what it wants of them."""

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update
from test_agents_runner import Tick, running, until
from world import QUEUE, World

from harvester.agents.lines import Line
from harvester.agents.preparator import PreparatorAgent
from harvester.agents.propagator import JobPropagator
from harvester.agents.stager import StagerAgent
from harvester.agents.transfers import TransferAgent
from harvester.agents.worker_propagator import WorkerPropagator
from harvester.core.files import File, FileKind, FileStatus
from harvester.core.jobs import Job, JobStatus, JobSubstatus
from harvester.core.workers import MapType, Worker, WorkerStatus
from harvester.panda import PandaUnavailable
from harvester.panda.devserver import DevControl
from harvester.store import files, history, jobs, leases, workers
from harvester.store.jobs import NewJob
from harvester.store.schema import JobPhase, WorkerPhase
from harvester.store.schema import jobs as job_table
from harvester.store.schema import workers as worker_table
from moving_clock import NOW

if TYPE_CHECKING:
    from pydantic import JsonValue


def given_job(world: World, control: DevControl, phase: JobPhase, **columns: object) -> int:
    """A job that the server has given to this instance and that has come as far as `phase`."""
    (job_id,) = control.add_jobs([{"site": QUEUE}])
    offers = world.panda.acquire_jobs(site=QUEUE, node="n", label="managed", n_jobs=1, computing_element="n").offers
    new = [
        NewJob(Job(each.job_id, QUEUE, JobStatus.STARTING, JobSubstatus.FETCHED, each.attempt), {}) for each in offers
    ]
    with world.db.write() as connection:
        jobs.insert_fetched(connection, new, world.clock())
        mine = update(job_table).where(job_table.c.job_id == job_id)
        connection.execute(mine.values(phase=phase, due=None, report_due=world.clock(), **columns))
    return job_id


def given_worker(world: World, worker_id: int, phase: WorkerPhase = WorkerPhase.MONITOR, **more: object) -> None:
    known = {"status": WorkerStatus.SUBMITTED, "batch_id": f"b{worker_id}", "map_type": MapType.ONE_TO_ONE, **more}
    with world.db.write() as connection:
        worker = Worker(worker_id, QUEUE, marker=f"test-{worker_id}", **known)
        workers.insert_intents(connection, [worker], world.clock())
        mine = update(worker_table).where(worker_table.c.worker_id == worker_id)
        connection.execute(mine.values(phase=phase, due=None, report_due=world.clock()))


def phase_of(world: World, job_id: int) -> JobPhase:
    with world.db.read() as connection:
        phase: JobPhase = connection.scalar(job_table.select().with_only_columns(job_table.c.phase))
    assert job_id
    return phase


# ---- jobs ------------------------------------------------------------------------------------------------------------


def test_a_running_job_is_told_and_told_again_with_the_next_heartbeat(served: World, control: DevControl):
    job = given_job(served, control, JobPhase.WORK, status=JobStatus.RUNNING, substatus=JobSubstatus.RUNNING)
    served.work(JobPropagator)
    assert control.job(job)["status"] == "running"
    assert served.work(JobPropagator) == 0
    served.clock.forward(seconds=served.settings.propagator.update_interval)
    assert served.work(JobPropagator) == 1


def test_an_ended_job_is_done_once_the_server_knows(served: World, control: DevControl):
    job = given_job(served, control, JobPhase.REPORT, status=JobStatus.FINISHED, substatus=JobSubstatus.STAGED)
    served.work(JobPropagator)
    assert phase_of(served, job) is JobPhase.SWEEP
    assert served.job(job).substatus is JobSubstatus.DONE
    assert served.causes(history.Kind.JOB, job) == ["the server knows"]
    served.clock.forward(days=9)
    assert served.work(JobPropagator) == 0


def test_an_ended_job_that_waits_for_its_outputs_is_not_done(served: World, control: DevControl):
    job = given_job(served, control, JobPhase.STAGE, status=JobStatus.FINISHED, substatus=JobSubstatus.TO_TRANSFER)
    served.work(JobPropagator)
    assert control.job(job)["status"] == "transferring"
    assert phase_of(served, job) is JobPhase.STAGE


def test_a_job_that_changes_while_it_is_reported_is_told_again(served: World, control: DevControl):
    job = given_job(served, control, JobPhase.WORK, status=JobStatus.RUNNING, substatus=JobSubstatus.RUNNING)
    propagator = JobPropagator(served.instance)
    (unit,) = served.claim(propagator)
    result = propagator.act(unit)
    row = {"job_id": job, "status": JobStatus.FAILED, "substatus": JobSubstatus.STAGED, "phase": JobPhase.REPORT}
    with served.db.write() as connection:
        jobs.change_working(connection, [row], {"report_due": served.clock(), "report_fence": 0})
    served.finish(propagator, unit, result)
    assert served.work(JobPropagator) == 1
    assert served.job(job).substatus is JobSubstatus.DONE
    assert control.job(job)["status"] == "failed"


def test_a_server_that_is_away_loses_no_report(served: World, control: DevControl):
    job = given_job(served, control, JobPhase.REPORT, status=JobStatus.FINISHED, substatus=JobSubstatus.STAGED)
    control.fault("html", "pilot/update_jobs_bulk")
    propagator = JobPropagator(served.instance)
    (unit,) = served.claim(propagator)
    with pytest.raises(PandaUnavailable):
        propagator.act(unit)
    control.clear_faults()
    served.clock.forward(hours=1)
    served.work(JobPropagator)
    assert served.job(job).substatus is JobSubstatus.DONE


def test_a_job_to_be_killed_ends_through_its_worker(served: World, control: DevControl):
    job = given_job(served, control, JobPhase.WORK, status=JobStatus.RUNNING, substatus=JobSubstatus.RUNNING)
    given_worker(served, 1, job_ids=(job,))
    control.kill_jobs([job])
    served.work(JobPropagator)
    assert served.job(job).status is JobStatus.RUNNING
    with served.db.read() as connection:
        assert connection.scalar(worker_table.select().with_only_columns(worker_table.c.kill_due)) == NOW


@pytest.mark.parametrize("phase", [JobPhase.PREPARE, JobPhase.SUBMIT])
def test_a_job_to_be_killed_that_has_no_worker_ends_at_once(served: World, control: DevControl, phase: JobPhase):
    job = given_job(served, control, phase)
    control.kill_jobs([job])
    served.work(JobPropagator)
    assert (served.job(job).status, served.job(job).substatus) == (JobStatus.CANCELLED, JobSubstatus.KILLED)
    served.work(JobPropagator)
    assert phase_of(served, job) is JobPhase.SWEEP


@pytest.mark.shows("queue.noHeartbeat", "queue.truePilot")
def test_jobs_that_somebody_else_reports_are_only_asked_about(served: World, control: DevControl):
    served.serve(QUEUE, noHeartbeat="running,transferring,finished,failed")
    job = given_job(served, control, JobPhase.WORK, status=JobStatus.RUNNING, substatus=JobSubstatus.RUNNING)
    before = control.job(job)["status"]
    served.work(JobPropagator)
    assert control.job(job)["status"] == before
    given_worker(served, 1, job_ids=(job,))
    control.kill_jobs([job])
    served.clock.forward(hours=1)
    served.work(JobPropagator)
    with served.db.read() as connection:
        assert connection.scalar(worker_table.select().with_only_columns(worker_table.c.kill_due)) is not None


def test_a_server_that_fails_when_it_is_asked_is_in_trouble_and_asked_again_soon(served: World, control: DevControl):
    served.serve(QUEUE, noHeartbeat="running,transferring,finished,failed")
    job = given_job(served, control, JobPhase.WORK, status=JobStatus.RUNNING, substatus=JobSubstatus.RUNNING)
    given_worker(served, 1, job_ids=(job,))
    control.kill_jobs([job])
    control.fault("http_500", "job/get_status")
    propagator = JobPropagator(served.instance)
    (unit,) = served.claim(propagator)
    served.finish(propagator, unit)
    assert propagator.line.is_in_trouble
    control.clear_faults()
    served.clock.forward(seconds=8)
    (unit,) = served.claim(propagator)
    served.finish(propagator, unit)
    assert not propagator.line.is_in_trouble
    with served.db.read() as connection:
        assert connection.scalar(worker_table.select().with_only_columns(worker_table.c.kill_due)) is not None


def test_a_job_about_which_nothing_is_asked_does_not_prove_that_the_server_is_well(served: World, control: DevControl):
    served.serve(QUEUE, noHeartbeat="running,transferring,finished,failed")
    given_job(served, control, JobPhase.REPORT, status=JobStatus.FINISHED, substatus=JobSubstatus.STAGED)
    propagator, tick = JobPropagator(served.instance), Tick()
    propagator.line = Line(tick=tick)
    propagator.line.note_failure()
    tick.now += 5
    with running(served, propagator, tick) as runner:
        until(lambda: runner.health.done == 1)
    assert propagator.line.is_in_trouble
    assert propagator.line.is_open


def test_one_bad_report_does_not_hold_back_the_others(served: World, control: DevControl):
    good = given_job(served, control, JobPhase.WORK, status=JobStatus.RUNNING, substatus=JobSubstatus.RUNNING)
    strange = Job(999_999, QUEUE, JobStatus.RUNNING, JobSubstatus.RUNNING, 1)
    with served.db.write() as connection:
        jobs.insert_fetched(connection, [NewJob(strange, {})], served.clock())
    served.work(JobPropagator)
    assert control.job(good)["status"] == "running"


def test_reports_that_the_server_refuses_one_by_one_are_complained_of_and_sent_again(
    served: World, control: DevControl, capsys: pytest.CaptureFixture[str]
):
    for _ in range(2):
        given_job(served, control, JobPhase.WORK, status=JobStatus.RUNNING, substatus=JobSubstatus.RUNNING)
    control.fault("db_down")
    assert served.work(JobPropagator) == 1
    assert capsys.readouterr().out.count("report not accepted") == 2
    served.clock.forward(seconds=8)
    (unit,) = served.claim(JobPropagator(served.instance))
    assert len(unit.jobs) == 2


# ---- workers ---------------------------------------------------------------------------------------------------------


def told_of(control: DevControl, worker_id: int) -> "dict[str, JsonValue]":
    return next(each for each in control.workers() if each["worker_id"] == worker_id)


def test_workers_are_told(served: World, control: DevControl):
    given_worker(served, 1)
    given_worker(served, 2, WorkerPhase.SWEEP, status=WorkerStatus.FINISHED)
    served.work(WorkerPropagator)
    assert {each["worker_id"] for each in control.workers()} == {1, 2}
    assert "finished" in str(told_of(control, 2))
    assert served.work(WorkerPropagator) == 0
    served.clock.forward(seconds=served.settings.propagator.update_interval)
    (unit,) = served.claim(WorkerPropagator(served.instance))
    assert [each.worker_id for each in unit.workers] == [1]


def test_a_worker_that_changes_while_it_is_reported_is_told_again(served: World, control: DevControl):
    given_worker(served, 1)
    propagator = WorkerPropagator(served.instance)
    (unit,) = served.claim(propagator)
    result = propagator.act(unit)
    with served.db.write() as connection:
        row = {"worker_id": 1, "status": WorkerStatus.FINISHED, "phase": WorkerPhase.SWEEP}
        workers.change_ended(connection, [row], served.clock())
    served.finish(propagator, unit, result)
    served.work(WorkerPropagator)
    assert "finished" in str(told_of(control, 1))


def test_a_report_that_the_server_does_not_store_is_sent_again(served: World, control: DevControl):
    given_worker(served, 1, WorkerPhase.SWEEP, status=WorkerStatus.FAILED)
    given_worker(served, 2, node="n" * 200)
    served.work(WorkerPropagator)
    assert {each["worker_id"] for each in control.workers()} >= {1}


# ---- transfers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("agent", "phase", "kind"),
    [
        (PreparatorAgent, JobPhase.PREPARE, FileKind.INPUT),
        (StagerAgent, JobPhase.STAGE, FileKind.OUTPUT),
    ],
)
def test_a_transfer_that_comes_too_late_changes_nothing(
    served: World, control: DevControl, agent: type[TransferAgent], phase: JobPhase, kind: FileKind
):
    job = given_job(served, control, phase)
    waiting = FileStatus.TO_PREPARE if kind is FileKind.INPUT else FileStatus.DEFINED
    with served.db.write() as connection:
        files.insert_new(connection, [File(0, job, "a", kind, waiting, path="/a")])
        connection.execute(update(job_table).values(due=served.clock()))
    late = agent(served.instance)
    (unit,) = served.claim(late)
    with served.db.write() as connection:
        leases.release_owner(connection, served.owner.owner_id, served.clock())
        done = update(job_table).values(phase=JobPhase.SWEEP, substatus=JobSubstatus.DONE, due=None, report_due=None)
        connection.execute(done)
    served.finish(late, unit)
    assert (phase_of(served, job), served.job(job).substatus) == (JobPhase.SWEEP, JobSubstatus.DONE)
    with served.db.read() as connection:
        assert [each.status for each in files.of_jobs(connection, [job], [kind])[job]] == [waiting]
        assert history.of(connection, history.Kind.JOB, job) == []
