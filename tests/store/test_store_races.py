"""Two processes do the same thing at the same moment: both succeed, and it is done once."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from sqlalchemy import Connection
from store_tools import FENCE, NOW, a_job, a_worker, claim_intents, fetch_to, find_job

from harvester.core.holds import Hold, HoldMode
from harvester.core.jobs import JobStatus
from harvester.store import commands, holds, jobs, queues, worker_ids, workers
from harvester.store.commands import StoredCommand
from harvester.store.engine import Database
from harvester.store.jobs import NewJob
from harvester.store.leases import ClaimTicket
from harvester.store.schema import JobPhase

Step = Callable[[Connection], object]
COMMAND = StoredCommand(7, "KILL_WORKERS", None, {}, ack_requested=True)
FIRST_TIMES: dict[str, Step] = {
    "activate": lambda connection: queues.activate(connection, ["A", "B"], NOW),
    "note": lambda connection: queues.note(connection, "sizer", {"A": {"text": "x"}}, NOW),
    "command": lambda connection: commands.store(connection, [COMMAND, COMMAND], NOW),
    "relation": lambda connection: workers.relate(connection, [(1, 2), (1, 2)]),
    "job": lambda connection: jobs.insert_fetched(connection, [NewJob(a_job(1), {"PandaID": 1})], NOW),
    "hold": lambda connection: holds.put(connection, Hold("A", HoldMode.PAUSE, "why", "who", NOW, None)),
}


def race(db: Database, other: Database, first: Step, second: Step) -> tuple[object, object]:
    """One process is in the middle of something when another begins something else; what both came to."""
    begun = threading.Event()

    def follow() -> object:
        begun.set()
        return other.transact(second)

    with ThreadPoolExecutor(1) as threads:
        with db.write() as connection:
            told = first(connection)
            future = threads.submit(follow)
            assert begun.wait(30)
        return told, future.result(60)


@pytest.mark.parametrize("name", FIRST_TIMES)
def test_what_is_done_for_the_first_time_is_done_once(db: Database, other: Database, name: str):
    race(db, other, FIRST_TIMES[name], FIRST_TIMES[name])
    db.transact(FIRST_TIMES[name])


def test_a_command_is_obeyed_by_one_process(db: Database, other: Database):
    db.transact(FIRST_TIMES["command"])

    def obey(connection: Connection) -> list[StoredCommand]:
        found = commands.open_commands(connection, 10)
        commands.finish(connection, [each.command_id for each in found], NOW)
        return found

    with db.write() as connection:
        assert obey(connection) == [COMMAND]
        if db.dialect != "sqlite":  # there the other one has to wait
            assert other.transact(obey) == []
    assert other.transact(obey) == []


def test_two_processes_serve_the_same_new_queues(db: Database, other: Database):
    race(db, other, FIRST_TIMES["activate"], FIRST_TIMES["activate"])
    with db.read() as connection:
        assert [each.name for each in queues.states(connection) if each.active] == ["A", "B"]


def test_the_first_worker_ids_are_given_out_once(db: Database, other: Database):
    def ten(connection: Connection) -> list[int]:
        return [*worker_ids.allocate(connection, 10)]

    first, second = race(db, other, ten, ten)
    assert sorted([*first, *second]) == list(range(1, 21))


def kill(connection: Connection) -> list[int]:
    """What the propagator does about a job that the server wants killed; the jobs without a worker."""
    open_ids = jobs.lock_open(connection, [1])
    live = workers.live_of_jobs(connection, open_ids)
    jobs.cancel(connection, {job: {} for job in open_ids if job not in live}, NOW)
    return [job for job in open_ids if job not in live]


def bind(connection: Connection) -> frozenset[int]:
    """What the sizer does for a job that waits for a worker."""
    bound = jobs.bind(connection, [1])
    workers.insert_intents(connection, [a_worker(1, job_ids=tuple(bound))] if bound else [], NOW)
    return bound


@pytest.mark.parametrize(("first", "second"), [(kill, bind), (bind, kill)])
def test_a_job_is_either_ended_or_given_a_worker(db: Database, other: Database, first: Step, second: Step):
    db.transact(lambda connection: fetch_to(connection, JobPhase.SUBMIT, 1))
    race(db, other, first, second)
    with db.read() as connection:
        has_worker = workers.live_of_jobs(connection, [1]) == {1: (1,)}
    assert has_worker == (find_job(db, 1).status is not JobStatus.CANCELLED)


def test_a_new_attempt_is_not_swept_with_the_old_one(db: Database, other: Database):
    db.transact(lambda connection: fetch_to(connection, JobPhase.SWEEP, 1))
    again = NewJob(a_job(1, attempt=2), {"PandaID": 1})

    def sweep(connection: Connection) -> None:
        jobs.remove(connection, jobs.sweepable(connection, ClaimTicket(FENCE, NOW, NOW, limit=10)))

    race(db, other, sweep, lambda connection: jobs.insert_fetched(connection, [again], NOW))
    assert find_job(db, 1).attempt == 2


def test_a_new_attempt_has_none_of_the_old_ones_workers(db: Database):
    def have_done_with(connection: Connection) -> None:
        fetch_to(connection, JobPhase.SUBMIT, 1)
        bind(connection)
        jobs.remove(connection, [1])

    db.transact(have_done_with)
    again = NewJob(a_job(1, attempt=2), {"PandaID": 1})
    assert db.transact(lambda connection: jobs.insert_fetched(connection, [again], NOW)) == [1]
    with db.read() as connection:
        assert workers.live_of_jobs(connection, [1]) == {}


def test_a_worker_is_never_claimed_without_the_jobs_that_it_was_stored_with(db: Database, other: Database):
    batches, size = 150, 40

    def store() -> None:
        for first in range(1, batches * size, size):
            some = [a_worker(each, job_ids=(each,)) for each in range(first, first + size)]
            other.transact(partial(workers.insert_intents, intents=some, now=NOW))

    claimed = db.transact(claim_intents)
    with ThreadPoolExecutor(1) as threads:
        storing = threads.submit(store)
        while not storing.done():
            claimed += db.transact(claim_intents)
        storing.result()
    claimed += db.transact(lambda connection: claim_intents(connection, limit=batches * size))
    assert len(claimed) == batches * size
    assert [each.worker_id for each in claimed if each.job_ids != (each.worker_id,)] == []
