"""Rows for the store's tests, and the claims that agents would make on them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, event

from harvester.core.held import Held
from harvester.core.jobs import Job, JobStatus, JobSubstatus
from harvester.core.workers import MapType, Worker, WorkerStatus, marker_of
from harvester.store import jobs, worker_claims, workers
from harvester.store.engine import Database
from harvester.store.jobs import NewJob
from harvester.store.leases import ClaimTicket
from harvester.store.schema import JobPhase, WorkerPhase

NOW = datetime(2026, 8, 10, 7, 0, 0, 123456, tzinfo=UTC)
LEASE = timedelta(minutes=10)
FENCE = 5
FAR = 2**40
ENGINES = ("sqlite", "mariadb", "mariadb-mysqldb", "postgresql")
"""With the two ways that lead to MariaDB."""
on_servers = pytest.mark.parametrize("new_url", [each for each in ENGINES if each != "sqlite"], indirect=True)
"""For tests of what SQLite does not have: a connection that is lost, accounts, writers in each other's way."""


def after(**span: float) -> datetime:
    """A moment after `NOW`."""
    return NOW + timedelta(**span)


def a_worker(worker_id: int, queue: str = "HERE", **more: Any) -> Worker:  # noqa: ANN401 (any attribute of a worker)
    return Worker(
        **{
            "worker_id": worker_id,
            "queue": queue,
            "status": WorkerStatus.PENDING,
            "marker": marker_of("test", worker_id),
            "map_type": MapType.ONE_TO_ONE,
            "access_point": f"/access/{worker_id}",
            "created_at": NOW,
            **more,
        }
    )


def a_job(job_id: int, queue: str = "HERE", **more: Any) -> Job:  # noqa: ANN401 (any attribute of a job)
    known = {"status": JobStatus.STARTING, "substatus": JobSubstatus.FETCHED, "attempt": 1}
    return Job(**{"job_id": job_id, "queue": queue, **known, **more})


def fetch(connection: Connection, *job_ids: int, queue: str = "HERE") -> list[int]:
    """Jobs come from the server."""
    return jobs.insert_fetched(connection, [NewJob(a_job(each, queue), {"PandaID": each}) for each in job_ids], NOW)


def fetch_to(connection: Connection, phase: JobPhase, *job_ids: int, queue: str = "HERE") -> None:
    """Jobs that have come as far as a phase."""
    fetch(connection, *job_ids, queue=queue)
    claimed = jobs.claim_phase(connection, JobPhase.PREPARE, ClaimTicket(FAR, NOW, after(hours=1), limit=10_000))
    rows = [{"job_id": each.job_id, "phase": phase, "due": NOW} for each in claimed if each.job_id in job_ids]
    jobs.change_held(connection, rows, FAR)


def intend(connection: Connection, *worker_ids: int, queue: str = "HERE", **more: Any) -> None:  # noqa: ANN401 (see a_worker)
    """The intent to submit workers."""
    workers.insert_intents(connection, [a_worker(each, queue, **more) for each in worker_ids], NOW)


def claim_intents(connection: Connection, fence: int = FENCE, now: datetime = NOW, limit: int = 1000) -> list[Worker]:
    return worker_claims.claim_intents(connection, ClaimTicket(fence, now, now + LEASE, limit=limit))


def claim_unsettled(connection: Connection, fence: int, now: datetime = NOW) -> list[Held]:
    return worker_claims.claim_unsettled(connection, ClaimTicket(fence, now, now + LEASE, limit=1000))


def submit(connection: Connection, *worker_ids: int, queue: str = "HERE", **more: Any) -> None:  # noqa: ANN401 (see a_worker)
    """Workers that a resource holds."""
    intend(connection, *worker_ids, queue=queue, **more)
    claim_intents(connection)
    rows = [{"worker_id": each, "batch_id": f"b{each}"} for each in worker_ids]
    same = {
        "status": WorkerStatus.SUBMITTED,
        "phase": WorkerPhase.MONITOR,
        "submitted_at": NOW,
        "due": None,
        "report_due": NOW,
    }
    workers.settle(connection, rows, FENCE, same)


def end(
    connection: Connection, *worker_ids: int, status: WorkerStatus = WorkerStatus.FINISHED, due: datetime = NOW
) -> None:
    """Workers that have ended and may be swept from `due` on."""
    rows = [
        {"worker_id": each, "status": status, "ended_at": NOW, "phase": WorkerPhase.SWEEP, "due": due}
        for each in worker_ids
    ]
    workers.change_ended(connection, rows, NOW)


def find_one(db: Database, worker_id: int) -> Held:
    with db.read() as connection:
        (held,) = workers.find(connection, [worker_id])
    return held


def find_job(db: Database, job_id: int) -> Job:
    with db.read() as connection:
        (job,) = jobs.find(connection, [job_id])
    return job


def ids_of(found: Sequence[Held | Worker]) -> list[int]:
    return sorted(each.worker.worker_id if isinstance(each, Held) else each.worker_id for each in found)


@contextmanager
def counted(db: Database) -> Iterator[list[str]]:
    """The statements that are sent meanwhile."""
    statements: list[str] = []

    def note(*told: object) -> None:
        statements.append(str(told[2]))

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
