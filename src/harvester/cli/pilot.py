"""The demonstration's pilot: it really runs jobs, small ones, and speaks to Harvester or the server as pilots do.

A stand-alone script, and longer than a module should be because it has to be enough by itself wherever it is copied:
`python3 -P pilot.py` on this machine or on a node of a cluster. Pushed, it finds its jobs in the access point (its
working directory) or in directories of their own below it, and answers in files there; with `--ask` it asks for jobs by
file as long as there are some. Where Harvester gives it a door (`--url`), it says and hears all this by HTTP. Pulling
(`--server`), it asks the server for one job and reports to it.

A job's `jobPars` say what to compute: `--primes-below N`, `--hash-chain N`, and `--exit-code N` to fail on purpose.
"""

import argparse
import contextlib
import hashlib
import http.client
import json
import os
import platform
import re
import sys
import threading
import time
import urllib.parse
import uuid
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Protocol, TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
JobParams: TypeAlias = Mapping[str, Json]

HEARTBEAT_SECONDS = 10.0
PAYLOAD_FAILED = 1305
"""Pilot error code of a payload that ended with an error."""
PASSING_TROUBLES = (10, 30)
"""Status codes of a server that timed out or has no database now; the call is repeated."""
JOB_LIST = "worker_pandaids.json"
JOB_REQUEST = "worker_requestjob.json"
FILES = {
    "heartbeat": "worker_heartbeat.json",
    "updateJobs": "worker_attributes.json",
    "uploadEventOutputDump": "event_status.dump.json",
}
"""The files of what is said through the door."""
SHOWN_AT_DOOR = "HARVESTER_DOOR_TOKEN_FILE"
"""The variable that says where the worker's token is."""
KILLED = 1144
"""Pilot error code of a job that the server wants killed."""


class ServerError(Exception):
    """The server cannot be reached, or refuses; the message says which call and why."""


# ---- the payload -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What a payload came to."""

    exit_code: int
    result: str


def compute(parameters: str) -> Outcome:
    """Run the payload that the job parameters ask for: the same parameters always give the same result."""
    asked = dict(re.findall(r"--(primes-below|hash-chain|exit-code)[= ](\d{1,9})", parameters))
    results = []
    if "hash-chain" in asked:
        results.append(f"hash-chain {asked['hash-chain']}: {hash_chain(int(asked['hash-chain']))}")
    if "primes-below" in asked or not results:
        limit = int(asked.get("primes-below", "10000"))
        results.append(f"sum of primes below {limit}: {sum_of_primes(limit)}")
    return Outcome(int(asked.get("exit-code", "0")) % 256, "; ".join(results))


def sum_of_primes(limit: int) -> int:
    """The sum of all primes smaller than the limit."""
    is_prime = bytearray([1]) * max(limit, 2)
    is_prime[0:2] = b"\0\0"
    for number in range(2, int(limit**0.5) + 1):
        if is_prime[number]:
            is_prime[number * number :: number] = bytes(len(range(number * number, len(is_prime), number)))
    return sum(number for number, prime in enumerate(is_prime) if prime)


def hash_chain(length: int) -> str:
    """SHA-256 of SHA-256 of … of nothing."""
    digest = b""
    for _ in range(length):
        digest = hashlib.sha256(digest).digest()
    return digest.hex()


# ---- one execution of one job ----------------------------------------------------------------------------------------


def names_in(text: Json) -> list[str]:
    """The names of a comma-separated list of the server."""
    return [name for name in str(text or "").split(",") if name not in {"", "NULL"}]


def write_atomically(path: Path, content: str) -> None:
    """Give a file its content and its name in one step."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(content, encoding="utf-8")
    new.replace(path)


def write_outputs(job: JobParams, outcome: Outcome, directory: Path, names: Sequence[str]) -> list[dict[str, Json]]:
    """Write output files and describe them as the dump of outputs wants them."""
    written: list[dict[str, Json]] = []
    for name in names:
        if "/" in name or name in {".", ".."}:
            raise ValueError(f"output {name!r} of job {job['PandaID']} is not a file name")
        content = f"PandaID {job['PandaID']}\nfile {name}\nresult {outcome.result}\n"
        write_atomically(directory / name, content)
        data = content.encode()
        written.append(
            {
                "path": str(directory / name),
                "type": "log" if name == job.get("logFile") else "output",
                "guid": str(uuid.uuid4()).upper(),
                "fsize": len(data),
                "chksum": f"{zlib.adler32(data):08x}",
            }
        )
    return written


def server_time() -> str:
    """The present moment as jobs tell it."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")


def attributes_of(outcome: Outcome | None, started: str, cpu_seconds: float) -> dict[str, Json]:
    """What a pilot says about its job, in the names of `worker_attributes.json`."""
    about: dict[str, Json] = {"node": platform.node(), "startTime": started, "jobStatus": "running"}
    if outcome is None:
        return about
    about |= {"endTime": server_time(), "cpuConsumptionTime": round(cpu_seconds), "cpuConsumptionUnit": "s"}
    about |= {"transExitCode": outcome.exit_code, "jobStatus": "failed" if outcome.exit_code else "finished"}
    if outcome.exit_code:
        about |= {"pilotErrorCode": PAYLOAD_FAILED, "pilotErrorDiag": f"the payload exited with {outcome.exit_code}"}
    return about


@dataclass(frozen=True)
class Records:
    """Proof of which job ran where.

    Attributes:
        claims: directory with one file per job that some pilot has started; a claimed job is not run again.
        journal: file with a line `PandaID workerID time` per execution.
    """

    claims: Path | None
    journal: Path | None
    worker_id: int

    def start(self, job_id: int) -> bool:
        """Whether the job may run; then it is written down as run."""
        line = f"{job_id} {self.worker_id} {datetime.now(UTC).isoformat()}\n"
        if self.claims is not None and not claim(self.claims, job_id, line):
            append(self.claims / "refused", line)
            say(f"job {job_id} was run before, see {self.claims / str(job_id)}; not run again")
            return False
        if self.journal is not None:
            append(self.journal, line)
        return True


def claim(claims: Path, job_id: int, line: str) -> bool:
    """Whether nobody has claimed the job before."""
    claims.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(claims / str(job_id), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        return False
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(line)
    return True


def append(path: Path, line: str) -> None:
    """Add a line to a file that others add lines to as well."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(handle, line.encode())
    finally:
        os.close(handle)


def say(text: str) -> None:
    """Tell whoever reads the batch job's log."""
    sys.stderr.write(f"pilot: {text}\n")


@dataclass(frozen=True)
class Execution:
    """One job that was run."""

    outcome: Outcome
    started: str
    cpu_seconds: float

    def attributes(self) -> dict[str, Json]:
        """What the pilot says about it in the end."""
        return attributes_of(self.outcome, self.started, self.cpu_seconds)


def execute(job: JobParams) -> Execution:
    """Run the payload of a job."""
    started, cpu = server_time(), time.process_time()
    outcome = compute(str(job.get("jobPars") or ""))
    say(f"job {job['PandaID']}: {outcome.result}, exit code {outcome.exit_code}")
    return Execution(outcome, started, time.process_time() - cpu)


class Voice(Protocol):
    """How a pilot speaks to Harvester: by files, or through the door."""

    def tell(self, method: str, data: Json) -> None:
        """Say something by its name at the door."""


@dataclass(frozen=True)
class FileVoice:
    """Speaks by the files of a directory."""

    place: Path

    def tell(self, method: str, data: Json) -> None:
        """Write the file of that method."""
        write_atomically(self.place / FILES[method], json.dumps(data))


@contextlib.contextmanager
def heartbeat(voice: Voice) -> Iterator[None]:
    """Say now and then that the pilot lives."""
    stop = threading.Event()

    def beat() -> None:
        while True:
            try:
                voice.tell("heartbeat", {"time": server_time()})
            except ServerError as error:
                say(str(error))
            if stop.wait(HEARTBEAT_SECONDS):
                return

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


# ---- push: the jobs are in the access point --------------------------------------------------------------------------


def run_pushed(place: Path, job_spec: str, records: Records) -> int:
    """Run the jobs that Harvester put into the access point or into directories of their own; 0 if all went well."""
    own = [place / str(number) for number in listed_jobs(place) if (place / str(number) / job_spec).exists()]
    return max(run_directory(each, job_spec, records) for each in own or [place])


def listed_jobs(place: Path) -> list[int]:
    """The jobs that Harvester says the worker has."""
    try:
        return [int(number) for number in json.loads((place / JOB_LIST).read_text(encoding="utf-8"))]
    except (OSError, ValueError):
        return []


@dataclass(frozen=True)
class Asker:
    """A pilot that asks for jobs by file.

    Attributes:
        at_once: how many jobs it asks for each time.
        wait: seconds to wait for them.
        most: after so many jobs it asks no more.
    """

    place: Path
    job_spec: str
    at_once: int
    wait: float
    most: int

    def run(self, records: Records) -> int:
        """Ask, run and ask again until nothing comes; 0 if all that came went well."""
        worst = done = 0
        while done < self.most and (taken := self._take_some()):
            worst = max(worst, *(run_directory(each, f"{self.job_spec}.taken", records) for each in taken))
            done += len(taken)
        say(f"{done} jobs came")
        return worst

    def _take_some(self) -> list[Path]:
        """Directories of jobs that have come, none if none came in time."""
        write_atomically(self.place / JOB_REQUEST, json.dumps({"nJobs": self.at_once}))
        deadline = time.monotonic() + self.wait
        while not (taken := self._take()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return taken

    def _take(self) -> list[Path]:
        """Take the job files away, so that Harvester knows of the jobs that they are not given to anybody else."""
        places = [self.place, *(self.place / str(number) for number in listed_jobs(self.place))]
        return [each for each in places if self._is_taken(each)]

    def _is_taken(self, directory: Path) -> bool:
        try:
            (directory / self.job_spec).rename(directory / f"{self.job_spec}.taken")
        except FileNotFoundError:
            return False
        return True


def jobs_in(text: str) -> dict[str, JobParams]:
    """The jobs of a file by their ids: JSON, or a single one as a form.

    Raises:
        ValueError: it is neither.
    """
    if text.startswith("{"):
        found: dict[str, JobParams] = json.loads(text)
        return found
    job = dict(urllib.parse.parse_qsl(text, keep_blank_values=True, strict_parsing=True))
    if "PandaID" not in job:
        raise ValueError("it holds no PandaID")
    return {job["PandaID"]: job}


def run_directory(place: Path, job_spec: str, records: Records) -> int:
    """Run the jobs that a directory has, and answer there; 0 if all went well."""
    try:
        jobs = jobs_in((place / job_spec).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        say(f"there is no job to run: {place / job_spec}: {error}")
        return 1
    return run_jobs(jobs, place, FileVoice(place), records)


def run_jobs(jobs: Mapping[str, JobParams], place: Path, voice: Voice, records: Records) -> int:
    """Run jobs, with their outputs in a directory, and tell of them; 0 if all went well."""
    attributes: dict[str, Json] = {}
    outputs: dict[str, Json] = {}
    runnable = {key: job for key, job in jobs.items() if records.start(int(key))}
    for key, job in runnable.items():
        attributes[key] = attributes_of(None, server_time(), 0)
        voice.tell("updateJobs", attributes)
        execution = execute(job)
        if execution.outcome.exit_code == 0:
            names = [name for name in names_in(job.get("outFiles")) if name != job.get("logFile")]
            outputs[key] = [*write_outputs(job, execution.outcome, place, names)]
        (place / "pilot.log").write_text(f"job {key}: {execution.outcome.result}\n", encoding="utf-8")
        attributes[key] = execution.attributes()
        voice.tell("uploadEventOutputDump", outputs)
        voice.tell("updateJobs", attributes)
    failed = any(isinstance(each, dict) and each["jobStatus"] != "finished" for each in attributes.values())
    return 1 if failed or len(runnable) < len(jobs) else 0


# ---- through the door: Harvester has the jobs, and is reached by HTTP ------------------------------------------------


class NotThereYetError(Exception):
    """The door says that it is too early: nothing is there yet, or what was said before was not read yet."""


@dataclass(frozen=True)
class Door:
    """Harvester's door for workers.

    Attributes:
        url: where it is, without `/entry`.
        token_file: the file with the worker's token; None where none is asked for.
        patience: seconds for which a call is repeated when the door cannot be reached, or it is too early.
        attributes: what was said of jobs so far.
    """

    url: str
    worker_id: int
    token_file: Path | None
    patience: float
    attributes: dict[str, Json] = field(default_factory=dict)

    def tell(self, method: str, data: Json) -> None:
        """Say something until it is heard; of jobs always all, for what was said before is replaced."""
        if method == "updateJobs" and isinstance(data, dict):
            self.attributes.update(data)
            data = self.attributes
        self.call(method, data, self.patience)

    def call(self, method: str, data: Json, patience: float) -> bytes:
        """Call until there is an answer.

        Raises:
            ServerError: the door refuses, or there is no answer in time.
        """
        body = json.dumps({"methodName": method, "workerID": self.worker_id, "data": data}).encode()
        deadline, pause = time.monotonic() + patience, 0.1
        while True:
            try:
                return self._ask(body)
            except (OSError, http.client.HTTPException, NotThereYetError) as error:
                if time.monotonic() + pause > deadline:
                    raise ServerError(f"{method} at {self.url} failed: {error}") from error
            time.sleep(pause)
            pause = min(pause * 1.5, 5.0)

    def _ask(self, body: bytes) -> bytes:
        parts = urllib.parse.urlsplit(self.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        headers = {"Content-Type": "application/json"}
        if self.token_file:
            headers["Authorization"] = f"Bearer {self.token_file.read_text(encoding='ascii').strip()}"
        with contextlib.closing(kind(parts.netloc, timeout=60)) as connection:
            connection.request("POST", f"{parts.path.rstrip('/')}/entry", body, headers)
            response = connection.getresponse()
            text = response.read()
        if response.status == HTTPStatus.OK:
            return text
        told = f"status {response.status}: {text[:200].decode(errors='replace')}"
        if response.status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}:
            raise NotThereYetError(told)
        raise ServerError(f"{self.url} refuses: {told}")


def run_through_door(door: Door, place: Path, records: Records, *, at_once: int, wait: float, most: int) -> int:
    """Run the jobs that the door has; 0 if all that came went well.

    Args:
        door: the door.
        place: where outputs go.
        records: proof of which job ran.
        at_once: how many jobs it asks for each time; 0 if it has what it is to run.
        wait: seconds to wait for jobs.
        most: after so many jobs it asks no more.
    """
    worst = done = 0
    try:
        while done < most and (jobs := jobs_at(door, at_once, wait)):
            worst = max(worst, run_jobs(jobs, place, door, records))
            done += len(jobs) if at_once else most
    except (ServerError, ValueError) as error:
        say(str(error))
        return 1
    if not at_once and not done:
        say("there is no job to run")
        return 1
    return worst


def jobs_at(door: Door, at_once: int, wait: float) -> dict[str, JobParams]:
    """The jobs that the door gives in time; none if there are none."""
    if at_once:
        door.tell("requestJobs", {"nJobs": at_once})
    try:
        return jobs_in(door.call("getJobs", None, wait).decode())
    except ServerError as error:
        if not isinstance(error.__cause__, NotThereYetError):
            raise
        return {}


# ---- pull: the server has the jobs -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Server:
    """The server's doors for pilots.

    Attributes:
        url: where it is; `/api/v1` is added if it is not there.
        patience: seconds for which a call is repeated when the server cannot be reached.
    """

    url: str
    patience: float

    def call(self, method: str, arguments: Mapping[str, Json]) -> dict[str, Json]:
        """Call until the server answers.

        Returns:
            The answer's envelope.

        Raises:
            ServerError: it did not answer in time, or not in the protocol's form.
        """
        body = json.dumps(arguments).encode()
        deadline, pause = time.monotonic() + self.patience, 0.5
        while True:
            try:
                return self._ask(method, body)
            except (OSError, http.client.HTTPException, ValueError) as error:
                if time.monotonic() + pause > deadline:
                    raise ServerError(f"{method} at {self.url} failed: {error}") from error
            time.sleep(pause)
            pause = min(pause * 2, 10.0)

    def _ask(self, method: str, body: bytes) -> dict[str, Json]:
        parts = urllib.parse.urlsplit(self.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        root = parts.path.rstrip("/").removesuffix("/api/v1")
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        with contextlib.closing(kind(parts.netloc, timeout=60)) as connection:
            connection.request("POST", f"{root}/api/v1/{method}", body, headers)
            response = connection.getresponse()
            text = response.read()
        if response.status != HTTPStatus.OK:
            raise http.client.HTTPException(f"status {response.status}: {text[:200].decode(errors='replace')}")
        answer: Json = json.loads(text)
        if not isinstance(answer, dict):
            raise http.client.HTTPException("the answer is not a JSON object")
        data = answer.get("data")
        if isinstance(data, dict) and data.get("StatusCode") in PASSING_TROUBLES:
            raise http.client.HTTPException(f"the server has trouble: {answer.get('message')}")
        return answer


@dataclass(frozen=True)
class Puller:
    """A pilot that asks the server for one job."""

    server: Server
    queue: str
    harvester_id: str
    worker_id: int
    output_directory: Path

    def tell_worker_status(self, status: str) -> None:
        """Tell the server that the pilot has started or finished; not knowing hurts nobody."""
        about: dict[str, Json] = {"worker_id": self.worker_id, "harvester_id": self.harvester_id, "status": status}
        try:
            self.server.call("pilot/update_worker_status", {**about, "node_id": platform.node()})
        except ServerError as error:
            say(str(error))

    def acquire(self, wait: float) -> dict[str, Json] | None:
        """Ask for a job for as long as told; None if there is none."""
        deadline, pause = time.monotonic() + wait, 1.0
        while True:
            answer = self.server.call("pilot/acquire_jobs", self._wish())
            data = answer.get("data")
            jobs = data.get("jobs") if isinstance(data, dict) else None
            if isinstance(jobs, list) and jobs and isinstance(jobs[0], dict):
                return jobs[0]
            if time.monotonic() + pause > deadline:
                return None
            time.sleep(pause)
            pause = min(pause * 2, 10.0)

    def _wish(self) -> dict[str, Json]:
        node = platform.node()
        return {
            "site_name": self.queue,
            "node": node,
            "computing_element": node,
            "prod_source_label": "managed",
            "n_jobs": 1,
            "scheduler_id": f"harvester-{self.harvester_id}",
            "harvester_id": self.harvester_id,
            "worker_id": self.worker_id,
        }

    def update(self, job: JobParams, status: str, **more: Json) -> bool:
        """Report the job; whether the server wants it to go on."""
        about: dict[str, Json] = {
            "job_id": job["PandaID"],
            "job_status": status,
            "job_sub_status": status,
            "site_name": self.queue,
            "attempt_nr": job.get("attemptNr"),
            "node": platform.node(),
            "scheduler_id": f"harvester-{self.harvester_id}",
            **more,
        }
        answer = self.server.call("pilot/update_job", {key: value for key, value in about.items() if value is not None})
        data = answer.get("data")
        if answer.get("success") is not True or not isinstance(data, dict) or data.get("StatusCode") != 0:
            raise ServerError(f"pilot/update_job of job {job['PandaID']} was refused: {answer.get('message') or data}")
        return "tobekilled" not in str(data.get("command")).split(",")

    def run(self, job: JobParams) -> int:
        """Run one job and report it; 0 if all went well."""
        started = server_time()
        if not self.update(job, "running", start_time=started):
            killed = "the server wants the job killed"
            self.update(job, "failed", pilot_error_code=KILLED, pilot_error_diag=killed, end_time=server_time())
            return 1
        execution = execute(job)
        self.output_directory.mkdir(parents=True, exist_ok=True)
        log = str(job.get("logFile") or "")
        names = names_in(job.get("outFiles")) if execution.outcome.exit_code == 0 else names_in(log)
        outputs = write_outputs(job, execution.outcome, self.output_directory, names)
        self.update(job, str(execution.attributes()["jobStatus"]), **final_report(execution, outputs))
        return 1 if execution.outcome.exit_code else 0


def final_report(execution: Execution, outputs: Sequence[Mapping[str, Json]]) -> dict[str, Json]:
    """The arguments of a last update, besides the job's status."""
    about = execution.attributes()
    files = {
        Path(str(each["path"])).name: {"guid": each["guid"], "fsize": each["fsize"], "adler32": each["chksum"]}
        for each in outputs
    }
    return {
        "start_time": about["startTime"],
        "end_time": about["endTime"],
        "cpu_consumption_time": about["cpuConsumptionTime"],
        "cpu_consumption_unit": about["cpuConsumptionUnit"],
        "trans_exit_code": about["transExitCode"],
        "pilot_error_code": about.get("pilotErrorCode"),
        "pilot_error_diag": about.get("pilotErrorDiag"),
        "job_output_report": json.dumps(files),
    }


def run_pulling(puller: Puller, place: Path, wait: float, records: Records) -> int:
    """Ask for a job and run it; 0 also if there was none, which is a pilot's ordinary end."""
    puller.tell_worker_status("started")
    try:
        job = puller.acquire(wait)
        if job is None:
            say(f"queue {puller.queue} had no job for {wait:.0f} seconds")
            return 0
        job_id = int(str(job["PandaID"]))
        write_atomically(place / JOB_LIST, json.dumps([job_id]))
        return puller.run(job) if records.start(job_id) else 1
    except ServerError as error:
        say(str(error))
        return 1
    finally:
        puller.tell_worker_status("finished")


# ---- the command line ------------------------------------------------------------------------------------------------


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """What the command line says; the identity is also read from the environment that Harvester gives to pilots."""
    parser = argparse.ArgumentParser(description="A small pilot that really runs small jobs.")
    parser.add_argument("directory", nargs="?", type=Path, default=Path(), help="access point (where it is started)")
    parser.add_argument("--job-spec", default="pandaJobData.out", help="name of the job file in the access point")
    parser.add_argument("--ask", type=int, default=0, help="ask for so many jobs by file, again and again")
    parser.add_argument("--most-jobs", type=int, default=1000, help="ask for no more after so many jobs (1000)")
    parser.add_argument(
        "--url", default=os.environ.get("HARVESTER_DOOR_URL"), help="Harvester's door; jobs and reports go through it"
    )
    parser.add_argument("--server", help="URL of the server; the pilot then asks it for a job")
    parser.add_argument("--queue", help="queue to ask for")
    parser.add_argument("--harvester-id", default=os.environ.get("HARVESTER_ID", ""))
    parser.add_argument("--worker-id", type=int, default=int(os.environ.get("HARVESTER_WORKER_ID", "0")))
    parser.add_argument("--output-dir", type=Path, help="where outputs go when the pilot asks the server for its job")
    parser.add_argument("--wait", type=float, default=60, help="seconds to wait for a job (60)")
    parser.add_argument("--patience", type=float, default=120, help="seconds to repeat a call that fails (120)")
    parser.add_argument("--claims", type=Path, help="directory of claimed jobs; a claimed job is not run again")
    parser.add_argument("--journal", type=Path, help="file that gets a line per execution (journal in --claims)")
    options = parser.parse_args(arguments)
    if options.server and not (options.queue and options.harvester_id and options.worker_id and options.output_dir):
        parser.error("--server needs --queue, --harvester-id, --worker-id and --output-dir")
    return options


def door_of(options: argparse.Namespace) -> Door:
    """The door that the command line or the environment names."""
    shown = os.environ.get(SHOWN_AT_DOOR)
    return Door(options.url, options.worker_id, Path(shown) if shown else None, options.patience)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the pilot; its exit code."""
    options = parse(arguments)
    place = options.directory.absolute()
    journal = options.journal or (options.claims and options.claims / "journal")
    records = Records(options.claims, journal, options.worker_id)
    door = door_of(options) if options.url else None
    with heartbeat(door or FileVoice(place)):
        if door:
            return run_through_door(
                door, place, records, at_once=options.ask, wait=options.wait, most=options.most_jobs
            )
        if options.ask:
            return Asker(place, options.job_spec, options.ask, options.wait, options.most_jobs).run(records)
        if not options.server:
            return run_pushed(place, options.job_spec, records)
        server = Server(options.server, options.patience)
        puller = Puller(server, options.queue, options.harvester_id, options.worker_id, options.output_dir.absolute())
        return run_pulling(puller, place, options.wait, records)


if __name__ == "__main__":
    sys.exit(main())
