"""Steps cost a number of statements that does not grow with the number of rows, and find their rows by an index."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Connection, event
from store_tools import FENCE, LEASE, NOW, a_job, a_worker, after, counted

from harvester.core.jobs import JobSubstatus, Kill
from harvester.core.workers import WorkerStatus
from harvester.store import history, jobs, leases, migrate, worker_claims, worker_counts, workers
from harvester.store.engine import Database, sqlite_url
from harvester.store.jobs import NewJob
from harvester.store.leases import QUEUE_PAIRS, ROW_PAIRS, TOGETHER, WORKER_WORK, ClaimTicket
from harvester.store.schema import JobPhase, WorkerPhase

MANY = 1000


def fill(db: Database, number: int) -> None:
    with db.write() as connection:
        new = [NewJob(a_job(each), {"PandaID": each}) for each in range(1, number + 1)]
        jobs.insert_fetched(connection, new, NOW)
        workers.insert_intents(connection, [a_worker(each, job_ids=(each,)) for each in range(1, number + 1)], NOW)


def happened(ids: list[int], kind: history.Kind) -> list[history.Event]:
    return [history.Event(kind, each, NOW, None, "x", "y", "test") for each in ids]


def submit_all(connection: Connection) -> int:
    """What the submitter does: claim, then record."""
    held = worker_claims.claim_intents(connection, ClaimTicket(FENCE, NOW, NOW + LEASE, limit=MANY))
    ids = sorted(leases.held_keys(connection, WORKER_WORK, [each.worker_id for each in held], FENCE))
    same = {"status": WorkerStatus.SUBMITTED, "phase": WorkerPhase.MONITOR, "report_due": NOW, "due": None}
    workers.settle(connection, [{"worker_id": each, "batch_id": f"b{each}"} for each in ids], FENCE, same)
    history.record(connection, happened(ids, history.Kind.WORKER))
    jobs.note_submitted(connection, ids, NOW)
    return len(ids)


def see_all(connection: Connection) -> int:
    """What the monitor does: read, then write what has changed."""
    held = workers.monitored(connection, ["HERE"])
    rows = [{"worker_id": each.worker.worker_id, "status": WorkerStatus.RUNNING} for each in held]
    workers.change_seen(connection, rows, NOW)
    workers.mark_unseen(connection, [each.worker.worker_id for each in held], NOW)
    return len(held)


def kill_all(connection: Connection) -> int:
    """What the propagator and the killer do."""
    ids = [each.worker.worker_id for each in workers.monitored(connection, ["HERE"])]
    workers.request_kill(connection, dict.fromkeys(ids, Kill("cause")), NOW, "test")
    found = worker_claims.claim_to_kill(connection, ClaimTicket(FENCE, NOW, NOW + LEASE, limit=MANY))
    workers.settle_kills(connection, [each.worker_id for each in found], FENCE, after(minutes=1))
    return len(found)


def report_all(connection: Connection) -> int:
    """What the propagator does."""
    found = jobs.claim_to_report(connection, ClaimTicket(FENCE, NOW + TOGETHER, NOW + LEASE, limit=MANY))
    rows = [{"job_id": each.job_id, "report_due": after(minutes=5)} for each in found]
    jobs.settle_reports(connection, rows, FENCE, {})
    return len(found)


def prepare_all(connection: Connection) -> int:
    """What the preparator does."""
    found = jobs.claim_phase(connection, JobPhase.PREPARE, ClaimTicket(FENCE, NOW, NOW + LEASE, limit=MANY))
    rows = [{"job_id": each.job_id, "substatus": JobSubstatus.PREPARED} for each in found]
    jobs.change_held(connection, rows, FENCE)
    return len(found)


def remove_all(connection: Connection) -> int:
    """What the sweeper does."""
    ids = [each.worker.worker_id for each in workers.monitored(connection, ["HERE"])]
    workers.remove(connection, ids, NOW)
    jobs.remove(connection, ids)
    return len(ids)


@pytest.mark.parametrize(
    ("step", "most"),
    [(submit_all, 8), (see_all, 4), (kill_all, 9), (report_all, 3), (prepare_all, 3), (remove_all, 12)],
)
def test_statements_do_not_grow_with_the_rows(db: Database, step: Callable[[Connection], int], most: int):
    spent = []
    for number in (10, MANY):
        db.transact(
            lambda connection: [workers.remove(connection, range(MANY), NOW), jobs.remove(connection, range(MANY))]
        )
        fill(db, number)
        if step not in (submit_all, report_all, prepare_all):
            db.transact(submit_all)
        with db.write() as connection, counted(db) as statements:
            assert step(connection) == number
        spent.append(len(statements))
    locks_first = db.dialect != "sqlite" and step not in (see_all, remove_all)
    assert spent[0] == spent[1]
    assert spent[1] <= most + locks_first


# ---- plans -----------------------------------------------------------------------------------------------------------

ROOM = ClaimTicket(FENCE, NOW, NOW + LEASE, limit=10)
BUSY = replace(ROOM, busy=frozenset({"REST"}))
CLAIMS: dict[str, Callable[[Connection], object]] = {
    "ix_workers_phase_due": lambda connection: worker_claims.claim_intents(
        connection, replace(ROOM, busy=frozenset({"REST"}))
    ),
    "ix_workers_phase_due (settle)": lambda connection: worker_claims.claim_unsettled(connection, ROOM),
    "ix_workers_phase_due (sweep)": lambda connection: worker_claims.claim_to_sweep(connection, ROOM),
    "ix_workers_report_due": lambda connection: worker_claims.claim_to_report(connection, ROOM),
    "ix_workers_kill_due": lambda connection: worker_claims.claim_to_kill(connection, ROOM),
    "ix_workers_kill_due (intents)": lambda connection: worker_claims.condemned_intents(connection, ROOM),
    "ix_workers_queue_phase_status": lambda connection: workers.monitored(connection, ["HERE"]),
    "ix_workers_queue_phase_status (count)": lambda connection: worker_counts.live(connection, ["HERE"]),
    "ix_jobs_phase_due": lambda connection: jobs.claim_phase(connection, JobPhase.STAGE, ROOM),
    "ix_jobs_phase_due (sweep)": lambda connection: jobs.sweepable(connection, ROOM),
    "ix_jobs_report_due": lambda connection: jobs.claim_to_report(connection, ROOM),
    "ix_jobs_queue_phase_status": lambda connection: jobs.count_starting(connection, ["HERE"]),
    "ix_jobs_phase_due (wait)": lambda connection: jobs.best_waiting(connection, "HERE", 10, NOW),
    "ix_queues_size_due": lambda connection: leases.claim_queues(connection, leases.QUEUE_SIZE, ROOM),
}


CHOSEN_BY_KEY: dict[str, Callable[[Connection], object]] = {
    "change_working": lambda connection: jobs.change_working(connection, [{"job_id": 1, "attributes": {}}]),
    "change_held": lambda connection: jobs.change_held(connection, [{"job_id": 1, "attributes": {}}], FENCE),
    "note_submitted": lambda connection: jobs.note_submitted(connection, [1], NOW),
    "lock_open": lambda connection: jobs.lock_open(connection, [1]),
    "cancel": lambda connection: jobs.cancel(connection, {1: {}}, NOW),
    "bind": lambda connection: jobs.bind(connection, [1]),
    "settle": lambda connection: workers.settle(connection, [{"worker_id": 1, "batch_id": "b"}], FENCE, {}),
    "return_intents": lambda connection: worker_claims.return_intents(connection, [1], FENCE, NOW),
    "change_seen": lambda connection: workers.change_seen(connection, [{"worker_id": 1, "node": "n"}], NOW),
    "change_ended": lambda connection: workers.change_ended(connection, [{"worker_id": 1, "node": "n"}], NOW),
    "request_kill": lambda connection: workers.request_kill(connection, {1: Kill("cause")}, NOW, "test"),
    "settle_reports": lambda connection: workers.settle_reports(connection, [{"worker_id": 1, "report_due": NOW}], 1),
}


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """SQLite tells its plan before there are rows; the servers choose by their statistics."""
    database = Database(sqlite_url(tmp_path_factory.mktemp("plans") / "harvester.db"))
    migrate.upgrade(database)
    fill(database, 10)
    yield database
    database.close()


@pytest.mark.parametrize("index", CLAIMS)
def test_rows_are_found_by_an_index(sqlite: Database, index: str):
    plans = plans_of(sqlite, CLAIMS[index])
    found = [step for plan in plans for step in plan if "SCAN" in step.split() and "VIRTUAL" not in step]
    assert not found
    assert any(index.split(maxsplit=1)[0] in step for step in plans[0])


@pytest.mark.parametrize("name", CHOSEN_BY_KEY)
def test_rows_that_are_named_are_found_by_their_keys(sqlite: Database, name: str):
    plans = plans_of(sqlite, CHOSEN_BY_KEY[name])
    searches = [step for plan in plans for step in plan if step.startswith("SEARCH")]
    assert searches
    assert all("rowid=?" in step for step in searches), searches


@pytest.mark.parametrize("pair", [*ROW_PAIRS, *QUEUE_PAIRS], ids=lambda pair: f"{pair.table.name}.{pair.prefix}due")
def test_the_next_due_row_is_found_by_an_index(sqlite: Database, pair: leases.Pair):
    phases = {leases.JOB_WORK: JobPhase.SUBMIT, leases.WORKER_WORK: WorkerPhase.SUBMIT}
    (plan,) = plans_of(sqlite, lambda connection: leases.next_due(connection, pair, phases.get(pair)))
    assert all("INDEX" in step for step in plan)


def plans_of(db: Database, step: Callable[[Connection], object]) -> list[list[str]]:
    """How SQLite goes about each statement of a step, which is undone."""
    sent: list[tuple[str, object]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        sent.append((statement, parameters))

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        with db.engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            step(connection)
            connection.rollback()
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
    with db.read() as connection:
        return [
            [str(row[3]) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
            for statement, parameters in sent[1:]
        ]
