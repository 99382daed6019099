"""Fills a database with workers as it holds them after hours of work, much faster than they would come there."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import insert

from harvester.core.clock import utc_now
from harvester.core.pacing import on_the_beat
from harvester.core.workers import MapType, WorkerStatus, marker_of
from harvester.store import worker_ids
from harvester.store.engine import Database
from harvester.store.history import Kind
from harvester.store.schema import WorkerPhase, history
from harvester.store.schema import workers as worker_table
from instance import Site

QUEUES = tuple(f"QUIET_{place}" for place in range(10))
"""Where the live workers are, in equal parts."""
Row = dict[str, object]
_AT_ONCE = 10_000
_TOGETHER = 50
"""Workers that one round of checks found running: 100,000 that run for six hours, looked at every ten seconds."""
_HEARTBEAT = timedelta(seconds=1800)
"""`[propagator] updateInterval`: the reports of live workers are spread over it."""
_KEPT = timedelta(hours=24)
"""`[sweeper] keepFinished`."""
_AHEAD = timedelta(minutes=10)
"""Nothing of kept workers becomes due while a benchmark runs."""


def quiet_queues(site: Site, workers: int) -> dict[str, dict[str, object]]:
    """The configuration of `QUEUES`, which have all the workers that they may have."""
    here = {"module": "instant", "name": "QuietResource"}
    block = site.queue("pull", at_once=workers // len(QUEUES), submitter=here, monitor=here, sweeper=here)
    return dict.fromkeys(QUEUES, block)


def add_live(db: Database, site: Site, queues: Sequence[str], number: int, *, quiet: timedelta = timedelta()) -> range:
    """Running workers that fetch their own jobs, in turn on each of the queues; their ids.

    Args:
        db: the database.
        site: where the access points are.
        queues: names of queues.
        number: how many workers.
        quiet: how long no report is due at first.
    """
    now = utc_now()

    def more(place: float) -> Row:
        report = on_the_beat(now + quiet + (_HEARTBEAT - quiet) * place)
        return {"status": WorkerStatus.RUNNING, "phase": WorkerPhase.MONITOR, "report_due": report}

    life = (WorkerStatus.PENDING, WorkerStatus.SUBMITTED, WorkerStatus.RUNNING)
    return _add(db, site, queues, number, now=now, life=life, more=more)


def make_access_points(site: Site, ids: Iterable[int]) -> None:
    """The directories of workers, empty."""
    for worker_id in ids:
        site.access_point(worker_id).mkdir(parents=True)


def add_kept(db: Database, site: Site, queues: Sequence[str], number: int) -> None:
    """Finished workers that the server knows of and that are kept for a day."""
    now = utc_now()

    def more(place: float) -> Row:
        ended = now - (_KEPT - _AHEAD) * place
        return {
            "status": WorkerStatus.FINISHED,
            "phase": WorkerPhase.SWEEP,
            "due": ended + _KEPT,
            "ended_at": ended,
            "exit_code": 0,
        }

    life = (WorkerStatus.PENDING, WorkerStatus.SUBMITTED, WorkerStatus.RUNNING, WorkerStatus.FINISHED)
    _add(db, site, queues, number, now=now - timedelta(hours=6), life=life, more=more)


def _add(
    db: Database,
    site: Site,
    queues: Sequence[str],
    number: int,
    *,
    now: datetime,
    life: Sequence[WorkerStatus],
    more: Callable[[float], Row],
) -> range:
    """Insert workers that have come through `life`; `more` tells the rest of a row from its place, 0 to 1."""
    with db.write() as connection:
        ids = worker_ids.allocate(connection, number)
    for first in range(0, number, _AT_ONCE):
        some = ids[first : first + _AT_ONCE]
        rows: list[Row] = []
        events: list[Row] = []
        for worker_id in some:
            place = (worker_id - ids[0]) // _TOGETHER * _TOGETHER / number
            started = now - timedelta(hours=6) * place
            own = {"queue": queues[worker_id % len(queues)], "access_point": str(site.access_point(worker_id))}
            rows.append({**_as_started(worker_id, started), **own, **more(place)})
            events += _history(worker_id, started, life)
        with db.write() as connection:
            connection.execute(insert(worker_table), rows)
            connection.execute(insert(history), events)
    return ids


def _history(worker_id: int, at: datetime, life: Sequence[WorkerStatus]) -> list[Row]:
    return [
        {
            "kind": Kind.WORKER.value,
            "subject": worker_id,
            "at": at,
            "was": was,
            "became": became,
            "cause": "as it was told",
            "agent": "monitor",
        }
        for was, became in zip((None, *life), life, strict=False)
    ]


def _as_started(worker_id: int, started: datetime) -> Row:
    return {
        "worker_id": worker_id,
        "marker": marker_of("benchmark", worker_id),
        "map_type": MapType.NO_JOB,
        "cores": 8,
        "ram_mb": 16_000,
        "disk_mb": 20_000,
        "walltime_s": 172_800,
        "job_type": "managed",
        "resource_type": "MCORE",
        "pilot_type": "PR",
        "batch_id": marker_of("benchmark", worker_id),
        "native_status": "running",
        "sync_level": 1,
        "log_urls": {},
        "tries": 1,
        "created_at": started - timedelta(minutes=10),
        "submitted_at": started - timedelta(minutes=9),
        "started_at": started,
    }
