"""Harvester at its extremes: ten thousand queues, plugins that hang, a million finished rows, a sick server."""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import psutil
from sqlalchemy import Connection, Table, func, insert, select, update

from figures import Figures, Stopwatch, options, peak_rss_mib, tell
from hanging import HealthyResource
from harvester.core.clock import utc_now
from harvester.core.files import FileKind, FileStatus
from harvester.core.jobs import JobStatus, JobSubstatus, Kill
from harvester.core.workers import MapType, WorkerStatus
from harvester.panda.devserver import DevControl
from harvester.panda.devserver.faults import FaultKind
from harvester.service import Harvester, open_database
from harvester.store import schema, workers
from harvester.store.engine import Database
from harvester.store.history import Kind
from harvester.store.schema import JobPhase, WorkerPhase
from instance import QUEUE, Site, benchmark_site, read_settings
from population import QUEUES, add_live, make_access_points, quiet_queues
from scripts import start
from service import running_service

_HEALTHY = {"module": "hanging", "name": "HealthyResource"}
_NOTHING_KEPT = {"sweeper": {"keepFinished": 0, "keepFailed": 0, "keepCancelled": 0, "keepMissed": 0}}
_PATIENCE = 3600.0


# ---- ten thousand queues ---------------------------------------------------------------------------------------------


def queues(arguments: argparse.Namespace) -> Figures:
    """Start, idle and one busy queue, with many queues configured; the server has no jobs."""
    figures: dict[str, object] = {"queues": arguments.queues}
    with benchmark_site(arguments.engine, arguments.access_points) as site:
        idle = {f"QUEUE_{place}": site.queue("push", at_once=10) for place in range(arguments.queues)}
        main = site.configure(idle)
        figures["check_seconds"] = _command_seconds(site, main, "check")
        figures |= _with_queues(site, main, arguments.minutes, "idle")
        figures["status_seconds"] = _command_seconds(site, main, "status")
        busy = {**idle, QUEUE: site.queue("pull", at_once=200)}
        main = site.configure(busy, {**_NOTHING_KEPT, "submitter": {"maxNewWorkers": "None"}})
        figures |= _with_queues(site, main, arguments.minutes, "busy")
    return figures


def _with_queues(site: Site, main: Path, minutes: float, what: str) -> Figures:
    watch = Stopwatch()
    log = f"{what}.log"
    with running_service(site, main, log=log) as service:
        while b"started" not in (site.folder / log).read_bytes():
            _glance(watch)
        start_seconds = watch.seconds
        _rest(min(60.0, 30 * minutes))  # everything is due at the start
        db = open_database(read_settings(main))
        made, cpu, watch = _made(db), service.cpu_seconds, Stopwatch()
        _rest(60 * minutes)
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
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    told = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    if told.returncode:
        raise SystemExit(f"harvester {word} failed: {(told.stderr or told.stdout)[-2000:]}")
    return round(watch.seconds, 1)


# ---- a plugin that hangs ---------------------------------------------------------------------------------------------

_VERBS: Mapping[str, Mapping[str, str]] = {
    "nowhere": {},
    "submit": {"submitter": "HangsInSubmit"},
    "check": {"monitor": "HangsInCheck"},
    "kill": {"monitor": "HangsInKill", "sweeper": "HangsInKill"},
    "clean": {"sweeper": "HangsInClean"},
    "feed": {"messenger": "HangsInFeed"},
    "collect": {"messenger": "HangsInCollect"},
}


def hang(arguments: argparse.Namespace) -> Figures:
    """Healthy queues beside queues whose plugins hang for ever in one verb; more of these than an agent has threads."""
    figures: dict[str, object] = {"hanging_queues": arguments.hanging}
    for verb in _VERBS:
        with benchmark_site(arguments.engine, arguments.access_points) as site:
            figures |= {f"{verb}_{name}": value for name, value in _hang_in(site, verb, arguments).items()}
    return figures


def _hang_in(site: Site, verb: str, arguments: argparse.Namespace) -> Figures:
    blocks: dict[str, object] = {
        role: {"module": "hanging", "name": name, **_place(site, role)} for role, name in _VERBS[verb].items()
    }
    healthy = site.queue("pull", at_once=50, submitter=_HEALTHY, monitor=_HEALTHY, sweeper=_HEALTHY)
    harvester = site.harvester(
        {
            **{f"HANGS_{place}": site.queue("pull", at_once=5, **blocks) for place in range(arguments.hanging)},
            **{f"HEALTHY_{place}": healthy for place in range(5)},
        },
        {**_NOTHING_KEPT, "submitter": {"maxNewWorkers": "None", "lookupTime": 1}},
    )
    harvester.start()
    _rest(3)
    if verb == "kill":
        _condemn(harvester.db, "HANGS_")
    with measured() as figures:
        _rest(arguments.seconds)
    harvester.stop(2)
    return figures


def _place(site: Site, role: str) -> Mapping[str, str]:
    return {"accessPoint": f"{site.access_points}/${{workerID}}"} if role == "messenger" else {}


def _condemn(db: Database, prefix: str) -> None:
    table = schema.workers
    with db.write() as connection:
        ids = list(connection.scalars(select(table.c.worker_id).where(table.c.queue.startswith(prefix))))
        workers.request_kill(connection, dict.fromkeys(ids, Kill("the benchmark wants it")), utc_now(), "benchmark")


@contextmanager
def measured() -> Iterator[dict[str, object]]:
    """Throughput and latencies of the healthy resource meanwhile."""
    latencies, figures = HealthyResource.latencies, dict[str, object]()
    latencies.clear()
    watch = Stopwatch()
    yield figures
    figures["workers_per_second"] = round(len(latencies.to_sweep) / watch.seconds, 1)
    for name, values in (("submit", latencies.to_submit), ("sweep", latencies.to_sweep)):
        figures |= _spread(f"to_{name}", values)


def _spread(name: str, values: Sequence[float]) -> dict[str, object]:
    if len(values) < 2:
        return {f"{name}_seconds": None}
    parts = statistics.quantiles(values, n=100)
    return {
        f"{name}_median": round(parts[49], 2),
        f"{name}_p99": round(parts[98], 2),
        f"{name}_max": round(max(values), 2),
    }


# ---- a million finished rows -----------------------------------------------------------------------------------------


def sweep(arguments: argparse.Namespace) -> Figures:
    """Finished workers with a job, files and history each: while they are kept, and when all of them are to go."""
    with benchmark_site(arguments.engine, arguments.access_points) as site:
        kept = {name: site.queue("push", at_once=10) for name in ("KEPT_0", "KEPT_1")}
        busy = site.queue("pull", at_once=50, submitter=_HEALTHY, monitor=_HEALTHY, sweeper=_HEALTHY)
        harvester = site.harvester(
            {**kept, QUEUE: busy}, {**_NOTHING_KEPT, "submitter": {"maxNewWorkers": "None", "lookupTime": 1}}
        )
        rows = _fill(harvester.db, site, list(kept), arguments.rows)
        transactions = Transactions(harvester.db)
        harvester.start()
        _rest(5)
        with measured() as before:
            cpu = Stopwatch()
            _rest(arguments.seconds)
            before["cpu_percent"] = round(100 * cpu.cpu_seconds / cpu.seconds, 1)
        _make_due(harvester.db)
        _rest(1)
        transactions.clear()
        watch, end = Stopwatch(), min(rows, arguments.sweep_at_most)
        with measured() as during:
            while (swept := rows - _left(harvester.db, kept)) < end and watch.seconds < _PATIENCE:
                _glance(watch)
        seconds = watch.seconds
        harvester.stop(10)
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


def _fill(db: Database, site: Site, names: Sequence[str], number: int) -> int:
    """Workers that ended a day ago and are kept for another hour; their number is doubled until there are enough."""
    first = 1000
    now = utc_now()
    ids = range(1, first + 1)
    ended, due = now - timedelta(days=1), now + timedelta(hours=1)
    rows: dict[Table, list[dict[str, object]]] = {
        schema.workers: [
            {
                "worker_id": each,
                "queue": names[each % len(names)],
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
                "queue": names[each % len(names)],
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


def _left(db: Database, names: Sequence[str] | Mapping[str, object]) -> int:
    table = schema.workers
    with db.read() as connection:
        return connection.scalar(select(func.count()).where(table.c.queue.in_(list(names)))) or 0


# ---- a sick server ---------------------------------------------------------------------------------------------------


def sick(arguments: argparse.Namespace) -> Figures:
    """Reports are due while the server fails, says nothing, or is slow; then it is well again."""
    figures: dict[str, object] = {}
    for kind in (FaultKind.HTTP_500, FaultKind.HANG, FaultKind.SLOW):
        with benchmark_site(arguments.engine, arguments.access_points) as site:
            figures |= {f"{kind.value}_{name}": value for name, value in _sick(site, kind, arguments).items()}
    return figures


def _sick(site: Site, kind: FaultKind, arguments: argparse.Namespace) -> Figures:
    number = arguments.reports
    harvester = site.harvester(quiet_queues(site, number))
    make_access_points(site, add_live(harvester.db, site, QUEUES, number))
    requests = Requests(harvester)
    harvester.start()
    _rest(5)
    with DevControl(site.server) as control:
        control.fault(kind, seconds=20 if kind is FaultKind.SLOW else 600 if kind is FaultKind.HANG else 0)
        memory = psutil.Process().memory_info().rss
        requests.clear()
        _all_reports_due(harvester.db)
        _rest(arguments.seconds)
        asked = dict(requests.by_method)
        grown = psutil.Process().memory_info().rss - memory
        requests.clear()
        control.clear_faults()
    watch = Stopwatch()
    while _due(harvester.db) and watch.seconds < _PATIENCE:
        _glance(watch)
    seconds = watch.seconds
    told = dict(requests.by_method)
    harvester.stop(2)
    return {
        "requests_while_sick": asked,
        "memory_grown_mib": round(grown / 2**20, 1),
        "all_told_after_seconds": round(seconds, 1),
        "requests_until_then": told,
    }


class Requests:
    """Counts requests to the server by method."""

    def __init__(self, harvester: Harvester) -> None:
        self.by_method: Counter[str] = Counter()
        transport = harvester.panda._transport  # noqa: SLF001 (counted where they leave)
        once: Callable[..., object] = transport._once  # noqa: SLF001 (as above)

        def counted(verb: str, url: str, *rest: object) -> object:
            self.by_method[url.partition("?")[0].rpartition("/")[2]] += 1
            return once(verb, url, *rest)

        transport._once = counted  # type: ignore[assignment]  # noqa: SLF001 (as above)

    def clear(self) -> None:
        """Begin anew."""
        self.by_method.clear()


def _all_reports_due(db: Database) -> None:
    table = schema.workers
    with db.write() as connection:
        connection.execute(update(table).values(report_due=utc_now(), report_fence=0))


def _due(db: Database) -> int:
    table = schema.workers
    with db.read() as connection:
        due = (table.c.report_due <= utc_now()) | (table.c.report_fence != 0)
        return connection.scalar(select(func.count()).where(due)) or 0


# ---- all of them -----------------------------------------------------------------------------------------------------


def _rest(seconds: float) -> None:
    time.sleep(seconds)


def _glance(watch: Stopwatch) -> None:
    if watch.seconds > _PATIENCE:
        raise SystemExit(f"not within {_PATIENCE:g} s")
    time.sleep(0.2)


_EXTREMES: Mapping[str, Callable[[argparse.Namespace], Figures]] = {
    "queues": queues,
    "hang": hang,
    "sweep": sweep,
    "sick": sick,
}


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--only", choices=_EXTREMES, action="append", help="one extreme; may be given more than once")
    parser.add_argument("--queues", type=int, default=10_000)
    parser.add_argument("--minutes", type=float, default=2, help="how long the queues are watched")
    parser.add_argument("--hanging", type=int, default=5, help="queues whose plugins hang")
    parser.add_argument("--rows", type=int, default=1_000_000, help="finished workers")
    parser.add_argument("--sweep-at-most", type=int, default=100_000, help="workers to be swept before the count ends")
    parser.add_argument("--reports", type=int, default=20_000, help="reports that are due while the server is sick")
    parser.add_argument("--seconds", type=float, default=30, help="how long everything else is watched")
    arguments = parser.parse_args()
    figures = {name: dict(_EXTREMES[name](arguments)) for name in arguments.only or _EXTREMES}
    tell({"engine": arguments.engine, **figures}, as_json=arguments.json)


if __name__ == "__main__":
    start(main)
