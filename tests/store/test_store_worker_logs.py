"""Logs of workers that are brought to the server, on each engine."""

from datetime import timedelta

from sqlalchemy import select
from store_tools import FENCE, LEASE, NOW, counted

from harvester.store import leases, worker_logs, workers
from harvester.store.engine import Database
from harvester.store.leases import WORKER_LOG, ClaimTicket, Owner, release_owner
from harvester.store.schema import worker_logs as table
from harvester.store.worker_logs import WorkerLogs

MANY = 1000


def expected(db: Database, *worker_ids: int, paths: dict[str, str] | None = None) -> None:
    with db.write() as connection:
        some = [WorkerLogs(each, "HERE", paths or {"stdOut": f"/a/{each}"}, {}) for each in worker_ids]
        worker_logs.expect(connection, some, NOW)


def claimed(
    db: Database, fence: int = FENCE, *, busy: frozenset[str] = frozenset(), most: int = MANY
) -> list[WorkerLogs]:
    with db.write() as connection:
        return worker_logs.claim(connection, ClaimTicket(fence, NOW, NOW + LEASE, busy), most)


def test_logs_that_are_known_keep_what_the_server_has_of_them(db: Database):
    expected(db, 7)
    (logs,) = claimed(db)
    assert logs == WorkerLogs(7, "HERE", {"stdOut": "/a/7"}, {})
    with db.write() as connection:
        worker_logs.settle(connection, [{"worker_id": 7, "sent": {"stdOut": "1:2"}, "tries": 3, "due": NOW}])
    expected(db, 7, paths={"stdOut": "/other"})
    assert claimed(db) == [WorkerLogs(7, "HERE", {"stdOut": "/a/7"}, {"stdOut": "1:2"}, 3)]


def test_a_claim_takes_some_and_passes_busy_queues_over(db: Database):
    expected(db, 1, 2, 3)
    assert claimed(db, busy=frozenset({"HERE"})) == []
    assert len(claimed(db, most=2)) == 2
    assert len(claimed(db, FENCE + 1)) == 1
    assert claimed(db, FENCE + 2) == []


def test_news_take_the_logs_from_whoever_is_at_them(db: Database):
    expected(db, 1, 2)
    claimed(db)
    with db.write() as connection:
        worker_logs.hasten(connection, [1], NOW)
        assert leases.held_keys(connection, WORKER_LOG, [1, 2], FENCE) == {2}
    assert [each.worker_id for each in claimed(db, FENCE + 1)] == [1]


def test_what_was_sent_meanwhile_is_noted_and_leaves_the_new_claim_alone(db: Database):
    expected(db, 1, 2)
    claimed(db)
    with db.write() as connection:
        worker_logs.hasten(connection, [1], NOW)
    claimed(db, FENCE + 1)
    with db.write() as connection:
        worker_logs.note_sent(connection, {1: {"stdOut": "1:2"}, 9: {"stdOut": "3:4"}})
        assert leases.held_keys(connection, WORKER_LOG, [1, 2], FENCE + 1) == {1}
        assert list(connection.scalars(select(table.c.sent).order_by(table.c.worker_id))) == [{"stdOut": "1:2"}, {}]


def test_what_a_dead_process_held_comes_free(db: Database):
    expected(db, 1)
    fence = Owner(5).next_fence()
    claimed(db, fence)
    with db.write() as connection:
        release_owner(connection, 5, NOW - timedelta(seconds=1))
    assert [each.worker_id for each in claimed(db)] == [1]


def test_a_worker_that_is_removed_takes_its_logs_along(db: Database):
    expected(db, 1, 2)
    with db.write() as connection:
        workers.remove(connection, [1], NOW)
        assert list(connection.scalars(select(table.c.worker_id))) == [2]
        worker_logs.forget(connection, [2])
        assert list(connection.scalars(select(table.c.worker_id))) == []


def test_many_cost_as_many_statements_as_one(db: Database):
    expected(db, *range(1, MANY + 1))
    with counted(db) as statements:
        found = claimed(db)
        with db.write() as connection:
            held = leases.held_keys(connection, WORKER_LOG, [each.worker_id for each in found], FENCE)
            rows = [{"worker_id": each, "sent": {}, "tries": 0, "due": None} for each in held]
            worker_logs.settle(connection, rows)
            worker_logs.hasten(connection, held, NOW)
    assert len(found) == MANY
    assert len(statements) <= 8
