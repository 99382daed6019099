"""Workers that the server ordered."""

from store_tools import NOW, counted

from harvester.core.kinds import WorkerKind
from harvester.store import orders
from harvester.store.engine import Database

SCORE, MCORE, USER = WorkerKind("managed", "SCORE"), WorkerKind("managed", "MCORE"), WorkerKind("user", "SCORE")


def test_a_new_order_replaces_the_old_one_of_the_same_queues(db: Database):
    with db.write() as connection:
        orders.replace(connection, {"HERE": {SCORE: 3, MCORE: 2}, "THERE": {SCORE: 7}}, NOW)
        orders.replace(connection, {"HERE": {USER: 1}, "EMPTY": {}}, NOW)
        assert orders.of(connection, ["HERE", "THERE", "EMPTY"]) == {
            "HERE": {USER: 1},
            "THERE": {SCORE: 7},
            "EMPTY": {},
        }


def test_made_workers_are_taken_from_the_order_of_their_kind_alone(db: Database):
    with db.write() as connection:
        orders.replace(connection, {"HERE": {SCORE: 3, MCORE: 2, USER: 5}, "THERE": {SCORE: 7}}, NOW)
        with counted(db) as statements:
            orders.consume(connection, "HERE", {SCORE: 1, MCORE: 9})
        assert len(statements) == 1
        assert orders.of(connection, ["HERE", "THERE"]) == {"HERE": {SCORE: 2, MCORE: 0, USER: 5}, "THERE": {SCORE: 7}}


def test_without_orders_nothing_is_asked(db: Database):
    with db.write() as connection, counted(db) as statements:
        orders.replace(connection, {}, NOW)
        orders.consume(connection, "HERE", {})
    assert not statements
