"""What `/metrics` tells of an instance, from whichever of its processes it is asked."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import event

from harvester.config.findings import Findings
from harvester.config.queue_builder import build_queue
from harvester.config.queue_merge import MergedQueue
from harvester.config.queues import QueueConfig
from harvester.core.holds import Hold, HoldMode
from harvester.core.jobs import Job, JobStatus, JobSubstatus
from harvester.core.origin import Origin
from harvester.core.process_report import PartFigures, ProcessReport, read_report, stored_form
from harvester.core.workers import MapType, Worker, WorkerStatus
from harvester.store import cache, credentials, holds, jobs, leases, measurements, queues, workers
from harvester.store.cache import Attempt, CacheKey
from harvester.store.credentials import CredentialRecord
from harvester.store.engine import Database
from harvester.web.families import FAMILIES
from harvester.web.figures import ProcessName
from harvester.web.metrics import MetricsPage, exposition

NOW = datetime(2026, 8, 10, 7, 0, tzinfo=UTC)
PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"
ME, OTHER = ProcessName("here", 17), ProcessName("there", 18)
REPORT = ProcessReport(
    version="1",
    began_at=NOW - timedelta(hours=1),
    rss=100,
    cpu_seconds=2.5,
    parts={"monitor": PartFigures(10, 8, 2, 1.5, 3, 1)},
    calls={"harvester/heartbeat": {"answered": 5, "failed": 1}},
    call_seconds={"harvester/heartbeat": 0.75},
    server_silence=12.0,
    held_off=("job fetcher",),
    database={"contended": 4},
    stuck={"monitor": "it has done nothing for 400 s"},
    origin=Origin("https://pool/i.json", NOW - timedelta(days=2), NOW, "gone"),
)

Told = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


class Ticking:
    """Seconds that a test sets forward."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def a_queue(directory: Path, name: str = "Q") -> QueueConfig:
    raw = {"submitter": {"plugin": "local"}, "maxWorkers": 9, "nQueueLimitWorker": 5, "nQueueLimitJob": 7}
    queue = build_queue(MergedQueue(name, raw), directory, Findings())
    assert queue is not None
    return queue


def page(db: Database, tick: Ticking | None = None, configured: Mapping[str, QueueConfig] | None = None) -> MetricsPage:
    return MetricsPage(
        "unit",
        ME,
        db,
        queues=lambda: configured or {},
        report=lambda: REPORT,
        clock=lambda: NOW,
        tick=tick or Ticking(),
    )


def read(text: bytes) -> Told:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def one(told: Told, name: str, **labels: str) -> float:
    return told[f"harvester_{name}", frozenset(labels.items())]


def fill(db: Database, *names: str, first: int = 1) -> None:
    """Queues with a job and a worker each."""
    with db.write() as connection:
        queues.activate(connection, names, NOW - timedelta(seconds=30))
        fetched = [Job(n, name, JobStatus.STARTING, JobSubstatus.FETCHED) for n, name in enumerate(names, first)]
        jobs.insert_fetched(connection, [jobs.NewJob(each, {}) for each in fetched], NOW - timedelta(seconds=60))
        made = [
            Worker(n, name, WorkerStatus.PENDING, f"unit-{n}", MapType.NO_JOB, created_at=NOW)
            for n, name in enumerate(names, first)
        ]
        workers.insert_intents(connection, made, NOW - timedelta(seconds=90))


def other_process(db: Database, expires_at: datetime) -> None:
    with db.write() as connection:
        owner = leases.register_owner(connection, OTHER.host, OTHER.pid, "b", now=NOW, expires_at=expires_at)
        leases.extend_owner(connection, owner, expires_at, stored_form(REPORT))


def test_queues_with_their_workers_jobs_limits_and_holds(db: Database, tmp_path: Path):
    fill(db, "Q", "HELD")
    with db.write() as connection:
        holds.put(connection, Hold("HELD", HoldMode.DRAIN, "why", "me", NOW))
        holds.put(connection, Hold("GONE", HoldMode.PAUSE, "why", "me", NOW, until=NOW))
    told = read(page(db, configured={"Q": a_queue(tmp_path)}).text())
    assert one(told, "workers", queue="Q", status="pending") == 1
    assert one(told, "jobs", queue="HELD", status="starting") == 1
    assert [one(told, "queue_served", queue=name) for name in ("Q", "HELD")] == [1, 0]
    assert one(told, "queue_held", queue="HELD", mode="drain") == 1
    assert one(told, "queue_limit", queue="Q", limit="nQueueLimitWorker") == 5
    assert not any("GONE" in str(labels) for _, labels in told)


def test_what_waits_and_since_when(db: Database):
    fill(db, "Q", "R")
    told = read(page(db).text())
    assert one(told, "backlog", work="workers to submit") == 2
    assert one(told, "backlog_oldest_seconds", work="workers to submit") == 90
    assert one(told, "backlog", work="queues to size") == 2
    assert one(told, "backlog", work="workers to kill") == 0
    assert one(told, "backlog_oldest_seconds", work="workers to kill") == 0


def test_credentials_documents_and_volumes(db: Database):
    with db.write() as connection:
        good = CredentialRecord("here", "/proxy", "pilot", NOW + timedelta(hours=1), NOW, NOW, "")
        bad = CredentialRecord("here", "/gone", "prod", NOW - timedelta(seconds=5), NOW, None, "no VOMS")
        credentials.replace(connection, "here", [good, bad])
        cache.note(connection, [Attempt(CacheKey("queues_config_file"), {"Q": {}})], NOW - timedelta(minutes=10))
        cache.note(connection, [Attempt(CacheKey("queues_config_file"), problem="HTTP 500")], NOW)
        measurements.add(connection, "here", {"volume_data_pc": 81.5, "rss_mib": 1.0}, NOW)
    told = read(page(db).text())
    assert one(told, "credential_remaining_seconds", host="here", credential="/proxy", setup="pilot") == 3600
    assert one(told, "credential_remaining_seconds", host="here", credential="/gone", setup="prod") == -5
    assert one(told, "credential_failing", host="here", credential="/gone", setup="prod") == 1
    assert one(told, "document_age_seconds", document="queues_config_file") == 600
    assert one(told, "document_failing", document="queues_config_file") == 1
    assert one(told, "queue_configuration_age_seconds") == 600
    assert one(told, "volume_used_percent", host="here", volume="data") == 81.5


def test_any_process_answers_for_all_that_live(db: Database):
    other_process(db, NOW + timedelta(seconds=20))
    told = read(page(db).text())
    for name in (ME, OTHER):
        at = {"host": name.host, "process": str(name.pid)}
        assert one(told, "process_resident_memory_bytes", **at) == 100
        assert one(told, "process_cpu_seconds_total", **at) == 2.5
        assert one(told, "agent_rounds_total", **at, agent="monitor") == 10
        assert one(told, "agent_work_total", **at, agent="monitor", outcome="failed") == 2
        assert one(told, "agent_leases", **at, agent="monitor") == 3
        assert one(told, "agent_stuck", **at, agent="monitor") == 1
        assert one(told, "server_calls_total", **at, method="harvester/heartbeat", outcome="failed") == 1
        assert one(told, "server_circuit_open", **at, agent="job fetcher") == 1
        assert one(told, "database_troubles_total", **at, kind="contended") == 4
        assert one(told, "instance_configuration_age_seconds", **at) == 2 * 86_400
        assert one(told, "instance_configuration_stale", **at) == 1


def test_a_process_that_has_not_spoken_in_time_is_not_told(db: Database):
    other_process(db, NOW)
    assert OTHER.host not in page(db).text().decode()


def test_without_a_database_a_process_tells_of_itself(db: Database, tmp_path: Path):
    fill(db, "Q")
    away = Database(db.engine.url.set(database=str(tmp_path / "none" / "h.db")))
    told = read(page(away).text())
    assert one(told, "database_up") == 0
    assert one(told, "process_resident_memory_bytes", host="here", process="17") == 100
    assert ("harvester_workers", frozenset({("queue", "Q"), ("status", "pending")})) not in told
    away.close()


@contextmanager
def counted(db: Database) -> Iterator[list[str]]:
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    yield statements
    event.remove(db.engine, "before_cursor_execute", note)


def test_however_many_queues_there_are_the_statements_are_the_same(db: Database):
    fill(db, "Q")
    with counted(db) as few:
        page(db).text()
    fill(db, *(f"Q{number}" for number in range(500)), first=2)
    with counted(db) as many:
        page(db).text()
    assert len(many) == len(few)


def test_however_often_it_is_asked_the_database_is_read_once_in_some_seconds(db: Database):
    tick = Ticking()
    asked = page(db, tick)
    with counted(db) as statements:
        first = asked.text()
        read_once = len(statements)
        assert asked.text() == first
        assert len(statements) == read_once
        tick.now = 60
        asked.text()
        assert len(statements) > read_once


def test_nothing_is_told_that_has_no_value():
    assert exposition([]) == b""


@pytest.mark.parametrize("report", [REPORT, ProcessReport()])
def test_a_report_is_read_as_it_was_told(report: ProcessReport):
    assert read_report(stored_form(report)) == report


@pytest.mark.parametrize("stored", [None, {}, {"parts": 3}, [1], {"from": "another version"}])
def test_what_another_version_told_says_nothing(stored: object):
    assert read_report(stored).rss == 0


# ---- the page --------------------------------------------------------------------------------------------------------


def test_the_page_tells_all_metrics_and_no_others():
    rows = re.findall(r"^\| `(harvester_\w+)` \| (\w+) \|([^|]*)\|", PAGE.read_text(), re.MULTILINE)
    told = {name: (kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
    assert told == {each.shown_name: (each.kind, each.labels) for each in FAMILIES}


def test_alarms_on_the_page_name_metrics_that_there_are():
    names = {each.shown_name for each in FAMILIES}
    named = set(re.findall(r"harvester_\w+", PAGE.read_text()))
    assert named == names
