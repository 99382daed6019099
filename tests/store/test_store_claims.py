"""What processes have in hand."""

from store_tools import NOW, after, intend

from harvester.store import claims, duties, leases, queues, worker_claims
from harvester.store.claims import InHand
from harvester.store.engine import Database
from harvester.store.leases import QUEUE_SIZE, ClaimTicket


def test_rows_are_counted_by_process_and_kind(db: Database):
    with db.write() as connection:
        queues.activate(connection, ["HERE"], NOW)
        first, second = (
            leases.register_owner(connection, host, 7, "birth", now=NOW, expires_at=after(minutes=1)) for host in "ab"
        )
        intend(connection, 1, 2, 3)
        for limit, minutes in ((2, 5), (1, 3)):
            ticket = ClaimTicket(first.next_fence(), NOW, after(minutes=minutes), limit=limit)
            worker_claims.claim_intents(connection, ticket)
        leases.claim_queues(connection, QUEUE_SIZE, ClaimTicket(second.next_fence(), NOW, after(minutes=2)))
        duties.take(connection, "statistics", (99 << 32) + 1, now=NOW, until=after(minutes=1))
    with db.read() as connection:
        assert claims.in_hand(connection) == [
            InHand(None, None, "rounds for all processes", 1, after(minutes=1)),
            InHand("a", 7, "workers to submit, search, feed or sweep", 3, after(minutes=3)),
            InHand("b", 7, "queues to size", 1, after(minutes=2)),
        ]
