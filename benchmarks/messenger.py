"""How many requests of workers the door answers, and how quickly: heartbeats, reports and jobs mixed, tokens checked.

The door runs as a process of its own, under the built-in server or under uWSGI; the workers are threads of no pilot but
prepared requests (`knocking.py`), which take their jobs and ask for more. All answers have to be good ones.
"""

import argparse
import os
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from figures import Figures, options, tell
from harvester.core.clock import utc_now
from harvester.plugins.tools.worker_tokens import KeyFile, WorkerTokens
from harvester.service import open_database
from instance import QUEUE, Site, benchmark_site, read_settings, wait_until
from knocking import Knocked, Worker, knock
from loopback import free_port
from population import add_live, make_access_points
from scripts import start
from service import environment

FOLDER = Path(__file__).parent
"""Where the scripts are."""
_WARM_UP = 2.0


def configure(site: Site) -> Path:
    """The configuration of a site with a door; returns the main file."""
    key = site.folder / "door.key"
    key.write_bytes(secrets.token_bytes(32))
    key.chmod(0o600)
    queue = site.queue("pull", at_once=1)
    messenger = {**dict(queue["messenger"]), "plugin": "http"}  # type: ignore[call-overload]  # it is a block
    return site.configure({QUEUE: {**queue, "messenger": messenger}}, {"frontend": {"secretFile": key}})


def add_workers(site: Site, main: Path, number: int) -> list[Worker]:
    """Running workers with tokens."""
    settings = read_settings(main)
    tokens = WorkerTokens(settings.master.harvester_id, KeyFile(Path(str(settings.frontend.secret_file))), utc_now)
    db = open_database(settings)
    ids = add_live(db, site, [QUEUE], number)
    db.close()
    make_access_points(site, ids)
    return [Worker(each, tokens.issue(each, timedelta(hours=1)), site.access_point(each)) for each in ids]


@contextmanager
def door(kind: str, main: Path, threads: int) -> Iterator[tuple[tuple[str, int], list[psutil.Process]]]:
    """A door that is open; its address and its processes."""
    running = _embedded(main) if kind == "embedded" else _uwsgi(main, threads)
    with running as (process, address):
        own = psutil.Process(process.pid)
        yield address, [own, *own.children(recursive=True)]


@contextmanager
def _embedded(main: Path) -> Iterator[tuple[subprocess.Popen[str], tuple[str, int]]]:
    command = [sys.executable, str(FOLDER / "door_server.py"), str(main)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        found = urlsplit(process.stdout.readline().strip())
        try:
            yield process, (str(found.hostname), int(found.port or 0))
        finally:
            process.stdin.close()
            process.wait(20)


@contextmanager
def _uwsgi(main: Path, threads: int) -> Iterator[tuple[subprocess.Popen[str], tuple[str, int]]]:
    program = shutil.which("uwsgi", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if program is None:
        raise SystemExit(
            "uwsgi is not installed; pip install uwsgi, or apt-get install uwsgi-core uwsgi-plugin-python3"
        )
    address = "127.0.0.1", free_port()
    settings = {
        "http": f"{address[0]}:{address[1]}",
        "http-keepalive": "30",
        "module": "door_app",
        "processes": "2",
        "threads": str(threads),
        "buffer-size": "16384",
        "socket-timeout": "15",
    }
    flags = ["--master", "--need-app", "--die-on-term", "--disable-logging", "--lazy-apps", "--enable-threads"]
    flags += ["--plugins", "http,python3"] if program == "/usr/bin/uwsgi" else []  # a distribution's has it apart
    command = [program, *flags, *(f"--{name}={value}" for name, value in settings.items())]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(_own_places()), "DOOR_CONFIG": str(main)}
    with subprocess.Popen(command, env=variables, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            wait_until(lambda: _answers(address), "an answer of uWSGI", seconds=30)
            yield process, address
        finally:
            process.terminate()
            process.wait(20)


def _own_places() -> list[str]:
    """Where Harvester and its libraries are, without the standard library: uWSGI brings that of its own Python."""
    standard = str(Path(os.__file__).parent)
    return [each for each in sys.path if each and (not each.startswith(standard) or "site-packages" in each)]


def _answers(address: tuple[str, int]) -> bool:
    try:
        with socket.create_connection(address, 5) as found:
            found.sendall(b"GET /entry HTTP/1.0\r\n\r\n")
            return b" 405 " in found.recv(100)
    except OSError:
        return False


def measure(site: Site, arguments: argparse.Namespace) -> Figures:
    main = configure(site)
    workers = add_workers(site, main, arguments.workers)
    with door(arguments.server, main, arguments.threads) as (address, processes):
        knock(address, workers, connections=arguments.connections, seconds=_WARM_UP)
        before = _cpu_of(processes)
        knocked = knock(address, workers, connections=arguments.connections, seconds=arguments.seconds)
        used = _cpu_of(processes) - before
        memory = sum(each.memory_info().rss for each in processes)
    _require_good(knocked)
    number = len(knocked.latencies)
    return {
        "engine": arguments.engine,
        "server": arguments.server,
        "workers": arguments.workers,
        "connections": arguments.connections,
        "seconds": arguments.seconds,
        "requests_per_second": round(number / arguments.seconds),
        "median_ms": knocked.percentile(0.5),
        "p99_ms": knocked.percentile(0.99),
        "longest_ms": knocked.percentile(1),
        "cpu_seconds_per_1000": round(used / number * 1000, 3),
        "rss_mib": round(memory / 2**20, 1),
    }


def _cpu_of(processes: list[psutil.Process]) -> float:
    return sum(sum(each.cpu_times()[:2]) for each in processes)


def _require_good(knocked: Knocked) -> None:
    bad = {told: number for told, number in knocked.statuses.items() if not told.endswith(" 200")}
    if bad:
        raise SystemExit(f"not all answers were good: {bad}")


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--server", choices=("embedded", "uwsgi"), default="embedded")
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--threads", type=int, default=4, help="of each process of uWSGI")
    parser.add_argument("--seconds", type=float, default=15.0)
    arguments = parser.parse_args()
    with benchmark_site(arguments.engine, arguments.access_points) as site:
        figures = measure(site, arguments)
    tell(figures, as_json=arguments.json)


if __name__ == "__main__":
    start(main)
