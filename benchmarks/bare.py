"""The floor: what the machine takes for the writing in workers' lives when nobody decides anything.

A loop over plain sqlite3, mkdir and write does for the same workers what their life cannot do without, in batches as
large as Harvester's: the same tables and indexes, the same rows inserted, found, changed and deleted, every step in a
transaction of its own that is synced like Harvester's, an access point made, looked into and removed, and with jobs
three files put there. There are no agents, no competing claims, no plugins, no messages to the server and no threads;
values that are alike are written by one statement. Compare with `lifecycle.py`, CPU with CPU: what is above the floor
is Harvester's.
"""

import argparse
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from sqlalchemy import create_engine

from figures import Figures, Stopwatch, options, peak_rss_mib, tell
from harvester.store.leases import BATCH
from harvester.store.schema import metadata
from scripts import start

PARAMS = '{"PandaID": 1, "taskID": 1, "prodSourceLabel": "managed", "jobPars": "%s"}' % ("x" * 600)
_OURS = "BETWEEN :first AND :last"

Transaction = Sequence[str]
"""Statements; one that names `:id` is done for each worker, any other once for the batch."""


def told(kind: str, *events: str) -> Transaction:
    """History of each worker or job."""
    columns = "kind, subject, at, was, became, cause, agent"
    return [
        f"INSERT INTO history ({columns}) VALUES ('{kind}', :id, :now, 'before', '{event}', 'as it was told', 'agent')"  # noqa: S608
        for event in events
    ]


def changed(table: str, values: str, *more: str) -> Transaction:
    """The batch's rows of a table have new values."""
    key = "worker_id" if table == "workers" else "job_id"
    return [f"UPDATE {table} SET {values} WHERE {key} {_OURS}", *more]  # noqa: S608


def claimed(table: str, where: str, prefix: str = "") -> Transaction:
    """Work is found by its index, read, and held."""
    found = f"SELECT * FROM {table} WHERE {where} ORDER BY {prefix}due LIMIT {BATCH}"  # noqa: S608
    return [found, *changed(table, f"{prefix}due = :now + 600000000, {prefix}fence = 7")]


def reported(table: str) -> Iterator[Transaction]:
    """The server was told, and need not be told again."""
    yield claimed(table, "report_due <= :now", "report_")
    yield changed(table, "report_due = NULL, report_fence = 0")


def _worker_inserted(map_type: str) -> str:
    columns = (
        "worker_id, queue, status, marker, map_type, cores, ram_mb, disk_mb, walltime_s, access_point, log_urls,"
        " diagnostics, created_at, phase, due"
    )
    values = (
        f":id, 'BARE', 'pending', 'benchmark-' || :id, '{map_type}', 1, 2000, 10000, 86400, :place, '{{}}', '', :now,"
        " 'submit', :now"
    )
    return f"INSERT INTO workers ({columns}) VALUES ({values})"  # noqa: S608


JOB_INSERTED = (
    "INSERT INTO jobs (job_id, queue, status, substatus, attempt, priority, cores, attributes, fetched_at, phase, due,"
    " report_due) VALUES (:id, 'BARE', 'starting', 'fetched', 1, 1000, 1, '{}', :now, 'prepare', :now, :now)"
)
PARAMS_INSERTED = "INSERT INTO job_params (job_id, params) VALUES (:id, :params)"
SUBMITTED = "status = 'submitted', batch_id = marker, phase = 'monitor', submitted_at = :now, due = NULL, fence = 0"
RUNNING = "status = 'running', started_at = :now, report_due = :now"
ENDED = "status = 'finished', exit_code = 0, ended_at = :now, phase = 'sweep', due = :now, report_due = :now"


def submission(mode: str) -> Iterator[Transaction]:
    """Up to the moment when the access points are made."""
    if mode == "push":
        yield [JOB_INSERTED, PARAMS_INSERTED, *told("job", "fetched")]
        yield claimed("jobs", "phase = 'prepare' AND due <= :now")
        yield changed("jobs", "substatus = 'prepared', phase = 'submit', due = :now, fence = 0", *told("job", "ready"))
        yield [
            *changed("jobs", "phase = 'work', due = NULL"),
            "INSERT INTO job_workers (worker_id, job_id) VALUES (:id, :id)",
            _worker_inserted("OneToOne"),
            *told("worker", "pending"),
        ]
    else:
        yield [_worker_inserted("NoJob"), *told("worker", "pending")]
    yield [*claimed("workers", "phase = 'submit' AND due <= :now"), *changed("workers", "phase = 'settle', tries = 1")]


def work(mode: str) -> Iterator[Transaction]:
    """From the submission to the end."""
    jobs = mode == "push"
    submitted = changed("workers", f"{SUBMITTED}, report_due = :now", *told("worker", "submitted"))
    yield [*submitted, *(changed("jobs", "substatus = 'submitted', report_due = :now") if jobs else ())]
    yield from reported("workers")
    yield from reported("jobs") if jobs else ()
    running = changed("workers", RUNNING, *told("worker", "running"))
    yield [*running, *(changed("jobs", RUNNING, *told("job", "running")) if jobs else ())]
    yield from reported("workers")
    yield from reported("jobs") if jobs else ()
    ended = changed("workers", ENDED, *told("worker", "finished"))
    ending = "status = 'finished', substatus = 'totransfer', phase = 'stage', due = :now"
    yield [*ended, *(changed("jobs", ending, *told("job", "finished")) if jobs else ())]
    yield from reported("workers")
    if jobs:
        yield claimed("jobs", "phase = 'stage' AND due <= :now")
        yield changed("jobs", "substatus = 'staged', phase = 'report', report_due = :now", *told("job", "staged"))
        yield claimed("jobs", "report_due <= :now", "report_")
        yield changed("jobs", "substatus = 'done', phase = 'sweep', due = :now, report_due = NULL", *told("job", "end"))
    yield claimed("workers", "phase = 'sweep' AND due <= :now")


def removal(mode: str) -> Transaction:
    """Nothing is left."""
    tables = {"workers": "worker_id"}
    if mode == "push":
        tables |= {"job_workers": "worker_id", "jobs": "job_id", "job_params": "job_id"}
    gone = [f"DELETE FROM {table} WHERE {key} {_OURS}" for table, key in tables.items()]  # noqa: S608
    kinds = ("worker", "job") if mode == "push" else ("worker",)
    return [*gone, *(f"DELETE FROM history WHERE kind = '{kind}' AND subject {_OURS}" for kind in kinds)]  # noqa: S608


class Floor:
    """A database, a directory, and one batch after the other."""

    def __init__(self, folder: Path, access_points: Path, mode: str) -> None:
        self._mode = mode
        self._access_points = access_points
        file = folder / "bare.db"
        metadata.create_all(create_engine(f"sqlite:///{file}"))
        self._db = sqlite3.connect(file, isolation_level=None)
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "cache_size = -8192", "temp_store = MEMORY"):
            self._db.execute(f"PRAGMA {pragma}")

    def live(self, ids: range) -> None:
        """One batch, from the beginning to the end."""
        places = {each: f"{self._access_points}/{each // 1000}/{each}" for each in ids}
        for transaction in submission(self._mode):
            self._do(transaction, places)
        for place in places.values():
            os.makedirs(place)  # noqa: PTH103 (the floor knows no detours)
            if self._mode == "push":
                _feed(place)
        for transaction in work(self._mode):
            self._do(transaction, places)
        for place in places.values():
            os.listdir(place)  # noqa: PTH208 (as above)
            os.listdir(place)  # noqa: PTH208
            shutil.rmtree(place)
        self._do(removal(self._mode), places)

    def _do(self, transaction: Transaction, places: dict[int, str]) -> None:
        same = {"first": min(places), "last": max(places), "now": time.time_ns() // 1000, "params": PARAMS}
        each = [{**same, "id": worker, "place": place} for worker, place in places.items()]
        self._db.execute("BEGIN IMMEDIATE")
        for statement in transaction:
            if ":id" in statement:
                self._db.executemany(statement, each)
            else:
                self._db.execute(statement, same).fetchall()
        self._db.execute("COMMIT")


def _feed(place: str) -> None:
    for name in ("pandaJobData.out", "PoolFileCatalog.xml", "pandaIDs.json"):
        with open(f"{place}/.{name}.new", "w") as file:  # noqa: PTH123 (as above)
            file.write(PARAMS)
        os.rename(f"{place}/.{name}.new", f"{place}/{name}")  # noqa: PTH104


def measure(arguments: argparse.Namespace) -> Figures:
    with (
        tempfile.TemporaryDirectory(prefix="harvester-bare-") as folder,
        tempfile.TemporaryDirectory(prefix="harvester-access-", dir=arguments.access_points or folder) as access,
    ):
        floor = Floor(Path(folder), Path(access), arguments.mode)
        watch = Stopwatch()
        for first in range(1, arguments.workers + 1, BATCH):
            floor.live(range(first, min(first + BATCH, arguments.workers + 1)))
        seconds, cpu_seconds = watch.seconds, watch.cpu_seconds
    return {
        "engine": "sqlite",
        "mode": arguments.mode,
        "workers": arguments.workers,
        "seconds": round(seconds, 2),
        "workers_per_second": round(arguments.workers / seconds, 1),
        "cpu_seconds_per_1000": round(1000 * cpu_seconds / arguments.workers, 3),
        "peak_rss_mib": peak_rss_mib(),
    }


def main() -> None:
    parser = options(__doc__, engines=["sqlite"])
    parser.add_argument("--workers", type=int, default=20_000)
    parser.add_argument("--mode", choices=["pull", "push"], default="pull")
    arguments = parser.parse_args()
    tell(measure(arguments), as_json=arguments.json)


if __name__ == "__main__":
    start(main)
