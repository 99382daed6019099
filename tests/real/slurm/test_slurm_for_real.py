"""What only a real cluster can show: large arrays, forgotten and held jobs, full controllers, kills in between."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest

from harvester.core.workers import Worker, WorkerStatus
from harvester.plugins.api import CheckOutcome, Gone, Refused, Seen, Submitted
from harvester.plugins.slurm import SlurmResource
from harvester.plugins.testing import Payload
from waiting import until

pytestmark = pytest.mark.real


class Cluster(Protocol):
    """What the fixtures of a real cluster give."""

    conf: Path

    def run(self, *command: str) -> str: ...


StartSlurm = Callable[..., Cluster]
MakeResource = Callable[..., SlurmResource]
MakeWorker = Callable[..., Worker]


def _submitted(resource: SlurmResource, workers: list[Worker]) -> list[Worker]:
    held = []
    for worker, outcome in zip(workers, resource.submit(workers), strict=True):
        assert isinstance(outcome, Submitted), outcome
        held.append(replace(worker, status=WorkerStatus.SUBMITTED, batch_id=outcome.batch_id))
    return held


def _until(
    resource: SlurmResource, workers: list[Worker], accept: Callable[[CheckOutcome], bool]
) -> list[CheckOutcome]:
    return until(lambda: list(resource.check(workers)), lambda outcomes: all(map(accept, outcomes)), seconds=120)


def _ended(outcome: CheckOutcome) -> bool:
    return isinstance(outcome, Seen) and outcome.status.is_final


def _running(outcome: CheckOutcome) -> bool:
    return isinstance(outcome, Seen) and outcome.status is WorkerStatus.RUNNING


def test_three_hundred_workers_are_one_array(
    slurm: Cluster, make_resource: MakeResource, worker_of: MakeWorker
) -> None:
    resource = make_resource(slurm.conf)
    workers = _submitted(resource, [worker_of(resource, Payload(600)) for _ in range(300)])
    found = resource.find([replace(worker, batch_id=None) for worker in workers])
    assert {worker.marker: worker.batch_id for worker in workers} == {
        marker: submitted.batch_id for marker, submitted in found.found.items()
    }
    resource.kill(workers)
    _until(resource, workers, _ended)
    assert resource.process_starts["sbatch"] == 1
    assert resource.process_starts["scancel"] == 1


@pytest.mark.parametrize("accounting", ["with accounting", "without accounting"])
def test_jobs_that_the_controller_has_forgotten(
    start_slurm: StartSlurm, make_resource: MakeResource, worker_of: MakeWorker, accounting: str
) -> None:
    cluster = start_slurm(accounting=accounting == "with accounting", min_job_age=2)
    resource = make_resource(cluster.conf)
    alike = [worker_of(resource, Payload(exit_code=code)) for code in (0, 3, 0)]
    workers = _submitted(resource, alike)
    _until(resource, workers, _ended)
    until(lambda: cluster.run("squeue", "--states=all", "--noheader"), lambda listed: not listed, seconds=120)
    outcomes = [(outcome.status, outcome.exit_code) for outcome in resource.check(workers) if isinstance(outcome, Seen)]
    assert outcomes == [(WorkerStatus.FINISHED, 0), (WorkerStatus.FAILED, 3), (WorkerStatus.FINISHED, 0)]
    search = resource.find([replace(worker, batch_id=None) for worker in workers])
    assert search.complete == (accounting == "with accounting")
    assert len(search.found) == (3 if search.complete else 0)


def test_held_and_requeued_jobs_wait(slurm: Cluster, make_resource: MakeResource, worker_of: MakeWorker) -> None:
    resource = make_resource(slurm.conf)
    (worker,) = _submitted(resource, [worker_of(resource, Payload(600))])
    _until(resource, [worker], _running)
    slurm.run("scontrol", "requeuehold", worker.batch_id or "")
    waits = _until(resource, [worker], lambda outcome: isinstance(outcome, Seen) and "held" in outcome.diagnostics)
    assert isinstance(waits[0], Seen)
    assert waits[0].status is WorkerStatus.SUBMITTED
    resource.kill([worker])
    _until(resource, [worker], _ended)


def test_a_batch_id_of_somebody_else_is_not_killed(
    slurm: Cluster, make_resource: MakeResource, worker_of: MakeWorker
) -> None:
    resource = make_resource(slurm.conf)
    other = slurm.run("sbatch", "--parsable", "--output=/dev/null", "--wrap=sleep 600").strip()
    worker = replace(worker_of(resource, Payload()), batch_id=other)
    resource.kill([worker])
    assert isinstance(resource.check([worker])[0], Gone)
    assert slurm.run("squeue", "--noheader", "-o", "%T", f"--jobs={other}").strip() in {"PENDING", "RUNNING"}
    slurm.run("scancel", other)


def test_a_heterogeneous_job_is_followed_and_killed_as_a_whole(
    slurm: Cluster, make_resource: MakeResource, worker_of: MakeWorker, tmp_path: Path
) -> None:
    template = tmp_path / "components.sh"
    template.write_text("#!/bin/sh\n#SBATCH -n 1\n#SBATCH hetjob\n#SBATCH -n 2 -J other\nsleep 600\n")
    resource = make_resource(slurm.conf, templateFile=str(template))
    workers = _submitted(resource, [worker_of(resource, Payload()) for _ in range(2)])
    _until(resource, workers, lambda outcome: isinstance(outcome, Seen) and not outcome.status.is_final)
    search = resource.find([replace(worker, batch_id=None) for worker in workers])
    assert {found.batch_id for found in search.found.values()} == {worker.batch_id for worker in workers}
    resource.kill(workers)
    _until(resource, workers, _ended)
    jobs = ",".join(worker.batch_id or "" for worker in workers)
    until(lambda: slurm.run("squeue", "--noheader", f"--jobs={jobs}"), lambda listed: not listed, seconds=120)


def test_a_full_controller_takes_what_it_has_room_for(
    start_slurm: StartSlurm, make_resource: MakeResource, worker_of: MakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_MAX_JOBS", "50")
    resource = make_resource(start_slurm().conf)
    workers = [worker_of(resource, Payload(600)) for _ in range(70)]
    outcomes = resource.submit(workers)
    taken = [worker for worker, outcome in zip(workers, outcomes, strict=True) if isinstance(outcome, Submitted)]
    assert 40 < len(taken) <= 50
    assert all(isinstance(outcome, Refused) and not outcome.permanent for outcome in outcomes[len(taken) :])
    search = resource.find(workers)
    assert search.complete
    assert set(search.found) == {worker.marker for worker in taken}
    assert resource.process_starts["sbatch"] <= 15
    resource.kill(workers)


@pytest.mark.parametrize("name", ["INT", "QUIT", "CONT", "USR1"])
def test_signals_that_slurm_sends_to_the_batch_script_reach_the_worker(
    slurm: Cluster, make_resource: MakeResource, worker_of: MakeWorker, name: str
) -> None:
    resource = make_resource(slurm.conf)
    worker = worker_of(resource, Payload())
    ready = Path(worker.access_point) / "ready"
    (ready.parent / "payload.sh").write_text(
        f"trap 'exit 3' {name}\ntouch {ready}\nfor _ in $(seq 600); do sleep 0.1; done\n"
    )
    (held,) = _submitted(resource, [worker])
    _until(resource, [held], lambda outcome: _ended(outcome) or ready.exists())
    slurm.run("scancel", "--batch", f"--signal={name}", held.batch_id or "")
    (outcome,) = _until(resource, [held], _ended)
    assert isinstance(outcome, Seen)
    assert outcome.exit_code == 3


SUBMIT = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from harvester.core.workers import Worker, WorkerStatus, marker_of
from harvester.plugins.slurm import SlurmResource, SlurmSettings
from harvester.plugins.testing import context_in

root, instance, conf = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
settings = SlurmSettings.model_validate({"templateFile": str(root / "template.sh"), "slurmConf": conf})
resource = SlurmResource(settings, context_in(root, instance=instance))
workers = [
    Worker(number, "Q", WorkerStatus.PENDING, marker_of(instance, number), access_point=str(root / f"worker-{number}"))
    for number in map(int, sys.argv[4:])
]
print("now", flush=True)
resource.submit(workers)
"""


@pytest.mark.parametrize("delay", [0.0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 1.0])
def test_a_search_tells_the_truth_after_a_kill_at_any_moment_of_a_submission(
    slurm: Cluster, make_resource: MakeResource, worker_of: MakeWorker, tmp_path: Path, delay: float
) -> None:
    resource = make_resource(slurm.conf)
    workers = [worker_of(resource, Payload(600)) for _ in range(5)]
    numbers = [str(worker.worker_id) for worker in workers]
    command = [sys.executable, "-c", SUBMIT, str(tmp_path), resource.context.instance, str(slurm.conf), *numbers]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as harvester:
        assert harvester.stdout is not None
        harvester.stdout.readline()
        time.sleep(delay)  # the moment of the kill is what is varied
        os.kill(harvester.pid, signal.SIGKILL)
    search = until(lambda: resource.find(workers), lambda seen: seen.complete or "still at work" not in seen.reason)
    assert search.complete, search.reason
    names = slurm.run("squeue", "--array", "--states=all", "--noheader", "-o", "%j").split()
    truth = sum(name == f"{resource.context.instance}+{workers[0].worker_id}" for name in names)
    assert len(search.found) == truth
    assert truth in {0, 5}
    assert resource.find(workers).found == search.found
    resource.kill(workers)
