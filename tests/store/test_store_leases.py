"""Claims: one holder at a time, nothing written under an outdated one, nothing left behind by the dead."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, update
from store_tools import FENCE, LEASE, NOW, after, claim_intents, claim_unsettled, fetch, find_one, ids_of, intend

from harvester.core.workers import WorkerStatus
from harvester.store import jobs, leases, queues, workers
from harvester.store.engine import Database
from harvester.store.leases import (
    JOB_REPORT,
    QUEUE_FETCH,
    QUEUE_MONITOR,
    QUEUE_SIZE,
    TOGETHER,
    WORKER_WORK,
    Claim,
    ClaimTicket,
)
from harvester.store.schema import WorkerPhase
from harvester.store.schema import jobs as job_table


def claim_queues(db: Database, fence: int, now: datetime = NOW, pair: leases.Pair = QUEUE_SIZE) -> list[str]:
    with db.write() as connection:
        return sorted(leases.claim_queues(connection, pair, ClaimTicket(fence, now, now + LEASE, limit=100)))


def let_go(db: Database, name: str, fence: int, due: datetime) -> frozenset[str]:
    with db.write() as connection:
        return leases.let_queues_go(connection, QUEUE_SIZE, [name], fence, due=due, now=NOW)


def nudge(db: Database, name: str, now: datetime = NOW, **by: float) -> None:
    with db.write() as connection:
        leases.nudge_queues(connection, QUEUE_SIZE, [name], now, after(**by) - NOW)


def serve(db: Database, *names: str) -> None:
    with db.write() as connection:
        queues.activate(connection, names, NOW)


# ---- rows ------------------------------------------------------------------------------------------------------------


def test_the_number_of_a_holder_is_never_given_out_again(db: Database):
    numbers = []
    for _ in range(3):
        with db.write() as connection:
            owner = leases.register_owner(connection, "host", 1, "boot:1", now=NOW, expires_at=NOW)
        numbers.append(owner.owner_id)
        with db.write() as connection:
            leases.release_owner(connection, owner.owner_id, NOW)
    assert len(set(numbers)) == 3


def test_a_claimed_row_is_not_given_to_another(db: Database):
    with db.write() as connection:
        intend(connection, 1, 2, 3)
        first = ids_of(claim_intents(connection, limit=2))
        assert len(first) == 2
    with db.write() as connection:
        assert {*first, *ids_of(claim_intents(connection, fence=6))} == {1, 2, 3}
        assert claim_intents(connection, fence=7) == []


def test_a_claim_that_runs_out_is_open_to_others(db: Database):
    with db.write() as connection:
        intend(connection, 1)
        claim_intents(connection)
    with db.write() as connection:
        assert claim_unsettled(connection, fence=6, now=NOW + LEASE / 2) == []
        assert ids_of(claim_unsettled(connection, fence=6, now=NOW + LEASE)) == [1]


def test_a_claim_that_is_extended_lasts_on(db: Database):
    with db.write() as connection:
        intend(connection, 1)
        claim_intents(connection)
        leases.extend(connection, [Claim(WORKER_WORK, [1], FENCE)], NOW + 2 * LEASE)
    with db.write() as connection:
        assert claim_unsettled(connection, fence=6, now=NOW + LEASE) == []


def test_only_the_holder_extends(db: Database):
    with db.write() as connection:
        intend(connection, 1)
        claim_intents(connection)
        leases.extend(connection, [Claim(WORKER_WORK, [1], FENCE + 1)], NOW + 2 * LEASE)
        assert ids_of(claim_unsettled(connection, fence=6, now=NOW + LEASE)) == [1]


def test_a_row_that_is_let_go_is_due_when_told(db: Database):
    with db.write() as connection:
        intend(connection, 1)
        claim_intents(connection)
        leases.give_back(connection, Claim(WORKER_WORK, [1], FENCE), after(seconds=30))
        assert claim_unsettled(connection, fence=6, now=after(seconds=29)) == []
        assert ids_of(claim_unsettled(connection, fence=6, now=after(seconds=30))) == [1]


def test_an_outdated_claim_changes_nothing(db: Database):
    with db.write() as connection:
        intend(connection, 1)
        claim_intents(connection)
        claim_unsettled(connection, fence=6, now=NOW + LEASE)
    with db.write() as connection:
        row = {"worker_id": 1, "batch_id": "late"}
        workers.settle(connection, [row], FENCE, {"status": WorkerStatus.SUBMITTED, "phase": WorkerPhase.MONITOR})
        leases.give_back(connection, Claim(WORKER_WORK, [1], FENCE), NOW)
        assert leases.held_keys(connection, WORKER_WORK, [1], FENCE) == frozenset()
        assert leases.held_keys(connection, WORKER_WORK, [1], 6) == {1}
    held = find_one(db, 1)
    assert (held.worker.batch_id, held.worker.status) == (None, WorkerStatus.PENDING)


def test_rows_that_another_process_is_claiming_are_passed_over(db: Database, other: Database):
    with db.write() as connection:
        intend(connection, 1, 2)
    if db.dialect == "sqlite":  # one writer at a time: the second begins when the first has committed
        with db.write() as connection:
            assert ids_of(claim_intents(connection, limit=1)) == [1]
        with other.write() as connection:
            assert ids_of(claim_intents(connection, fence=6)) == [2]
        return
    with db.write() as first, other.write() as second:
        assert ids_of(claim_intents(first, limit=1)) == [1]
        assert ids_of(claim_intents(second, fence=6)) == [2]


def test_a_claim_that_is_rolled_back_was_never_there(db: Database, other: Database):
    with db.write() as connection:
        intend(connection, 1)
    with pytest.raises(LookupError):
        db.transact(lambda connection: [claim_intents(connection), {}["no such key"]])
    with other.write() as connection:
        assert ids_of(claim_intents(connection, fence=6)) == [1]


def test_when_the_next_row_is_due(db: Database):
    with db.write() as connection:
        assert leases.next_due(connection, WORKER_WORK, WorkerPhase.SUBMIT) is None
        intend(connection, 1)
        assert leases.next_due(connection, WORKER_WORK, WorkerPhase.SUBMIT) == NOW
        claim_intents(connection)
        assert leases.next_due(connection, WORKER_WORK, WorkerPhase.SUBMIT) is None
        assert leases.next_due(connection, WORKER_WORK, WorkerPhase.SETTLE) == NOW + LEASE


# ---- owners ----------------------------------------------------------------------------------------------------------


def test_claims_of_two_owners_never_look_alike(db: Database):
    with db.write() as connection:
        owners = [
            leases.register_owner(connection, "host", 1, "boot:1", now=NOW, expires_at=after(seconds=20))
            for _ in range(2)
        ]
    fences = [owner.next_fence() for owner in owners for _ in range(3)]
    assert len(set(fences)) == 6
    assert min(fences) > 0


def test_a_dead_owners_claims_come_free_and_nobody_elses(db: Database):
    with db.write() as connection:
        dead = leases.register_owner(connection, "host", 1, "boot:1", now=NOW, expires_at=NOW)
        alive = leases.register_owner(connection, "host", 2, "boot:1", now=NOW, expires_at=NOW)
        intend(connection, 1, 2)
        queues.activate(connection, ["A", "B"], NOW)
        (held_by_dead,) = [each.worker_id for each in claim_intents(connection, fence=dead.next_fence(), limit=1)]
        lives_on = alive.next_fence()
        claim_intents(connection, fence=lives_on)
        leases.claim_queues(connection, QUEUE_SIZE, ClaimTicket(dead.next_fence(), NOW, NOW + LEASE, limit=1))
        fetch(connection, 7)
        jobs.claim_to_report(connection, ClaimTicket(dead.next_fence(), NOW + TOGETHER, NOW + LEASE, limit=9))
    with db.write() as connection:
        assert leases.release_owner(connection, dead.owner_id, NOW) == 3
        assert ids_of(claim_unsettled(connection, fence=FENCE)) == [held_by_dead]
        assert leases.held_keys(connection, WORKER_WORK, [1, 2], lives_on) == {1, 2} - {held_by_dead}
        assert leases.next_due(connection, JOB_REPORT) == NOW
        assert [each.owner_id for each in leases.list_owners(connection)] == [alive.owner_id]
    assert claim_queues(db, FENCE) == ["A", "B"]


def test_an_owner_that_was_released_is_told_so(db: Database):
    with db.write() as connection:
        owner = leases.register_owner(connection, "host", 4711, "boot:1", now=NOW, expires_at=NOW)
        assert leases.extend_owner(connection, owner, after(seconds=20))
        assert leases.extend_owner(connection, owner, after(seconds=20))
        (record,) = leases.list_owners(connection)
        assert record == leases.OwnerRecord(owner.owner_id, "host", 4711, "boot:1", NOW, after(seconds=20))
        leases.release_owner(connection, owner.owner_id, NOW)
        assert not leases.extend_owner(connection, owner, after(seconds=40))


# ---- queues ----------------------------------------------------------------------------------------------------------


def test_a_queue_is_held_by_one(db: Database):
    serve(db, "A", "B")
    assert claim_queues(db, 1) == ["A", "B"]
    assert claim_queues(db, 2) == []
    assert claim_queues(db, 2, pair=QUEUE_FETCH) == ["A", "B"]


def test_a_queue_is_due_again_when_told(db: Database):
    serve(db, "A")
    claim_queues(db, 1)
    assert let_go(db, "A", 1, after(seconds=60)) == {"A"}
    assert claim_queues(db, 2, after(seconds=59)) == []
    assert claim_queues(db, 2, after(seconds=60)) == ["A"]


def test_a_queue_that_was_taken_over_is_not_let_go_by_the_old_holder(db: Database):
    serve(db, "A")
    claim_queues(db, 1)
    assert claim_queues(db, 2, NOW + LEASE) == ["A"]
    assert let_go(db, "A", 1, NOW) == frozenset()
    assert let_go(db, "A", 2, NOW) == {"A"}


def test_a_queue_is_extended_by_its_holder_only(db: Database):
    serve(db, "A")
    claim_queues(db, 1)
    with db.write() as connection:
        leases.extend(connection, [Claim(QUEUE_SIZE, ["A"], 9)], NOW)
        leases.extend(connection, [Claim(QUEUE_SIZE, ["A"], 1)], NOW + 2 * LEASE)
    assert claim_queues(db, 2, NOW + LEASE) == []


def test_a_nudged_queue_is_due_soon(db: Database):
    serve(db, "A")
    claim_queues(db, 1)
    let_go(db, "A", 1, after(hours=1))
    nudge(db, "A", seconds=1)
    assert claim_queues(db, 2, NOW) == []
    assert claim_queues(db, 2, after(seconds=1)) == ["A"]


def test_a_nudge_never_makes_a_queue_wait_longer(db: Database):
    serve(db, "A")
    nudge(db, "A", seconds=30)
    assert claim_queues(db, 1, NOW) == ["A"]


def test_a_queue_that_is_nudged_while_it_is_held_is_due_at_once_when_it_is_let_go(db: Database):
    serve(db, "A")
    claim_queues(db, 1)
    nudge(db, "A", seconds=1)
    assert claim_queues(db, 2, after(seconds=2)) == []
    let_go(db, "A", 1, after(hours=1))
    assert claim_queues(db, 2, NOW) == ["A"]
    let_go(db, "A", 2, after(hours=1))
    assert claim_queues(db, 3, after(minutes=59)) == []


def test_a_queue_out_of_service_is_still_monitored_but_gets_nothing(db: Database):
    serve(db, "A")
    serve(db, "B")
    assert claim_queues(db, 1) == ["B"]
    assert claim_queues(db, 2, pair=QUEUE_FETCH) == ["B"]
    assert claim_queues(db, 3, pair=QUEUE_MONITOR) == ["A", "B"]


def test_activating_again_ends_no_rest(db: Database):
    serve(db, "A")
    with db.write() as connection:
        leases.rest_queues(connection, QUEUE_SIZE, ["A"], after(minutes=15))
    serve(db, "A")
    assert claim_queues(db, 1, after(minutes=14)) == []
    assert claim_queues(db, 2, after(minutes=15)) == ["A"]


def test_activating_again_does_not_take_a_queue_from_its_holder(db: Database):
    serve(db, "A")
    claim_queues(db, 1)
    serve(db, "A")
    assert claim_queues(db, 2) == []
    assert let_go(db, "A", 1, NOW) == {"A"}


def test_the_most_overdue_rows_are_claimed_first(db: Database):
    with db.write() as connection:
        fetch(connection, 1, 2, 3)
        for job, due in ((1, 3), (2, 1), (3, 2)):
            jobs.trigger_reports(connection, [job], NOW - timedelta(seconds=due))
        found = jobs.claim_to_report(connection, ClaimTicket(1, NOW, NOW + LEASE, limit=2))
        assert [each.job_id for each in found] == [1, 3]


@pytest.mark.parametrize("fence", [0, 7])
def test_a_row_becomes_due_sooner_but_never_later(db: Database, fence: int):
    def due_after(known: datetime | None, wanted: datetime) -> datetime | None:
        with db.write() as connection:
            connection.execute(update(job_table).values(JOB_REPORT.set(known, fence)))
            connection.execute(update(job_table).values(JOB_REPORT.hasten(wanted)))
            row = connection.execute(select(JOB_REPORT.due, JOB_REPORT.fence)).one()
        assert row[1] == 0
        due: datetime | None = row[0]
        return due

    with db.write() as connection:
        fetch(connection, 1)
    assert due_after(None, NOW) == NOW
    assert due_after(after(hours=1), NOW) == NOW
    assert due_after(after(seconds=-1), NOW) == after(seconds=-1)
