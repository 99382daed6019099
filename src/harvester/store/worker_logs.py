"""Logs of workers that are brought to the server, in the database."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, delete, update

from harvester.core.records import record_type
from harvester.store.leases import WORKER_LOG, ClaimTicket, claim_rows
from harvester.store.schema import worker_logs
from harvester.store.selection import Selection
from harvester.store.sets import change_rows, insert_missing, none_of, one_of

_LOGS: Final = Selection([worker_logs.c[name] for name in ("worker_id", "queue", "paths", "sent", "tries")])


@record_type
class WorkerLogs:
    """The logs of one worker.

    Attributes:
        paths: where they are, by `stdOut`, `stdErr`, `batchLog`.
        sent: for those that the server has, what tells that state of the file from a later one.
        tries: how often it failed in a row to bring them there.
    """

    worker_id: int
    queue: str
    paths: Mapping[str, str]
    sent: Mapping[str, str]
    tries: int = 0


def expect(connection: Connection, logs: Sequence[WorkerLogs], now: datetime) -> None:
    """These workers have logs; those that are known keep what the server has of them."""
    rows = [
        {"worker_id": each.worker_id, "queue": each.queue, "paths": dict(each.paths), "sent": {}, "due": now}
        for each in logs
    ]
    insert_missing(connection, worker_logs, rows)


def hasten(connection: Connection, worker_ids: Collection[int], now: datetime) -> None:
    """The logs of these workers may have grown: whoever is at them looks again."""
    mine = update(worker_logs).where(one_of(connection, worker_logs.c.worker_id, worker_ids))
    connection.execute(mine.values(WORKER_LOG.set(now)))


def claim(connection: Connection, ticket: ClaimTicket, most: int) -> list[WorkerLogs]:
    """Logs to look at."""
    few = replace(ticket, limit=min(most, ticket.limit))
    rows = claim_rows(connection, WORKER_LOG, _LOGS, few, *none_of(worker_logs.c.queue, ticket.busy))
    return [WorkerLogs(*row) for row in rows]


def settle(connection: Connection, changes: Sequence[Mapping[str, object]]) -> None:
    """Write what the server has of held logs, and when they are looked at again."""
    change_rows(connection, worker_logs, changes, same={"fence": 0})


def note_sent(connection: Connection, sent: Mapping[int, Mapping[str, str]]) -> None:
    """Write what the server has of logs that are not held any more; when they are looked at stays as it is."""
    rows = [{"worker_id": worker, "sent": dict(states)} for worker, states in sent.items()]
    change_rows(connection, worker_logs, rows)


def forget(connection: Connection, worker_ids: Collection[int]) -> None:
    """The logs of these workers need no more care."""
    if worker_ids:
        connection.execute(delete(worker_logs).where(one_of(connection, worker_logs.c.worker_id, worker_ids)))
