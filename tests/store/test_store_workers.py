"""Workers in the database: from the intent to the removal, each step only where it is allowed."""

import threading
from datetime import datetime

import pytest
from store_tools import (
    FENCE,
    LEASE,
    NOW,
    a_worker,
    after,
    claim_intents,
    claim_unsettled,
    end,
    fetch,
    fetch_to,
    find_one,
    ids_of,
    intend,
    submit,
)

from harvester.core.jobs import Kill
from harvester.core.kinds import WorkerKind
from harvester.core.workers import WorkerStatus
from harvester.store import history, jobs, leases, worker_choice, worker_claims, worker_counts, worker_ids, workers
from harvester.store.engine import Database
from harvester.store.leases import TOGETHER, WORKER_REPORT, ClaimTicket
from harvester.store.schema import JobPhase, WorkerPhase
from harvester.store.worker_choice import WorkerChoice


def claim_sweep(db: Database, now: datetime = NOW) -> list[int]:
    with db.write() as connection:
        found = worker_claims.claim_to_sweep(connection, ClaimTicket(77, now, now + LEASE, limit=1000))
        leases.give_back(connection, leases.Claim(leases.WORKER_WORK, ids_of(found), 77), now)
    return ids_of(found)


def claim_kill(db: Database, now: datetime = NOW, fence: int = 88) -> list[int]:
    with db.write() as connection:
        return ids_of(worker_claims.claim_to_kill(connection, ClaimTicket(fence, now, now + LEASE, limit=1000)))


def report_all(db: Database, now: datetime = NOW) -> None:
    """The server has been told of everything."""
    with db.write() as connection:
        found = worker_claims.claim_to_report(connection, ClaimTicket(66, now, now + LEASE, limit=1000))
        workers.settle_reports(connection, [{"worker_id": each.worker_id, "report_due": None} for each in found], 66)


# ---- identifiers -----------------------------------------------------------------------------------------------------


def test_ids_are_never_given_twice(db: Database):
    with db.write() as connection:
        assert list(worker_ids.allocate(connection, 3)) == [1, 2, 3]
        assert list(worker_ids.allocate(connection, 0)) == []
        assert list(worker_ids.allocate(connection, 2)) == [4, 5]


def test_ids_are_never_given_twice_to_threads(db: Database, other: Database):
    with db.write() as connection:
        worker_ids.allocate(connection, 1)
    given: list[int] = []
    together = threading.Barrier(4)

    def take(database: Database) -> None:
        together.wait()
        for _ in range(10):
            with database.write() as connection:
                given.extend(worker_ids.allocate(connection, 3))

    threads = [threading.Thread(target=take, args=(each,)) for each in (db, db, other, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(given) == list(range(2, 122))


# ---- submission ------------------------------------------------------------------------------------------------------


def test_an_intent_is_charged_before_anybody_is_asked(db: Database):
    with db.write() as connection:
        intend(connection, 1, 2)
        intend(connection, 3, queue="THERE")
        assert worker_counts.live(connection, ["HERE", "THERE", "NOWHERE"]) == {
            "HERE": {WorkerStatus.PENDING: 2},
            "THERE": {WorkerStatus.PENDING: 1},
            "NOWHERE": {},
        }


def test_a_worker_comes_back_as_it_was_stored(db: Database):
    worker = a_worker(
        9,
        job_ids=(4, 5),
        cores=8,
        ram_mb=16_000,
        disk_mb=2**33,
        walltime_s=86_400,
        job_type="managed",
        resource_type="MCORE",
        pilot_type="PR",
        sync_level=1,
        log_urls={"stdOut": "https://logs/9.out"},
    )
    with db.write() as connection:
        workers.insert_intents(connection, [worker], NOW)
    assert find_one(db, 9).worker == worker


def test_a_claimed_intent_is_never_submitted_by_another(db: Database):
    with db.write() as connection:
        intend(connection, 1)
        claim_intents(connection)
    with db.write() as connection:
        assert claim_intents(connection, fence=6, now=NOW + 2 * LEASE) == []
        (held,) = claim_unsettled(connection, fence=6, now=NOW + 2 * LEASE)
        assert held.tries == 1


def test_queues_that_rest_are_left_out(db: Database):
    with db.write() as connection:
        intend(connection, 1)
        intend(connection, 2, queue="RESTS")
        found = worker_claims.claim_intents(connection, ClaimTicket(FENCE, NOW, NOW + LEASE, busy=frozenset({"RESTS"})))
        assert ids_of(found) == [1]


def test_an_answer_is_recorded_once(db: Database):
    with db.write() as connection:
        submit(connection, 1)
        workers.settle(connection, [{"worker_id": 1, "batch_id": "again"}], FENCE, {"phase": WorkerPhase.SUBMIT})
    held = find_one(db, 1)
    assert held.worker.batch_id == "b1"
    assert held.worker.status is WorkerStatus.SUBMITTED
    with db.read() as connection:
        assert ids_of(workers.monitored(connection, ["HERE"])) == [1]


# ---- checks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [WorkerStatus.FINISHED, WorkerStatus.FAILED, WorkerStatus.CANCELLED])
def test_an_end_is_never_changed(db: Database, first: WorkerStatus):
    with db.write() as connection:
        submit(connection, 1)
        end(connection, 1, status=first)
        workers.change_seen(connection, [{"worker_id": 1, "status": WorkerStatus.RUNNING}], NOW)
        end(connection, 1, status=WorkerStatus.MISSED, due=after(days=1))
        assert workers.request_kill(connection, {1: Kill("too late")}, NOW, "test") == []
    assert find_one(db, 1).worker.status is first
    assert claim_kill(db) == []


def test_each_worker_gets_its_own_values(db: Database):
    with db.write() as connection:
        submit(connection, *range(1, 6))
        rows = [{"worker_id": each, "status": WorkerStatus.RUNNING, "node": f"n{each}"} for each in (2, 4)]
        workers.change_seen(connection, rows, NOW)
    with db.read() as connection:
        seen = {each.worker.worker_id: each.worker for each in workers.monitored(connection, ["HERE"])}
    assert {each: worker.node for each, worker in seen.items()} == {1: None, 2: "n2", 3: None, 4: "n4", 5: None}
    assert [each for each, worker in seen.items() if worker.status is WorkerStatus.RUNNING] == [2, 4]


def test_since_when_a_worker_is_out_of_sight(db: Database):
    with db.write() as connection:
        submit(connection, 1, 2)
        workers.mark_unseen(connection, [1], NOW)
        workers.mark_unseen(connection, [], NOW)
    assert (find_one(db, 1).worker.unseen_since, find_one(db, 2).worker.unseen_since) == (NOW, None)
    with db.write() as connection:
        workers.mark_unseen(connection, [1], None)
    assert find_one(db, 1).worker.unseen_since is None


# ---- kills -----------------------------------------------------------------------------------------------------------


def test_a_kill_is_requested_once(db: Database):
    with db.write() as connection:
        submit(connection, 1, 2)
        assert workers.request_kill(connection, {1: Kill("the first cause")}, NOW, "monitor") == [1]
        assert workers.request_kill(
            connection, dict.fromkeys([1, 2], Kill("another cause")), after(hours=1), "propagator"
        ) == [2]
        assert [each.cause for each in history.of(connection, history.Kind.WORKER, 1)] == ["the first cause"]
    assert claim_kill(db) == [1]


def test_a_kill_that_ends_jobs_outranks_one_that_does_not(db: Database):
    with db.write() as connection:
        submit(connection, 1)
        mild, strict = Kill("it asked for it", ends_jobs=False), Kill("an order")
        assert workers.request_kill(connection, {1: mild}, NOW, "monitor") == [1]
        assert workers.request_kill(connection, {1: strict}, after(seconds=1), "propagator") == [1]
        assert workers.request_kill(connection, {1: mild}, after(seconds=2), "monitor") == []
        causes = [each.cause for each in history.of(connection, history.Kind.WORKER, 1)]
        assert sorted(causes) == ["an order", "it asked for it"]
    assert find_one(db, 1).ends_jobs


def test_a_kill_is_repeated_until_the_worker_has_ended(db: Database):
    with db.write() as connection:
        submit(connection, 1)
        workers.request_kill(connection, {1: Kill("cause")}, NOW, "monitor")
    assert claim_kill(db) == [1]
    with db.write() as connection:
        workers.settle_kills(connection, [1], 88, after(seconds=30))
    assert claim_kill(db, after(seconds=29)) == []
    assert claim_kill(db, after(seconds=30)) == [1]
    with db.write() as connection:
        end(connection, 1, status=WorkerStatus.CANCELLED)
        workers.settle_kills(connection, [1], 88, after(seconds=60))
    assert claim_kill(db, after(days=1)) == []


def test_a_worker_that_may_not_exist_yet_is_killed_only_when_it_is_found(db: Database):
    with db.write() as connection:
        intend(connection, 1)
        claim_intents(connection)
        assert workers.request_kill(connection, dict.fromkeys([1, 4711], Kill("cause")), NOW, "monitor") == [1]
    assert claim_kill(db) == []
    with db.write() as connection:
        workers.settle(connection, [{"worker_id": 1, "batch_id": "b1"}], FENCE, {"phase": WorkerPhase.MONITOR})
    assert claim_kill(db) == [1]


# ---- reports ---------------------------------------------------------------------------------------------------------


def test_a_worker_that_changes_while_it_is_reported_stays_due(db: Database):
    with db.write() as connection:
        submit(connection, 1, 2)
        worker_claims.claim_to_report(connection, ClaimTicket(66, NOW, NOW + LEASE, limit=9))
    with db.write() as connection:
        workers.change_seen(connection, [{"worker_id": 1, "status": WorkerStatus.RUNNING}], after(seconds=1))
        rows = [{"worker_id": each, "report_due": after(hours=1)} for each in (1, 2)]
        workers.settle_reports(connection, rows, 66)
        assert leases.next_due(connection, WORKER_REPORT) == after(seconds=1) + TOGETHER
        again = worker_claims.claim_to_report(connection, ClaimTicket(67, after(seconds=1) + TOGETHER, NOW + LEASE))
        assert ids_of(again) == [1]


def test_a_worker_that_needs_no_report_is_not_claimed(db: Database):
    with db.write() as connection:
        submit(connection, 1)
    report_all(db)
    with db.write() as connection:
        assert worker_claims.claim_to_report(connection, ClaimTicket(1, after(days=99), NOW)) == []


# ---- the end ---------------------------------------------------------------------------------------------------------


def test_a_worker_is_kept_for_its_time(db: Database):
    with db.write() as connection:
        submit(connection, 1)
        end(connection, 1, due=after(hours=24))
    report_all(db)
    assert claim_sweep(db, after(hours=23)) == []
    assert claim_sweep(db, after(hours=24)) == [1]


def test_a_worker_is_not_swept_before_the_server_knows_its_end(db: Database):
    with db.write() as connection:
        submit(connection, 1)
        end(connection, 1)
    assert claim_sweep(db) == []
    report_all(db)
    assert claim_sweep(db) == [1]


@pytest.mark.parametrize("phase", [phase for phase in JobPhase if phase is not JobPhase.SWEEP])
def test_a_worker_is_not_swept_before_its_jobs_are_done(db: Database, phase: JobPhase):
    with db.write() as connection:
        fetch_to(connection, phase, 7)
        fetch_to(connection, JobPhase.SWEEP, 8)
        submit(connection, 1, job_ids=(7, 8))
        submit(connection, 2, job_ids=(8,))
        end(connection, 1, 2)
    report_all(db)
    assert claim_sweep(db) == [2]
    with db.write() as connection:
        jobs.remove(connection, [7])
    assert claim_sweep(db) == [1, 2]


def test_a_live_worker_is_never_swept(db: Database):
    with db.write() as connection:
        submit(connection, 1)
        intend(connection, 2, 3)
        claim_intents(connection, limit=1)
    report_all(db)
    assert claim_sweep(db, after(days=1000)) == []


def test_nothing_of_a_removed_worker_is_left(db: Database):
    with db.write() as connection:
        fetch(connection, 7, 8)
        submit(connection, 1, job_ids=(7,))
        submit(connection, 2, job_ids=(8,))
        workers.request_kill(connection, dict.fromkeys([1, 2], Kill("cause")), NOW, "test")
        workers.remove(connection, [1], NOW)
        assert ids_of(workers.find(connection, [1, 2])) == [2]
        assert workers.live_of_jobs(connection, [7, 8]) == {8: (2,)}
        assert history.of(connection, history.Kind.WORKER, 1) == []
        assert len(history.of(connection, history.Kind.WORKER, 2)) == 1


# ---- relations and counts --------------------------------------------------------------------------------------------


def test_every_way_of_reading_workers_gives_each_its_own_jobs(db: Database):
    with db.write() as connection:
        fetch(connection, 7, 8, 9)
        submit(connection, 1, job_ids=(8, 7))
        submit(connection, 2, job_ids=(9,))
        submit(connection, 3)
    expected = {1: (7, 8), 2: (9,), 3: ()}
    with db.write() as connection:
        monitored = [each.worker for each in workers.monitored(connection, ["HERE"])]
        claimed = worker_claims.claim_to_report(connection, ClaimTicket(66, NOW + TOGETHER, NOW + LEASE))
        listed = worker_choice.listed(connection, WorkerChoice(), 9)
        found = [each.worker for each in workers.find(connection, [1, 2, 3])]
    for some in (monitored, claimed, listed, found):
        assert {each.worker_id: each.job_ids for each in some} == expected


def test_the_live_worker_of_a_job(db: Database):
    with db.write() as connection:
        fetch(connection, 7)
        submit(connection, 1, job_ids=(7,))
        end(connection, 1)
        assert workers.live_of_jobs(connection, [7, 99]) == {}
        intend(connection, 2, job_ids=(7,))
        assert workers.live_of_jobs(connection, [7, 99]) == {7: (2,)}


def test_what_pulling_workers_say_they_run(db: Database):
    with db.write() as connection:
        submit(connection, 1, 2)
        workers.relate(connection, [(1, 70), (1, 71), (1, 70)])
        workers.relate(connection, [(1, 71), (2, 72)])
        workers.relate(connection, [])
    assert sorted(find_one(db, 1).worker.job_ids) == [70, 71]
    assert find_one(db, 2).worker.job_ids == (72,)


def test_workers_are_counted_by_queue_type_and_status(db: Database):
    with db.write() as connection:
        submit(connection, 1, 2, job_type="managed", resource_type="SCORE")
        intend(connection, 3, job_type="managed", resource_type="MCORE")
        submit(connection, 4, queue="THERE")
        end(connection, 4)
        assert worker_counts.by_type(connection, ["HERE", "THERE"]) == {
            "HERE": {
                WorkerKind("managed", "SCORE"): {WorkerStatus.SUBMITTED: 2},
                WorkerKind("managed", "MCORE"): {WorkerStatus.PENDING: 1},
            },
            "THERE": {WorkerKind(): {WorkerStatus.FINISHED: 1}},
        }
        assert worker_counts.by_queue_and_status(connection)["THERE"] == {WorkerStatus.FINISHED: 1}
        assert worker_counts.live(connection, ["THERE"]) == {"THERE": {}}


def test_the_worker_that_came_to_an_end_last(db: Database):
    with db.write() as connection:
        submit(connection, 1, 2, 3, 4)
        submit(connection, 5, queue="THERE")
        end(connection, 1, 5, status=WorkerStatus.FAILED)
        end(connection, 2)
        last = workers.last_ended(connection, "HERE", WorkerStatus.FAILED)
        assert last is not None
        assert last.worker_id == 1
        end(connection, 3, status=WorkerStatus.FAILED)
        last = workers.last_ended(connection, "HERE", WorkerStatus.FAILED)
        assert last is not None
        assert last.worker_id == 3
        assert workers.last_ended(connection, "HERE", WorkerStatus.MISSED) is None
