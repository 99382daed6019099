import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import JsonValue

from harvester.cli import pilot
from harvester.core.clock import utc_now
from harvester.core.files import FileKind
from harvester.core.workers import MapType, Worker, WorkerStatus
from harvester.panda.devserver import DevControl, DevServer
from harvester.plugins.api import Assignment, Done, PluginContext
from harvester.plugins.data.atomic_copy import summarise
from harvester.plugins.messengers.shared_file import SharedFileMessenger, SharedFileSettings

Feed = Callable[..., Assignment]

JOB: dict[str, JsonValue] = {
    "PandaID": 101,
    "jobPars": "--primes-below 100 --hash-chain 3",
    "outFiles": "out.root,log.tgz",
    "logFile": "log.tgz",
    "logGUID": "LG-1",
    "attemptNr": 0,
}


def _run(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-I", pilot.__file__, *arguments]
    environment = {"PATH": os.environ["PATH"]}
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    ("parameters", "exit_code", "result"),
    [
        ("--primes-below 10", 0, "sum of primes below 10: 17"),
        ("--primes-below=0", 0, "sum of primes below 0: 0"),
        ("", 0, "sum of primes below 10000: 5736396"),
        ("anything else", 0, "sum of primes below 10000: 5736396"),
        ("--primes-below 3 --exit-code 7", 7, "sum of primes below 3: 2"),
        (
            "--hash-chain 1",
            0,
            "hash-chain 1: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ),
    ],
)
def test_a_payload_computes_what_its_parameters_say(parameters: str, exit_code: int, result: str):
    assert pilot.compute(parameters) == pilot.Outcome(exit_code, result)


# ---- push: what the pilot writes is what the messenger reads


@pytest.fixture
def messenger(tmp_path: Path) -> SharedFileMessenger:
    settings = SharedFileSettings.model_validate({"accessPoint": f"{tmp_path}/${{workerID}}"})
    return SharedFileMessenger(settings, PluginContext("cern", "Q", utc_now, tmp_path))


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    return Worker(
        7,
        "Q",
        WorkerStatus.SUBMITTED,
        "cern-7",
        map_type=MapType.ONE_TO_ONE,
        job_ids=(101,),
        access_point=f"{tmp_path}/7",
    )


@pytest.fixture
def feed(messenger: SharedFileMessenger, worker: Worker) -> Feed:
    def put(**changes: JsonValue) -> Assignment:
        assignment = Assignment(worker, {101: {**JOB, **changes}})
        assert messenger.feed([assignment]) == [Done()]
        return assignment

    return put


def test_a_pushed_job_is_run_and_told_to_harvester(feed: Feed, messenger: SharedFileMessenger, worker: Worker):
    assignment = feed()
    assert _run(Path(worker.access_point)).returncode == 0
    assert messenger.finish([assignment]) == [Done()]
    (news,) = messenger.collect([worker])
    assert not news.problem
    assert news.heartbeat_at is not None
    assert news.attributes[101]["jobStatus"] == "finished"
    assert news.attributes[101]["transExitCode"] == 0
    assert {(file.lfn, file.kind) for file in news.files} == {
        ("out.root", FileKind.OUTPUT),
        ("log.tgz", FileKind.LOG),
    }
    for file in news.files:
        assert not summarise(Path(file.path)).differs_from(file.size, file.checksum)
    assert "PandaID 101\n" in Path(worker.access_point, "out.root").read_text()


def test_a_job_in_a_form_is_run_too(worker: Worker, tmp_path: Path):
    settings = SharedFileSettings.model_validate({"accessPoint": str(tmp_path), "jobSpecFileFormat": "cgi"})
    messenger = SharedFileMessenger(settings, PluginContext("cern", "Q", utc_now, tmp_path))
    assignment = Assignment(worker, {101: JOB})
    assert messenger.feed([assignment]) == [Done()]
    assert _run(Path(worker.access_point)).returncode == 0
    (news,) = messenger.collect([worker])
    assert news.attributes[101]["jobStatus"] == "finished"


@pytest.mark.parametrize("text", ["", "nonsense", "a=1", "{"])
def test_a_file_without_a_job_is_told_of(tmp_path: Path, text: str):
    (tmp_path / "pandaJobData.out").write_text(text)
    ended = _run(tmp_path)
    assert ended.returncode == 1
    assert "there is no job to run" in ended.stdout + ended.stderr


def test_a_payload_that_fails_is_told_as_failed(feed: Feed, messenger: SharedFileMessenger, worker: Worker):
    feed(jobPars="--exit-code 7")
    assert _run(Path(worker.access_point)).returncode == 1
    (news,) = messenger.collect([worker])
    assert news.files == ()
    assert news.attributes[101]["jobStatus"] == "failed"
    assert news.attributes[101]["transExitCode"] == 7
    assert news.attributes[101]["pilotErrorCode"] == pilot.PAYLOAD_FAILED


def test_the_journal_has_a_line_per_execution(feed: Feed, worker: Worker, tmp_path: Path):
    feed()
    for number in (7, 8):
        _run(Path(worker.access_point), "--journal", f"{tmp_path}/journal", "--worker-id", str(number))
    assert [line.split()[:2] for line in (tmp_path / "journal").read_text().splitlines()] == [
        ["101", "7"],
        ["101", "8"],
    ]


def test_a_claimed_job_is_not_run_again(feed: Feed, worker: Worker, tmp_path: Path):
    feed()
    place, claims = Path(worker.access_point), tmp_path / "claims"
    assert _run(place, "--claims", str(claims), "--worker-id", "7").returncode == 0
    output = (place / "out.root").stat().st_mtime_ns
    again = _run(place, "--claims", str(claims), "--worker-id", "8")
    assert again.returncode == 1
    assert "not run again" in again.stderr
    assert (place / "out.root").stat().st_mtime_ns == output
    assert json.loads((place / "worker_attributes.json").read_text())["101"]["jobStatus"] == "finished"
    assert (claims / "101").read_text().split()[:2] == ["101", "7"]
    assert (claims / "journal").read_text() == (claims / "101").read_text()
    assert (claims / "refused").read_text().split()[:2] == ["101", "8"]


def test_without_a_job_the_pilot_says_where_it_looked(tmp_path: Path):
    run = _run(tmp_path)
    assert run.returncode == 1
    assert str(tmp_path / "pandaJobData.out") in run.stderr


# ---- pull: against the development server


@pytest.fixture
def server() -> Iterator[DevServer]:
    with DevServer(adder_delay=0.0) as running:
        yield running


@pytest.fixture
def control(server: DevServer) -> Iterator[DevControl]:
    with DevControl(server.url) as door:
        yield door


def _pull(server: DevServer, place: Path, *more: str) -> subprocess.CompletedProcess[str]:
    who = ("--queue", "Q", "--harvester-id", "cern", "--worker-id", "7", "--output-dir", str(place / "store"))
    return _run(place, "--server", server.url, *who, "--patience", "5", "--wait", "0", *more)


def test_a_pulled_job_is_run_and_told_to_the_server(server: DevServer, control: DevControl, tmp_path: Path):
    (job_id,) = control.add_jobs([{"site": "Q", "outFiles": "out.root,log.tgz", "logFile": "log.tgz"}])
    run = _pull(server, tmp_path, "--claims", str(tmp_path / "claims"))
    assert run.returncode == 0, run.stderr
    job = control.job(job_id)
    assert job["status"] in {"holding", "finished"}
    assert {path.name for path in (tmp_path / "store").iterdir()} == {"out.root", "log.tgz"}
    assert json.loads((tmp_path / "worker_pandaids.json").read_text()) == [job_id]
    assert (tmp_path / "claims" / "journal").read_text().split()[:2] == [str(job_id), "7"]
    assert "refused" not in run.stderr


def test_a_pulled_job_that_fails_still_reports_its_log(server: DevServer, control: DevControl, tmp_path: Path):
    (job_id,) = control.add_jobs([{"site": "Q", "jobPars": "--exit-code 3", "outFiles": "out,log", "logFile": "log"}])
    assert _pull(server, tmp_path).returncode == 1
    assert control.job(job_id)["status"] in {"holding", "failed"}
    assert {path.name for path in (tmp_path / "store").iterdir()} == {"log"}


def test_no_job_is_an_ordinary_end(server: DevServer, tmp_path: Path):
    run = _pull(server, tmp_path)
    assert run.returncode == 0
    assert "no job" in run.stderr


@pytest.mark.parametrize(
    ("fault", "method"),
    [
        ("http_500", "pilot/acquire_jobs"),
        ("html", "pilot/acquire_jobs"),
        ("half_body", "pilot/update_job"),
        ("db_down", "pilot/update_job"),
    ],
)
def test_a_server_that_stumbles_is_asked_again(
    server: DevServer, control: DevControl, tmp_path: Path, fault: str, method: str
):
    (job_id,) = control.add_jobs([{"site": "Q"}])
    control.fault(fault, method, count=1)
    run = _pull(server, tmp_path)
    assert run.returncode == 0, run.stderr
    assert control.job(job_id)["status"] in {"holding", "finished"}


def test_a_server_that_is_away_is_given_up_in_time(tmp_path: Path):
    with DevServer() as server:
        pass
    run = _pull(server, tmp_path, "--patience", "0")
    assert run.returncode == 1
    assert server.url in run.stderr
