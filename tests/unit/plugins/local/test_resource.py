"""What the local resource promises beyond the conformance kit."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Container, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest
from pydantic import ValidationError

from harvester.core.workers import Worker, WorkerStatus
from harvester.plugins.api import Done, Gone, Later, Refused, Seen, Submitted, Unclear, Unknown
from harvester.plugins.local import LocalResource
from harvester.plugins.local import resource as resource_module
from harvester.plugins.local.ledger import Ledger
from harvester.plugins.local.processes import birth_of, orphans_of
from harvester.plugins.local.settings import LocalSettings
from waiting import until

PATIENCE = 30.0

Found = TypeVar("Found")
MakeResource = Callable[..., LocalResource]
MakeScripted = Callable[..., Worker]


def wait(resource: LocalResource, workers: Sequence[Worker], statuses: Container[WorkerStatus]):
    """Check until every worker has one of the statuses."""
    return until(lambda: resource.check(workers), lambda seen: all(each.status in statuses for each in seen))


def ended(resource: LocalResource, *workers: Worker):
    finals = {status for status in WorkerStatus if status.is_final}
    return wait(resource, workers, finals)


def running(resource: LocalResource, *workers: Worker):
    return wait(resource, workers, {WorkerStatus.RUNNING})


def text_of(worker: Worker, name: str):
    path = Path(worker.access_point) / name
    return until(lambda: path.read_text() if path.exists() else "", bool)


def keeper_of(resource: LocalResource, worker: Worker):
    """The process that a test is about to kill."""
    directory = Path(resource.endpoint.removeprefix("local:"))
    return Ledger(directory).lines([worker.marker])[worker.marker].keeper


class TestCores:
    def test_workers_start_in_order_of_submission_and_never_use_more_cores_than_there_are(
        self, make_resource: MakeResource, scripted: MakeScripted
    ):
        resource = make_resource(cores=3)
        workers = [scripted("sleep 0.2", cores=cores) for cores in (2, 2, 1, 3, 1, 1)]
        resource.submit(workers[:3])
        resource.submit(workers[3:])
        seen = ended(resource, *workers)
        starts = [each.started_at for each in seen]
        assert starts == sorted(starts)
        for start in starts:
            together = zip(workers, seen, strict=True)
            assert sum(w.cores for w, each in together if each.started_at <= start < each.ended_at) <= 3

    def test_a_worker_that_can_never_start_is_refused_and_its_neighbours_run(
        self, make_resource: MakeResource, scripted: MakeScripted
    ):
        resource = make_resource(cores=2)
        too_wide, fine = scripted("", cores=3), scripted("", cores=2)
        refused, submitted = resource.submit([too_wide, fine])
        assert isinstance(refused, Refused)
        assert refused.permanent
        assert "asks for 3 cores, queue HERE has 2" in refused.reason
        assert isinstance(submitted, Submitted)
        assert ended(resource, fine)[0].status is WorkerStatus.FINISHED


class TestPayload:
    def test_runs_in_its_access_point_with_output_beside_it(self, make_resource: MakeResource, scripted: MakeScripted):
        resource = make_resource()
        worker = scripted("pwd; echo trouble >&2")
        (submitted,) = resource.submit([worker])
        ended(resource, worker)
        assert Path(submitted.log_urls["stdOut"]).read_text().strip() == worker.access_point
        assert Path(submitted.log_urls["stdErr"]).read_text() == "trouble\n"

    def test_environment_is_ours_not_harvesters(
        self, make_resource: MakeResource, scripted: MakeScripted, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setenv("DATABASE_PASSWORD", "hunter2")
        resource = make_resource(environment={"SCRATCH": "/scratch/{workerID}"})
        worker = scripted("env")
        resource.submit([worker])
        ended(resource, worker)
        environment = dict(
            line.split("=", 1) for line in text_of(worker, f"{worker.worker_id}.out").splitlines() if "=" in line
        )
        assert environment["HARVESTER_ID"] == "test"
        assert environment["HARVESTER_WORKER_ID"] == str(worker.worker_id)
        assert environment["PANDA_JSID"] == "harvester-test"
        assert environment["SCRATCH"] == f"/scratch/{worker.worker_id}"
        assert "DATABASE_PASSWORD" not in environment

    def test_arguments_never_meet_a_shell(self, make_resource: MakeResource, scripted: MakeScripted):
        resource = make_resource(command=["/bin/echo", "${workerID}", "$(id); {unknown} `id` > x"])
        worker = scripted("")
        resource.submit([worker])
        ended(resource, worker)
        assert text_of(worker, f"{worker.worker_id}.out") == f"{worker.worker_id} $(id); {{unknown}} `id` > x\n"

    def test_template_is_rendered_into_the_access_point(
        self, make_resource: MakeResource, scripted: MakeScripted, tmp_path: Path
    ):
        template = tmp_path / "template.sh"
        template.write_text("#!/bin/sh\nX=shell\necho {workerID} {nCoreTotal} {harvesterID} ${X} {nothing}\n")
        resource = make_resource(command=[], templateFile=str(template))
        worker = scripted("", cores=2)
        resource.submit([worker])
        ended(resource, worker)
        assert text_of(worker, f"{worker.worker_id}.out") == f"{worker.worker_id} 2 test shell {{nothing}}\n"

    def test_what_it_left_running_ends_with_it(self, make_resource: MakeResource, scripted: MakeScripted):
        resource = make_resource()
        worker = scripted("sleep 300 & echo $! > child; exit 0")
        resource.submit([worker])
        ended(resource, worker)
        child = int(text_of(worker, "child"))
        until(lambda: birth_of(child), lambda birth: birth is None)


class TestTrouble:
    def test_missing_access_point_is_refused_for_that_worker_only(
        self, make_resource: MakeResource, scripted: MakeScripted
    ):
        resource = make_resource()
        lost, fine = scripted(""), scripted("")
        (Path(lost.access_point) / "payload").unlink()
        Path(lost.access_point).rmdir()
        refused, submitted = resource.submit([lost, fine])
        assert isinstance(refused, Refused)
        assert lost.access_point in refused.reason
        assert isinstance(submitted, Submitted)

    def test_access_point_that_vanishes_in_the_queue_fails_the_worker(
        self, make_resource: MakeResource, scripted: MakeScripted
    ):
        resource = make_resource(cores=1)
        first, lost, last = scripted("while ! test -e go; do sleep 0.05; done"), scripted(""), scripted("")
        resource.submit([first, lost, last])
        (Path(lost.access_point) / "payload").unlink()
        Path(lost.access_point).rmdir()
        (Path(first.access_point) / "go").touch()
        _, failed, fine = ended(resource, first, lost, last)
        assert failed.status is WorkerStatus.FAILED
        assert lost.access_point in failed.diagnostics
        assert fine.status is WorkerStatus.FINISHED

    def test_missing_program_fails_the_worker_and_is_named(self, make_resource: MakeResource, scripted: MakeScripted):
        resource = make_resource(command=["/no/such/pilot"])
        worker = scripted("")
        resource.submit([worker])
        (failed,) = ended(resource, worker)
        assert failed.status is WorkerStatus.FAILED
        assert "/no/such/pilot" in failed.diagnostics

    def test_unreadable_template_is_refused_and_named(
        self, make_resource: MakeResource, scripted: MakeScripted, tmp_path: Path
    ):
        resource = make_resource(command=[], templateFile=str(tmp_path / "missing.sh"))
        (refused,) = resource.submit([scripted("")])
        assert isinstance(refused, Refused)
        assert str(tmp_path / "missing.sh") in refused.reason

    def test_a_script_that_cannot_be_written_refuses_the_worker_only(
        self, make_resource: MakeResource, scripted: MakeScripted, tmp_path: Path
    ):
        template = tmp_path / "template.sh"
        template.write_text("#!/bin/sh\n")
        resource = make_resource(command=[], templateFile=str(template))
        unlucky, fine = scripted(""), scripted("")
        (Path(unlucky.access_point) / f"{unlucky.worker_id}_submit.sh").mkdir()
        refused, submitted = resource.submit([unlucky, fine])
        assert isinstance(refused, Refused)
        assert "Is a directory" in refused.reason
        assert isinstance(submitted, Submitted)

    def test_unusable_ledger_is_unknown_not_gone(
        self, make_resource: MakeResource, scripted: MakeScripted, tmp_path: Path
    ):
        directory = tmp_path / "broken"
        directory.mkdir()
        (directory / "workers.db").write_bytes(b"this is no database" * 100)
        resource = make_resource(directory=str(directory))
        worker = scripted("")
        assert isinstance(resource.submit([worker])[0], Unclear)
        assert isinstance(resource.check([worker])[0], Unknown)
        assert isinstance(resource.kill([worker])[0], Later)
        assert isinstance(resource.clean([worker])[0], Later)
        search = resource.find([worker])
        assert not search.complete
        assert str(directory) in search.reason

    def test_keepers_that_cannot_be_started_leave_the_worker_queued(
        self, make_resource: MakeResource, scripted: MakeScripted, monkeypatch: pytest.MonkeyPatch
    ):
        resource = make_resource()
        worker = scripted("")
        with monkeypatch.context() as broken:
            broken.setattr(resource_module.sys, "executable", "/no/such/python")
            assert isinstance(resource.submit([worker])[0], Submitted)
            (seen,) = resource.check([worker])
            assert seen.status is WorkerStatus.SUBMITTED
            assert "/no/such/python" in seen.diagnostics
        assert ended(resource, worker)[0].status is WorkerStatus.FINISHED

    def test_signal_is_told_as_shells_do(self, make_resource: MakeResource, scripted: MakeScripted):
        resource = make_resource()
        worker = scripted("kill -SEGV $$")
        resource.submit([worker])
        (failed,) = ended(resource, worker)
        assert (failed.status, failed.exit_code) == (WorkerStatus.FAILED, 128 + signal.SIGSEGV)
        assert "SIGSEGV" in failed.diagnostics


class TestKill:
    def test_queued_worker_is_cancelled_without_ever_running(self, make_resource: MakeResource, scripted: MakeScripted):
        resource = make_resource(cores=1)
        first, second = scripted("sleep 300"), scripted("touch ran")
        resource.submit([first, second])
        running(resource, first)
        assert resource.kill([second]) == [Done()]
        (cancelled,) = resource.check([second])
        assert cancelled.status is WorkerStatus.CANCELLED
        resource.kill([first])
        ended(resource, first)
        assert not (Path(second.access_point) / "ran").exists()

    def test_worker_may_tidy_up(self, make_resource: MakeResource, scripted: MakeScripted):
        resource = make_resource()
        worker = scripted("trap 'touch tidied; exit 0' TERM; touch ready; while :; do sleep 0.05; done")
        resource.submit([worker])
        until((Path(worker.access_point) / "ready").exists, bool)
        resource.kill([worker])
        (seen,) = ended(resource, worker)
        assert seen.status is WorkerStatus.CANCELLED
        assert (Path(worker.access_point) / "tidied").exists()

    def test_worker_that_does_not_listen_is_ended_after_the_grace(
        self, make_resource: MakeResource, scripted: MakeScripted
    ):
        resource = make_resource(killGrace=1)
        worker = scripted("trap '' TERM; touch ready; while :; do sleep 0.05; done")
        resource.submit([worker])
        until((Path(worker.access_point) / "ready").exists, bool)
        resource.kill([worker])
        resource.kill([worker])
        (seen,) = ended(resource, worker)
        assert (seen.status, seen.exit_code) == (WorkerStatus.CANCELLED, 128 + signal.SIGKILL)

    def test_living_worker_is_not_cleaned_away(self, make_resource: MakeResource, scripted: MakeScripted):
        resource = make_resource()
        worker = scripted("sleep 300")
        resource.submit([worker])
        assert isinstance(resource.clean([worker])[0], Later)
        running(resource, worker)

    def test_cleaned_worker_is_gone(self, make_resource: MakeResource, scripted: MakeScripted):
        resource = make_resource()
        worker = scripted("")
        resource.submit([worker])
        ended(resource, worker)
        assert resource.clean([worker]) == [Done()]
        assert isinstance(resource.check([worker])[0], Gone)


class TestSurvival:
    def test_workers_survive_harvester(self, make_resource: MakeResource, scripted: MakeScripted, tmp_path: Path):
        """A Harvester that is killed within its submit call, right after the resource has taken the worker."""
        resource = make_resource(command=["/bin/sh", "{accessPoint}/payload"])
        worker = scripted("while ! test -e go; do sleep 0.05; done; exit 5")
        program = f"""
import os, signal
from harvester.core.workers import Worker, WorkerStatus
from harvester.plugins.local import LocalResource
from harvester.plugins.local.settings import LocalSettings
from harvester.plugins.testing import context_in
from pathlib import Path
settings = LocalSettings(command=("/bin/sh", "{{accessPoint}}/payload"), cores=4)
resource = LocalResource(settings, context_in(Path({str(tmp_path)!r}), instance="test"))
worker = Worker(1, "HERE", WorkerStatus.PENDING, "test-1", access_point={worker.access_point!r})
resource.submit([worker])
os.kill(os.getpid(), signal.SIGKILL)
"""
        killed = subprocess.run([sys.executable, "-c", program], check=False, timeout=PATIENCE)
        assert killed.returncode == -signal.SIGKILL
        search = resource.find([worker])
        assert (search.complete, search.found[worker.marker].batch_id) == (True, worker.marker)
        running(resource, worker)
        (Path(worker.access_point) / "go").touch()
        (seen,) = ended(resource, worker)
        assert (seen.status, seen.exit_code) == (WorkerStatus.FAILED, 5)

    def test_submission_cut_off_before_the_start_is_found_and_started_once(
        self, make_resource: MakeResource, scripted: MakeScripted, monkeypatch: pytest.MonkeyPatch
    ):
        resource = make_resource()
        worker = scripted("echo ran >> runs")
        with monkeypatch.context() as cut:
            cut.setattr(resource, "_wake", lambda: "")
            resource.submit([worker])
        assert worker.marker in resource.find([worker]).found
        resource.submit([worker])
        ended(resource, worker)
        resource.submit([worker])
        assert resource.check([worker])[0].status is WorkerStatus.FINISHED
        assert text_of(worker, "runs") == "ran\n"

    def test_racing_submissions_run_each_worker_once(self, make_resource: MakeResource, scripted: MakeScripted):
        workers = [scripted("echo ran >> runs") for _ in range(10)]
        with ThreadPoolExecutor() as threads:
            outcomes = list(threads.map(lambda _: make_resource(cores=3).submit(workers), range(4)))
        assert all(isinstance(outcome, Submitted) for answer in outcomes for outcome in answer)
        ended(make_resource(), *workers)
        assert [text_of(worker, "runs") for worker in workers] == ["ran\n"] * len(workers)

    def test_worker_survives_its_keeper(self, make_resource: MakeResource, scripted: MakeScripted):
        resource = make_resource(cores=1)
        worker, waiting = scripted("while ! test -e go; do sleep 0.05; done"), scripted("")
        resource.submit([worker, waiting])
        running(resource, worker)
        os.kill(keeper_of(resource, worker).pid, signal.SIGKILL)
        assert [each.status for each in resource.check([worker, waiting])] == [
            WorkerStatus.RUNNING,
            WorkerStatus.SUBMITTED,
        ]
        (Path(worker.access_point) / "go").touch()
        first, second = ended(resource, worker, waiting)
        assert first.status is WorkerStatus.FAILED
        assert "keeper" in first.diagnostics
        assert second.status is WorkerStatus.FINISHED

    def test_worker_without_keeper_can_be_killed(self, make_resource: MakeResource, scripted: MakeScripted):
        resource = make_resource()
        worker = scripted("sleep 300")
        resource.submit([worker])
        running(resource, worker)
        keeper = keeper_of(resource, worker)
        until((Path(worker.access_point) / f"{worker.worker_id}.out").exists, bool)
        os.kill(keeper.pid, signal.SIGKILL)
        until(lambda: birth_of(keeper.pid), lambda birth: birth is None)
        resource.kill([worker])
        (seen,) = ended(resource, worker)
        assert seen.status in {WorkerStatus.CANCELLED, WorkerStatus.FAILED}
        until(lambda: orphans_of([keeper]), lambda left: not left)


class TestCost:
    def test_many_workers_are_checked_without_a_process(self, make_resource: MakeResource, scripted: MakeScripted):
        resource = make_resource(cores=2)
        workers = [scripted("sleep 300") for _ in range(50)]
        resource.submit(workers)
        started = resource.process_starts.total()
        assert all(isinstance(each, Seen) for each in resource.check(workers))
        assert resource.process_starts.total() == started

    def test_ledger_is_readable_for_its_owner_only(
        self, make_resource: MakeResource, scripted: MakeScripted, tmp_path: Path
    ):
        make_resource().submit([scripted("")])
        assert stat.S_IMODE((tmp_path / "local" / "workers.db").stat().st_mode) == 0o600


class TestSettings:
    def test_submitter_needs_something_to_run(self):
        with pytest.raises(ValidationError, match="nothing to run"):
            LocalSettings.model_validate({}, context={"role": "submitter"})
        LocalSettings.model_validate({}, context={"role": "monitor"})

    def test_command_and_template_exclude_each_other(self):
        with pytest.raises(ValidationError, match="exclude each other"):
            LocalSettings.model_validate({"command": ["true"], "templateFile": "x.sh"})

    def test_secrets_in_the_environment_are_not_shown(self):
        settings = LocalSettings.model_validate({"command": ["true"], "environment": {"TOKEN": "hunter2"}})
        assert "hunter2" not in repr(settings)
