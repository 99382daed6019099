"""How fast workers go through their whole life: created, submitted, running, finished, reported, swept.

The resource is instant and in this process, the development server runs in a process of its own, everything else is
the service as it is: database with its promised syncs, history, heartbeats, access points on disk. CPU and memory are
those of this process alone.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import event

from harvester.config.queues import load_queue_file
from harvester.config.service import Settings, load_settings
from harvester.panda.devserver import DevControl
from harvester.service import Harvester
from instant import InstantResource

QUEUE = "BENCHMARK"
PATIENCE = 1800


@dataclass
class Statements:
    """Counts SQL statements by their first two words."""

    by_kind: Counter[str] = field(default_factory=Counter)

    def listen(self, harvester: Harvester) -> None:
        """Count from now on."""
        event.listen(harvester.db.engine, "before_cursor_execute", self._count)

    def _count(self, _connection: object, _cursor: object, statement: str, *_: object) -> None:
        self.by_kind[" ".join(statement.split()[:3])] += 1


def settings_text(folder: Path, server: str, database: Mapping[str, str]) -> str:
    db = "\n".join(f"{key} = {value}" for key, value in database.items())
    return f"""
[master]
harvester_id = benchmark
workDir = {folder}/work
[db]
{db}
[pandacon]
server_api_url_ssl = {server}/api/v1
[qconf]
configFile = {folder}/queues.json
[jobfetcher]
maxJobs = 2000
[submitter]
maxNewWorkers = None
[sweeper]
keepFinished = 0
keepFailed = 0
"""


def queue(folder: Path, mode: str, at_once: int) -> dict[str, object]:
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
        "messenger": {"plugin": "shared_file", "accessPoint": f"{folder}/ap/${{_workerID_3.2}}/${{workerID}}"},
        "preparator": {"plugin": "dummy"},
        "stager": {"plugin": "dummy"},
    }


def database(engine: str, folder: Path, arguments: argparse.Namespace) -> dict[str, str]:
    if engine == "sqlite":
        return {"engine": engine, "database_filename": f"{folder}/harvester.db"}
    return {
        "engine": engine,
        "host": "127.0.0.1",
        "port": str(arguments.port),
        "user": arguments.user,
        "password": arguments.password,
        "schema": arguments.schema,
    }


def start_server(folder: Path) -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, str(Path(__file__).with_name("dev_server.py"))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def load(folder: Path, server: str, arguments: argparse.Namespace) -> tuple[Settings, Harvester]:
    (folder / "harvester.cfg").write_text(settings_text(folder, server, database(arguments.engine, folder, arguments)))
    (folder / "queues.json").write_text(json.dumps({QUEUE: queue(folder, arguments.mode, arguments.at_once)}))
    loaded = load_settings([folder / "harvester.cfg"], {})
    assert loaded.settings is not None, loaded.findings
    queues = load_queue_file(folder / "queues.json", ["ALL"], work_dir=folder / "work")
    assert queues.active, queues.findings
    return loaded.settings, Harvester(loaded.settings, queues)


def wait_for_workers(number: int) -> None:
    end = time.monotonic() + PATIENCE
    pause = threading.Event()
    while InstantResource.cleaned < number:
        if time.monotonic() > end:
            raise SystemExit(f"only {InstantResource.cleaned} of {number} workers were swept in {PATIENCE} s")
        pause.wait(0.05)


def measure(folder: Path, arguments: argparse.Namespace) -> dict[str, object]:
    process, url = start_server(folder)
    try:
        _, harvester = load(folder, url, arguments)
        statements = Statements()
        if arguments.mode == "push":
            add_jobs(url, arguments.workers)
        statements.listen(harvester)
        cpu, wall = time.process_time(), time.monotonic()
        harvester.start()
        wait_for_workers(arguments.workers)
        seconds, cpu_seconds = time.monotonic() - wall, time.process_time() - cpu
        done = InstantResource.cleaned
        total = sum(statements.by_kind.values())
        harvester.stop()
    finally:
        process.terminate()
        process.wait()
    if arguments.statements:
        for kind, number in statements.by_kind.most_common(40):
            print(f"{1000 * number / done:8.2f}  {kind}", file=sys.stderr)
    return {
        "engine": arguments.engine,
        "mode": arguments.mode,
        "workers": done,
        "seconds": round(seconds, 2),
        "workers_per_second": round(done / seconds, 1),
        "cpu_seconds_per_1000": round(1000 * cpu_seconds / done, 3),
        "peak_rss_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "statements_per_1000": round(1000 * total / done, 1),
        "statements_per_1000_and_transition": round(1000 * total / done / (5 if arguments.mode == "pull" else 9), 1),
    }


def add_jobs(url: str, number: int) -> None:
    with DevControl(url) as control:
        for start in range(0, number, 1000):
            some = range(start, min(start + 1000, number))
            control.add_jobs([{"site": QUEUE, "outFiles": "", "logFile": ""} for _ in some])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=10000)
    parser.add_argument("--mode", choices=["pull", "push"], default="pull")
    parser.add_argument("--at-once", type=int, default=2000, help="maxWorkers of the queue")
    parser.add_argument("--engine", choices=["sqlite", "mariadb", "postgresql"], default="sqlite")
    parser.add_argument("--port", type=int, help="port of the database server on this machine")
    parser.add_argument("--user", default="harvester")
    parser.add_argument("--password", default="harvester")
    parser.add_argument("--schema", default="harvester")
    parser.add_argument("--statements", action="store_true", help="tell which statements were sent how often")
    parser.add_argument("--json", action="store_true", help="nothing but the figures, on the last line")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="harvester-benchmark-") as folder:
        figures = measure(Path(folder), arguments)
    if not arguments.json:
        for name, value in figures.items():
            print(f"{name:40} {value}")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
