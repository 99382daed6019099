"""Very many queues: start, rest and one busy queue among them; the server has no jobs."""

import argparse
import subprocess
import sys
import time
from pathlib import Path

from sqlalchemy import select

from extreme.healthy import NOTHING_KEPT
from figures import Figures, Stopwatch
from harvester.service import open_database
from harvester.store import schema
from harvester.store.engine import Database
from instance import QUEUE, Site, benchmark_site, read_settings, wait_until
from service import environment, running_service

_PATIENCE = 3600


def measure(arguments: argparse.Namespace) -> Figures:
    figures: dict[str, object] = {"queues": arguments.queues}
    with benchmark_site(arguments.engine, arguments.access_points) as site:
        idle = {f"QUEUE_{place}": site.queue("push", at_once=10) for place in range(arguments.queues)}
        main = site.configure(idle)
        figures["check_seconds"] = _command_seconds(site, main, "check")
        figures |= _with_queues(site, main, arguments.minutes, "idle")
        figures["status_seconds"] = _command_seconds(site, main, "status")
        busy = {**idle, QUEUE: site.queue("pull", at_once=200)}
        main = site.configure(busy, {"sweeper": NOTHING_KEPT, "submitter": {"maxNewWorkers": "None"}})
        figures |= _with_queues(site, main, arguments.minutes, "busy")
    return figures


def _with_queues(site: Site, main: Path, minutes: float, what: str) -> Figures:
    watch = Stopwatch()
    log = f"{what}.log"
    with running_service(site, main, log=log) as service:
        wait_until(lambda: b"started" in (site.folder / log).read_bytes(), "the start", seconds=_PATIENCE, pause=0.2)
        start_seconds = watch.seconds
        time.sleep(min(60.0, 30 * minutes))  # everything is due at the start
        db = open_database(read_settings(main))
        made, cpu, watch = _made(db), service.cpu_seconds, Stopwatch()
        time.sleep(60 * minutes)
        return {
            f"{what}_start_seconds": round(start_seconds, 1),
            f"{what}_cpu_percent": round(100 * (service.cpu_seconds - cpu) / watch.seconds, 1),
            f"{what}_workers_per_second": round((_made(db) - made) / watch.seconds, 1),
            f"{what}_rss_mib": service.rss_mib,
        }


def _made(db: Database) -> int:
    counters = schema.counters
    with db.read() as connection:
        return connection.scalar(select(counters.c.value).where(counters.c.name == "worker_id")) or 0


def _command_seconds(site: Site, main: Path, word: str) -> float:
    watch = Stopwatch()
    queue_file = ["--queues", str(site.folder / "queues.json")] if word == "check" else []
    command = [sys.executable, "-m", "harvester", word, "--config", str(main), *queue_file]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment())
    return round(watch.seconds, 1)
