"""A million finished workers with a job, files and history each: while they are kept, and when all are to go."""

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy import Connection, Table, func, insert, select, update

from extreme.healthy import BUSY, HEALTHY, measured
from figures import Figures, Stopwatch, peak_rss_mib
from harvester.core.clock import utc_now
from harvester.core.files import FileKind, FileStatus
from harvester.core.jobs import JobStatus, JobSubstatus
from harvester.core.workers import MapType, WorkerStatus
from harvester.store import schema
from harvester.store.engine import Database
from harvester.store.history import Kind
from harvester.store.schema import JobPhase, WorkerPhase
from instance import QUEUE, Site, benchmark_site, running, wait_until

_PATIENCE = 3600
_KEPT = ("KEPT_0", "KEPT_1")


def measure(arguments: argparse.Namespace) -> Figures:
    with benchmark_site(arguments.engine, arguments.access_points) as site:
        kept = dict.fromkeys(_KEPT, site.queue("push", at_once=10))
        harvester = site.harvester({**kept, QUEUE: site.queue("pull", at_once=50, **HEALTHY)}, BUSY)
        rows = _fill(harvester.db, site, arguments.rows)
        transactions = Transactions(harvester.db)
        with running(harvester, stop_seconds=10):
            time.sleep(5)
            with measured() as before:
                cpu = Stopwatch()
                time.sleep(arguments.seconds)
                before["cpu_percent"] = round(100 * cpu.cpu_seconds / cpu.seconds, 1)
            _make_due(harvester.db)
            time.sleep(1)
            transactions.clear()
            watch, first = Stopwatch(), _left(harvester.db)
            enough = min(first, arguments.sweep_at_most)
            with measured() as during:
                wait_until(
                    lambda: first - _left(harvester.db) >= enough, "enough swept workers", seconds=_PATIENCE, pause=0.2
                )
            seconds, swept = watch.seconds, first - _left(harvester.db)
    return {
        "rows": rows,
        **{f"kept_{name}": value for name, value in before.items()},
        **{f"swept_{name}": value for name, value in during.items()},
        "swept": swept,
        "swept_per_second": round(swept / seconds, 1),
        "longest_write_seconds": round(max(transactions.held), 2),
        "longest_wait_seconds": round(max(transactions.waited), 2),
        "peak_rss_mib": peak_rss_mib(),
    }


class Transactions:
    """How long write transactions of this process waited for the database and held it."""

    def __init__(self, db: Database) -> None:
        self.clear()
        self._write = db.write
        db.write = self.write  # type: ignore[method-assign]  # all agents share the one object

    def clear(self) -> None:
        """Begin anew."""
        self.waited: list[float] = [0.0]
        self.held: list[float] = [0.0]

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """The database's own transaction."""
        began = time.monotonic()
        with self._write() as connection:
            ready = time.monotonic()
            yield connection
        self.waited.append(ready - began)
        self.held.append(time.monotonic() - ready)


def _fill(db: Database, site: Site, number: int) -> int:
    """Workers that ended a day ago and are kept for another hour; their number is doubled until there are enough."""
    first = 1000
    now = utc_now()
    ids = range(1, first + 1)
    ended, due = now - timedelta(days=1), now + timedelta(hours=1)
    rows: dict[Table, list[dict[str, object]]] = {
        schema.workers: [
            {
                "worker_id": each,
                "queue": _KEPT[each % len(_KEPT)],
                "status": WorkerStatus.FINISHED,
                "marker": f"benchmark-{each}",
                "map_type": MapType.ONE_TO_ONE,
                **dict.fromkeys(("cores", "ram_mb", "disk_mb", "walltime_s"), 1),
                "access_point": str(site.access_point(each)),
                "batch_id": f"benchmark-{each}",
                "created_at": ended,
                "ended_at": ended,
                "phase": WorkerPhase.SWEEP,
                "due": due,
            }
            for each in ids
        ],
        schema.jobs: [
            {
                "job_id": each,
                "queue": _KEPT[each % len(_KEPT)],
                "status": JobStatus.FINISHED,
                "substatus": JobSubstatus.DONE,
                **dict.fromkeys(("attempt", "priority", "cores"), 1),
                "attributes": {"batchID": f"benchmark-{each}"},
                "fetched_at": ended,
                "phase": JobPhase.SWEEP,
                "due": due,
            }
            for each in ids
        ],
        schema.job_params: [{"job_id": each, "params": {"jobPars": "x" * 500}} for each in ids],
        schema.job_workers: [{"worker_id": each, "job_id": each} for each in ids],
        schema.files: [
            {"job_id": each, "lfn": f"{each}.{kind}", "kind": kind, "status": FileStatus.READY}
            for each in ids
            for kind in (FileKind.OUTPUT, FileKind.LOG)
        ],
        schema.history: [
            {"kind": kind, "subject": each, "at": ended, "became": word, "cause": "as it was told", "agent": "monitor"}
            for kind in (Kind.WORKER.value, Kind.JOB.value)
            for each in ids
            for word in ("pending", "submitted", "running", "finished")
        ],
    }
    with db.write() as connection:
        for table, some in rows.items():
            connection.execute(insert(table), some)
    size = first
    while size < number:
        with db.write() as connection:
            for table in rows:
                _double(connection, table, size)
        size *= 2
    with db.write() as connection:
        connection.execute(insert(schema.counters), {"name": "worker_id", "value": size})
    return size


def _double(connection: Connection, table: Table, size: int) -> None:
    shifted = {"worker_id", "job_id", "subject"}
    kept = [column for column in table.c if column.name not in {"file_id", "event_id"}]
    values = [column + size if column.name in shifted else column for column in kept]
    connection.execute(insert(table).from_select([column.name for column in kept], select(*values)))


def _make_due(db: Database) -> None:
    now = utc_now()
    for table, phase in ((schema.workers, WorkerPhase.SWEEP), (schema.jobs, JobPhase.SWEEP)):
        with db.write() as connection:
            connection.execute(update(table).where(table.c.phase == phase).values(due=now))


def _left(db: Database) -> int:
    table = schema.workers
    with db.read() as connection:
        return connection.scalar(select(func.count()).where(table.c.queue.in_(_KEPT))) or 0
