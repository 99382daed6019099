"""A site in a directory: configuration, a development server, and Harvester as a real process that may be killed."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import NoReturn, Self

import httpx2
import psutil
import pytest
from pydantic import JsonValue, TypeAdapter
from typer.testing import CliRunner, Result

import harvester.cli
from crashing.answers import Disturbances, unanswered
from harvester.cli.main import app
from harvester.core.workers import WorkerStatus
from harvester.panda.devserver.records import Job
from system_harness.server import Server

PILOT = Path(harvester.cli.__file__).with_name("pilot.py")
PILOT_COMMAND = (sys.executable, "-S", "-P", str(PILOT))
COMMAND = (sys.executable, "-m", "harvester")
RUN = (*COMMAND, "run")
STOPS_WITHIN = 30
"""Seconds that Harvester may take to end after SIGTERM."""
_DEADLINE = 90.0
_FINAL = ("finished", "failed", "cancelled", "closed")
_JOBS = TypeAdapter(list[Job])
_GLANCE = 0.1

Row = dict[str, JsonValue]
Sections = Mapping[str, Mapping[str, object]]

_QUICK: Sections = {
    "jobfetcher": {"lookupTime": 1},
    "submitter": {"lookupTime": 1, "checkInterval": 1},
    "monitor": {"checkInterval": 2},
    "pandacon": {"timeout": 5},
}
"""Periods of the test; the default ones would only make it longer."""


class Site:
    """One Harvester with all it needs; everything it started is gone when it is closed.

    Attributes:
        instance: its `harvester_id`, which no other site has: sites may share a batch system.
        server: its PanDA server.
        journal: file with a line per execution of a job, written by the pilots themselves.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.instance = f"test-{uuid.uuid4().hex[:8]}"
        self.journal = directory / "journal"
        self.storage = directory / "storage"
        self.server = Server(directory)
        self.environment: dict[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._others: list[subprocess.Popen[bytes]] = []
        self._deaths: list[float] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- configuration

    def configure(self, queues: Mapping[str, JsonValue], sections: Sections | None = None) -> None:
        """Write both configuration files; `sections` is laid over what every site has."""
        self.configuration.write_text(_as_text(self._own_sections(), _QUICK, sections or {}))
        self.configure_queues(queues)

    def configure_queues(self, queues: Mapping[str, JsonValue]) -> None:
        """Put another queue configuration in place, whole at once; a running Harvester takes it over."""
        new = self.queue_file.with_suffix(".new")
        new.write_text(json.dumps(queues, indent=1))
        new.replace(self.queue_file)

    @property
    def configuration(self) -> Path:
        """The main configuration file."""
        return self.directory / "panda_harvester.cfg"

    @property
    def queue_file(self) -> Path:
        """The queue configuration file."""
        return self.directory / "panda_queueconfig.json"

    @property
    def database(self) -> Path:
        """The SQLite file, unless the configuration says otherwise."""
        return self.directory / "harvester.db"

    def _own_sections(self) -> Sections:
        return {
            "master": {"harvester_id": self.instance, "workDir": self.directory / "work"},
            "db": {"database_filename": self.database},
            "pandacon": {"server_api_url_ssl": self.server.url},
            "qconf": {"configFile": self.queue_file},
        }

    def add_plugins(self, place: Path) -> None:
        """Let Harvester find the modules in a directory, before those of the tests' own environment."""
        self.environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(place), os.environ.get("PYTHONPATH")]))

    def take_offline(self) -> None:
        """From the next start on the queues get no new workers; those they have are followed to their ends."""
        queues = json.loads(self.queue_file.read_text())
        self.queue_file.write_text(
            json.dumps({name: {**each, "queueStatus": "offline"} for name, each in queues.items()})
        )

    def follow_all(self, accepted: Callable[[], Collection[str]]) -> None:
        """Wait until no worker lives or is to be submitted and the server knows of every end, then stop.

        Args:
            accepted: markers of what the resource has accepted.
        """
        self.until(lambda: not self._live_workers(), "no worker lives or is to be submitted", 180)
        self.until_workers_end(180, accepted=accepted)
        assert self.terminate() == 0

    # ---- the process

    def start(self, *options: str, kill_at: str = "", freeze_at: str = "", queues: bool = True) -> None:
        """Start Harvester; it dies by SIGKILL, or is stopped by SIGSTOP, when it comes to a point.

        Without `queues` it looks itself for the queue configuration.
        """
        traps = {"HARVESTER_KILL_AT": kill_at, "HARVESTER_FREEZE_AT": freeze_at}
        environment = {**self.surroundings(), **traps}
        named = ["--queues", self.queue_file] if queues else []
        command = [*RUN, "--config", self.configuration, *named, *options]
        with self._log_file.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
            )
        self.pid_file.write_text(str(self._process.pid))

    def start_another(self) -> None:
        """Start one more process of the instance; the others go on, and are looked after until the end."""
        if self._process is not None:
            self._others.append(self._process)
        self.start()

    def surroundings(self) -> dict[str, str]:
        """The environment of Harvester and its commands."""
        return {**_neutral_environment(), **self.environment}

    def die_and_come_back(self, point: str) -> None:
        """Run until SIGKILL at the point, or without one until somebody else sends it; then start again."""
        self.start(kill_at=point)
        assert self.await_end() == -signal.SIGKILL
        self.start()

    @property
    def pid_file(self) -> Path:
        """File with the process id of the Harvester that was started last."""
        return self.directory / "pid"

    def leave_frozen(self) -> subprocess.Popen[bytes]:
        """Wait until Harvester has been stopped by SIGSTOP, and look after another one from then on."""
        if self._process is None:
            raise AssertionError("Harvester was not started")
        frozen = self._process
        self.until(lambda: psutil.Process(frozen.pid).status() == psutil.STATUS_STOPPED, "Harvester is frozen")
        self._others.append(frozen)
        self._process = None
        return frozen

    def await_end(self, seconds: float = _DEADLINE) -> int:
        """Wait until Harvester has ended by itself or was killed; its exit code, negative for a signal."""
        if self._process is None:
            raise AssertionError("Harvester was not started")
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._fail(f"Harvester did not end within {seconds} s")
        self._process = None
        return code

    def terminate(self) -> int:
        """Order Harvester to stop, once it can hear it, and return its exit code."""
        process = self._process
        assert process
        self.until(
            lambda: process.poll() is not None or _hears(process.pid, signal.SIGTERM), "Harvester to hear orders"
        )
        self._signal(signal.SIGTERM)
        return self.await_end(STOPS_WITHIN)

    def kill(self) -> None:
        """Send SIGKILL."""
        self._signal(signal.SIGKILL)
        self.await_end()
        self._deaths.append(time.time())

    def reload(self) -> None:
        """Order Harvester to begin anew, as a service manager does."""
        self._signal(signal.SIGHUP)

    @property
    def pid(self) -> int:
        """Of the Harvester that was started last."""
        assert self._process
        return self._process.pid

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def survive(self, seconds: float) -> None:
        """Let Harvester work for so long: up to a random moment, or to see what it does not do, which no event says."""
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                self._fail(f"Harvester ended by itself with exit code {self._process.wait(seconds)}")

    # ---- watching

    def told_by(self, *words: str) -> str:
        """What another command of the command line says of this instance."""
        command = [*COMMAND, *words, "--config", self.configuration]
        return subprocess.run(command, env=self.surroundings(), check=True, stdout=subprocess.PIPE, text=True).stdout

    def call(self, *words: str) -> Result:
        """What another command says and how it exits, called in this process: to start one takes seconds."""
        return CliRunner().invoke(app, [*words, "--config", str(self.configuration)], env={**self.surroundings()})

    def until(self, condition: Callable[[], bool], what: str, seconds: float = _DEADLINE) -> None:
        """Wait for something to become true while Harvester runs."""
        deadline = time.monotonic() + seconds
        while not condition():
            if self._process is not None and self._process.poll() is not None:
                self._fail(f"Harvester ended with exit code {self._process.returncode} before {what}")
            if time.monotonic() > deadline:
                self._fail(f"not within {seconds:.0f} s: {what}")
            time.sleep(_GLANCE)

    def until_jobs_end(self, seconds: float = _DEADLINE, *, but: frozenset[int] = frozenset()) -> None:
        """Wait until the server holds no job that is not final, but for these."""
        self.until(lambda: self._jobs_but(*_FINAL) == len(but), "all jobs ended", seconds)

    def jobs_of_lost_answers(self, *, before: int) -> frozenset[int]:
        """Those of the first jobs that the server gave out in answers which `kill` destroyed.

        The protocol cannot ask for them again. Waits until all later jobs have ended: since jobs are taken in order,
        the server has by then heard of every earlier one that Harvester holds.
        """
        self.until(lambda: all(job.status in _FINAL for job in self._jobs()[before:]), "the last jobs ended")
        return frozenset(unanswered(self._jobs()[:before], Disturbances(self._deaths)))

    def _jobs(self) -> list[Job]:
        return _JOBS.validate_python(list(self.server.control.jobs()))

    def until_workers_end(
        self, seconds: float = _DEADLINE, *, accepted: Callable[[], Collection[str]] = frozenset
    ) -> None:
        """Wait until the server knows every worker, and knows that it has ended.

        Args:
            seconds: at most.
            accepted: markers of what the resource has; without them, workers that have run no job may be left out.
        """
        final = {"finished", "failed", "cancelled", "missed"}

        def ended() -> bool:
            present = {*accepted(), *map(self.marker, self._workers_that_ran())}
            known = {self.marker(each["worker_id"]): each["status"] for each in self.server.control.workers()}
            return all(status in final for status in known.values()) and present <= known.keys()

        self.until(ended, "all workers ended", seconds)

    def marker(self, worker_id: object) -> str:
        """What the resource knows a worker by."""
        return f"{self.instance}-{worker_id}"

    def _live_workers(self) -> int:
        """How many Harvester still follows, or means to submit."""
        with closing(sqlite3.connect(self.database, timeout=30)) as book:
            rows = book.execute("SELECT status FROM workers").fetchall()
        return sum(not WorkerStatus(status).is_final for (status,) in rows)

    def until_logged(self, *words: str) -> None:
        """Wait until one line of the log has all the words."""
        self.until(lambda: self.has_logged(*words), f"a line of the log with {words}")

    def has_logged(self, *words: str) -> bool:
        """Whether one line of the log has all the words."""
        return any(all(word in line for word in words) for line in self.log.splitlines())

    def until_running(self, number: int) -> None:
        """Wait until so many jobs have been started by pilots."""
        self.until(lambda: len(self.executions()) >= number, f"{number} jobs started")

    def _jobs_but(self, *statuses: str) -> int:
        return sum(count for status, count in self.server.control.job_counts().items() if status not in statuses)

    def executions(self) -> list[int]:
        """The PandaID of every execution, in order."""
        return [int(line.split()[0]) for line in self._journal_lines()]

    def _workers_that_ran(self) -> set[int]:
        return {int(line.split()[1]) for line in self._journal_lines()}

    def _journal_lines(self) -> list[str]:
        return self.journal.read_text().splitlines() if self.journal.exists() else []

    @property
    def log(self) -> str:
        """All that Harvester has said."""
        return self._log_file.read_text(errors="replace") if self._log_file.exists() else ""

    @property
    def _log_file(self) -> Path:
        return self.directory / "harvester.log"

    def _fail(self, why: str) -> NoReturn:
        try:
            known: object = self.server.control.summary()
        except (OSError, httpx2.HTTPError) as error:
            known = f"server: {error}"
        tail = "\n".join(self.log.splitlines()[-60:])
        pytest.fail(f"{why}\n{known}\nstarted by pilots: {sorted(self.executions())}\n{tail}", pytrace=False)

    # ---- the end

    def close(self) -> None:
        """Kill whatever is left of the site."""
        for process in (self._process, *self._others):
            if process is not None:
                process.kill()
                process.wait()
        for _ in range(20):
            left = list(self._processes())
            if not left:
                break
            for each in left:
                _kill(each)
        self.server.close()

    def _processes(self) -> Iterator[psutil.Process]:
        """Keepers and pilots of this site: they tell the directory as an argument, or work below it."""
        place = str(self.directory)
        for each in psutil.process_iter(["cmdline", "cwd"]):
            words: Sequence[str | None] = [*(each.info["cmdline"] or ()), each.info["cwd"]]
            if each.pid != os.getpid() and any(word and f"{word}/".startswith(f"{place}/") for word in words):
                yield each


def _neutral_environment() -> dict[str, str]:
    """The environment of the tests without what configures a Harvester."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PANDA_", "HARVESTER_"))}


def _hears(pid: int, number: signal.Signals) -> bool:
    """Whether the process has a handler of its own for the signal."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(caught >> (number - 1) & 1)


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
        process.wait(5)
    except (psutil.NoSuchProcess, psutil.TimeoutExpired):
        return


def _as_text(*layers: Sections) -> str:
    merged: dict[str, dict[str, object]] = {}
    for layer in layers:
        for section, keys in layer.items():
            merged.setdefault(section, {}).update(keys)
    lines = []
    for section, keys in merged.items():
        lines += [f"[{section}]", *(f"{key} = {value}" for key, value in keys.items()), ""]
    return "\n".join(lines)
