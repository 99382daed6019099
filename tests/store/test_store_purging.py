"""All rows of a queue go, those of others stay, and nothing goes that must not."""

import pytest
from sqlalchemy import insert, select, update
from store_tools import NOW, end, fetch, intend, submit

from harvester.core.holds import Hold, HoldMode
from harvester.core.kinds import WorkerKind
from harvester.store import history, holds, orders, purging, queues, worker_logs
from harvester.store.engine import Database
from harvester.store.schema import JobPhase, event_requests, events, jobs, metadata, workers
from harvester.store.worker_logs import WorkerLogs


@pytest.fixture(autouse=True)
def _two_queues(db: Database) -> None:
    """HERE and THERE, each with an ended worker and its job, and something in every table."""
    with db.write() as connection:
        queues.activate(connection, ["HERE", "THERE"], NOW)
        for number, queue in ((1, "HERE"), (2, "THERE")):
            fetch(connection, number, queue=queue)
            submit(connection, number, queue=queue, job_ids=(number,))
            worker_logs.expect(connection, [WorkerLogs(number, queue, {}, {}, 0)], NOW)
            request = {"worker_id": number, "queue": queue, "wanted": {}}
            connection.execute(insert(event_requests).values(request))
            event = {"job_id": number, "worker_id": number, "range_id": "r", "state": "allotted"}
            connection.execute(insert(events).values(event))
            history.record(connection, [history.Event(history.Kind.JOB, number, NOW, None, "x", "y", "z")])
            orders.replace(connection, {queue: {WorkerKind("managed", "SCORE"): 1}}, NOW)
            holds.put(connection, Hold(queue, HoldMode.PAUSE, "why", "who", NOW))
            queues.note(connection, "sizer", {queue: {"text": "hello"}}, NOW)
        end(connection, 1, 2)
        connection.execute(update(workers).values(report_due=None))
        connection.execute(update(jobs).values(phase=JobPhase.SWEEP, report_due=None))


def rows_about(db: Database, number: int, queue: str) -> dict[str, int]:
    """How many rows each table has about a queue, its worker or its job."""
    keys = {"queue": queue, "worker_id": number, "job_id": number, "subject": number}
    with db.read() as connection:
        found = {}
        for table in metadata.sorted_tables:
            key = next((name for name in keys if name in table.c), None)
            if key is not None:
                found[table.name] = len(connection.execute(select(table).where(table.c[key] == keys[key])).all())
        found["queues"] = sum(each.name == queue for each in queues.states(connection))
    return {name: count for name, count in found.items() if count}


def purge(db: Database, *, abandon: bool = False) -> bool:
    with db.write() as connection:
        while purging.remove_workers(connection, "HERE", NOW, abandon=abandon):
            pass
        while purging.remove_jobs(connection, "HERE", abandon=abandon):
            pass
        return purging.remove_queue(connection, "HERE")


def test_every_row_goes_and_no_other(db: Database):
    others = rows_about(db, 2, "THERE")
    assert rows_about(db, 1, "HERE") == others
    assert set(others) >= {"workers", "jobs", "job_params", "job_workers", "events", "event_requests", "worker_logs"}
    with db.read() as connection:
        assert purging.belongings(connection, "HERE").may_go
    assert purge(db)
    assert rows_about(db, 1, "HERE") == {}
    assert rows_about(db, 2, "THERE") == others


def test_what_may_be_outside_stays_and_with_it_the_queue(db: Database):
    with db.write() as connection:
        intend(connection, 3)
        fetch(connection, 4)
        found = purging.belongings(connection, "HERE")
    assert (found.workers, found.outside, found.jobs, found.jobs_untold) == (2, 1, 2, 1)
    assert not found.may_go
    assert not purge(db)
    assert rows_about(db, 3, "HERE").keys() >= {"workers", "jobs", "queues", "holds"}
    assert purge(db, abandon=True)
    assert rows_about(db, 3, "HERE") == {}
