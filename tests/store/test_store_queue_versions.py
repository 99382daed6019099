"""Versions of queue configurations: numbers that stay, and go only when nobody has them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import pytest
from store_tools import NOW, a_job, a_worker, after

from harvester.store import jobs, queue_versions, workers
from harvester.store.engine import Database
from harvester.store.jobs import NewJob
from harvester.store.queue_versions import QueueVersion

A1 = QueueVersion("A", "1", {"submitter": {"plugin": "é"}})
A2 = QueueVersion("A", "2", {"submitter": {"plugin": "x"}})
B1 = QueueVersion("B", "1", {})


def register(db: Database, *versions: QueueVersion, at: datetime = NOW) -> dict[str, int]:
    with db.write() as connection:
        return queue_versions.register(connection, versions, at)


def beyond(db: Database, number: int) -> Sequence[QueueVersion]:
    with db.read() as connection:
        return queue_versions.beyond(connection, number)


def remove_unused(db: Database, before: datetime) -> list[int]:
    with db.write() as connection:
        return queue_versions.remove_unused(connection, before)


def test_a_version_keeps_its_number(db: Database, other: Database):
    first = register(db, A1, B1)
    assert set(first) == {"A", "B"}
    second = register(other, A2, B1)
    assert second["B"] == first["B"]
    assert second["A"] > first["A"]
    assert register(db, A1) == {"A": first["A"]}
    with db.read() as connection:
        assert queue_versions.newest(connection) == second["A"]


def test_later_versions_are_told_in_their_order(db: Database):
    assert beyond(db, 0) == []
    first = register(db, A1)["A"]
    second = register(db, A2)["A"]
    assert beyond(db, 0) == [replace(A1, number=first), replace(A2, number=second)]
    assert beyond(db, first) == [replace(A2, number=second)]
    assert register(db) == {}


@pytest.mark.parametrize("who", ["worker", "job"])
def test_a_version_stays_while_somebody_has_it(db: Database, who: str):
    old = register(db, A1)["A"]
    register(db, A2, at=after(hours=1))
    with db.write() as connection:
        if who == "worker":
            workers.insert_intents(connection, [a_worker(1, "A", config_version=old)], NOW)
        else:
            jobs.insert_fetched(connection, [NewJob(a_job(1, "A", config_version=old), {})], NOW)
        assert queue_versions.in_use(connection, ["A", "B"]) == {old}
        assert queue_versions.in_use(connection, ["B"]) == frozenset()
        assert queue_versions.in_use(connection, []) == frozenset()
    assert remove_unused(db, after(minutes=1)) == []
    with db.write() as connection:
        workers.remove(connection, [1], NOW)
        jobs.remove(connection, [1])
    assert remove_unused(db, after(minutes=1)) == [old]
    assert [each.digest for each in beyond(db, 0)] == ["2"]


def test_a_version_that_is_used_again_is_not_old(db: Database):
    register(db, A1)
    register(db, A1, at=after(hours=1))
    assert remove_unused(db, after(minutes=1)) == []


def test_numbers_of_removed_versions_are_not_given_again(db: Database):
    number = register(db, A1)["A"]
    assert remove_unused(db, after(minutes=1)) == [number]
    assert register(db, A1)["A"] > number


def test_jobs_and_workers_know_their_version(db: Database):
    with db.write() as connection:
        workers.insert_intents(connection, [a_worker(1, config_version=7), a_worker(2)], NOW)
        jobs.insert_fetched(connection, [NewJob(a_job(1, config_version=7), {})], NOW)
        assert [each.worker.config_version for each in workers.find(connection, [1, 2])] == [7, None]
        assert [each.config_version for each in jobs.find(connection, [1])] == [7]
