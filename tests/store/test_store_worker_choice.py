"""Which workers a list, a kill or a command of the server means."""

from dataclasses import replace

import pytest
from store_tools import NOW, after, end, intend, submit

from harvester.core.jobs import Kill
from harvester.core.workers import WorkerStatus
from harvester.store import worker_choice, workers
from harvester.store.engine import Database
from harvester.store.worker_choice import LiveWorkers, WorkerChoice

SUBMITTED = WorkerChoice(statuses=[WorkerStatus.SUBMITTED])


@pytest.fixture(autouse=True)
def _four_workers(db: Database) -> None:
    with db.write() as connection:
        submit(connection, 1, computing_element="ce1", submission_host="h1")
        submit(connection, 2, computing_element="ce2")
        submit(connection, 3, queue="THERE", submission_host="h1")
        submit(connection, 4)
        end(connection, 4)


@pytest.mark.parametrize(
    ("choice", "meant"),
    [
        (WorkerChoice(), [1, 2, 3]),
        (WorkerChoice(ids=[2, 3, 4, 99]), [2, 3]),
        (WorkerChoice(ids=[]), []),
        (SUBMITTED, [1, 2, 3]),
        (replace(SUBMITTED, queues=["HERE"]), [1, 2]),
        (replace(SUBMITTED, computing_elements=["ce1"]), [1]),
        (replace(SUBMITTED, submission_hosts=["h1"], queues=["THERE"]), [3]),
        (replace(SUBMITTED, queues=[]), []),
        (WorkerChoice(statuses=[WorkerStatus.RUNNING]), []),
        (WorkerChoice(statuses=[WorkerStatus.FINISHED]), []),
        (WorkerChoice(made_before=NOW), []),
        (WorkerChoice(made_before=after(seconds=1)), [1, 2, 3]),
    ],
)
def test_whom_a_choice_means_of_those_that_live(db: Database, choice: WorkerChoice, meant: list[int]):
    with db.read() as connection:
        assert sorted(worker_choice.live(connection, choice)) == meant


def test_the_newest_come_first_ended_ones_too(db: Database):
    with db.write() as connection:
        intend(connection, 5, queue="THERE")
    with db.read() as connection:

        def listed(choice: WorkerChoice, limit: int = 10) -> list[int]:
            return [each.worker_id for each in worker_choice.listed(connection, choice, limit)]

        assert listed(WorkerChoice()) == [5, 4, 3, 2, 1]
        assert listed(WorkerChoice(queues=["HERE"]), 1) == [4]
        assert listed(WorkerChoice(statuses=[WorkerStatus.PENDING])) == [5]


def test_they_are_counted_by_where_they_are(db: Database):
    with db.write() as connection:
        workers.request_kill(connection, {1: Kill("because")}, NOW, "operator")
        submit(connection, 6, computing_element="ce1", submission_host="h1")
    with db.read() as connection:
        found = worker_choice.live_by_place(connection, WorkerChoice(queues=["HERE"]))
    assert found == [
        LiveWorkers("HERE", WorkerStatus.SUBMITTED, "ce1", "h1", 2, 1),
        LiveWorkers("HERE", WorkerStatus.SUBMITTED, "ce2", None, 1, 0),
    ]
