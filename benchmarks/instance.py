"""What every benchmark runs: an instance whose resource costs nothing, the development server and a database."""

import json
import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog
from pydantic import JsonValue

from databases import Section, running_database
from harvester.config.queue_loader import QueueLoader
from harvester.config.service import Settings, load_settings
from harvester.core.access_points import fill_access_point
from harvester.panda.devserver import DevControl
from harvester.service import Harvester

QUEUE = "BENCHMARK"
_HERE = Path(__file__).parent
_OWN = "${_workerID_3.2}/${workerID}"
"""Where a worker's directory is below the access points."""
Block = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Site:
    """Where everything of one benchmark is.

    Attributes:
        folder: for the configuration, the SQLite file and the work directory.
        access_points: for the workers' directories.
        server: the development server's address.
        database: the `[db]` section.
    """

    folder: Path
    access_points: Path
    server: str
    database: Section

    def queue(self, mode: str, *, at_once: int, **more: object) -> dict[str, object]:
        """The configuration of a queue on the instant resource, `pull` or `push`.

        Args:
            mode: whether workers fetch their own jobs or get one each.
            at_once: `maxWorkers`.
            more: further keys, or others instead.
        """
        here = {"module": "instant", "name": "InstantResource"}
        return {
            "mapType": "NoJob" if mode == "pull" else "OneToOne",
            "maxWorkers": at_once,
            "nQueueLimitWorker": at_once,
            "nQueueLimitJob": 2 * at_once,
            "submitter": here,
            "monitor": here,
            "sweeper": here,
            "workerMaker": {"plugin": "simple"},
            "messenger": {"plugin": "shared_file", "accessPoint": f"{self.access_points}/{_OWN}"},
            "preparator": {"plugin": "dummy"},
            "stager": {"plugin": "dummy"},
            **more,
        }

    def access_point(self, worker_id: int) -> Path:
        """The directory of a worker."""
        return self.access_points / fill_access_point(_OWN, worker_id, {"workerID": worker_id})

    def configure(self, queues: Mapping[str, Block], sections: Mapping[str, Block] | None = None) -> Path:
        """Write the configuration files and return the main one.

        Args:
            queues: queue blocks by name.
            sections: keys of panda_harvester.cfg by section, besides those that say where things are.
        """
        wanted: dict[str, Block] = {
            "master": {"harvester_id": "benchmark", "workDir": self.folder / "work"},
            "db": self.database,
            "pandacon": {"server_api_url_ssl": f"{self.server}/api/v1"},
            "qconf": {"configFile": self.folder / "queues.json"},
        }
        for section, keys in (sections or {}).items():
            wanted[section] = {**wanted.get(section, {}), **keys}
        text = "\n".join(
            f"[{section}]\n" + "\n".join(f"{key} = {value}" for key, value in keys.items())
            for section, keys in wanted.items()
        )
        main = self.folder / "harvester.cfg"
        main.write_text(f"{text}\n")
        (self.folder / "queues.json").write_text(json.dumps(queues))
        return main

    def harvester(self, queues: Mapping[str, Block], sections: Mapping[str, Block] | None = None) -> Harvester:
        """The service in this process, not yet started."""
        settings = read_settings(self.configure(queues, sections))
        loader = QueueLoader(self.folder / "queues.json", settings.qconf, self.folder / "work")
        known = loader.load()
        assert known.active, known.findings
        return Harvester(settings, known, loader)

    def add_jobs(self, number: int, queue: str = QUEUE, **more: JsonValue) -> None:
        """Put jobs without files into the server, with further keys."""
        with DevControl(self.server) as control:
            for start in range(0, number, 1000):
                some = range(start, min(start + 1000, number))
                control.add_jobs([{"site": queue, "outFiles": "", "logFile": "", **more} for _ in some])


def read_settings(main: Path) -> Settings:
    """What a main configuration file says."""
    loaded = load_settings([main], {})
    assert loaded.settings is not None, loaded.findings
    return loaded.settings


@contextmanager
def running(harvester: Harvester, *, stop_seconds: float = 25.0) -> Iterator[None]:
    """Start the service in this process; it is stopped afterwards, before the site goes under its feet."""
    harvester.start()
    try:
        yield
    finally:
        harvester.stop(stop_seconds)


def wait_until(condition: Callable[[], bool], what: str, *, seconds: float, pause: float = 0.05) -> None:
    """Look again and again until the condition has come true.

    Raises:
        SystemExit: it has not within so many seconds, and `what` is missing.
    """
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"not within {seconds:g} s: {what}")
        time.sleep(pause)


def wait_for_ends(control: DevControl, number: int, *, seconds: float, pause: float = 0.5) -> None:
    """Wait until the server has heard of the end of so many jobs and of as many workers."""
    ends = {"finished": number}

    def has_heard() -> bool:
        known = control.summary()
        return known["jobs"] == ends and known["workers"] == ends

    wait_until(has_heard, f"the end of {number} jobs and workers", seconds=seconds, pause=pause)


@contextmanager
def benchmark_site(engine: str, access_points: str | None = None) -> Iterator[Site]:
    """A site in a fresh folder, with a running server and database; all of it is gone afterwards.

    Args:
        engine: one of `ENGINES`.
        access_points: a directory in which the access points are made; the folder by default.
    """
    logging.getLogger().setLevel(logging.WARNING)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    with (
        tempfile.TemporaryDirectory(prefix="harvester-benchmark-") as folder,
        tempfile.TemporaryDirectory(prefix="harvester-access-", dir=access_points or folder) as access,
        running_server(Path(folder)) as server,
        running_database(engine, Path(folder)) as database,
    ):
        yield Site(Path(folder), Path(access), server, database)


@contextmanager
def running_server(folder: Path) -> Iterator[str]:
    """The address of a development server in a process of its own."""
    command = [sys.executable, str(_HERE / "dev_server.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()
