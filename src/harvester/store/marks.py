"""How far somebody has read in the history."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile

from sqlalchemy import Connection, func, select, update

from harvester.store.history import Kind
from harvester.store.schema import counters, history
from harvester.store.sets import insert_missing


@dataclass(frozen=True, slots=True)
class WorkerNews:
    """What the next events say of workers.

    Attributes:
        last: number of the last event.
        became: all that each worker has become in them.
        is_cut: whether there may be more events.
    """

    last: int
    became: Mapping[int, frozenset[str]]
    is_cut: bool


def place(connection: Connection, name: str) -> int:
    """The last event that was read; who reads for the first time begins with what comes next.

    When the youngest events are forgotten with their workers, SQLite gives their numbers to others: then one begins
    with what comes next, too.
    """
    last = newest(connection)
    value: int | None = connection.scalar(select(counters.c.value).where(counters.c.name == name))
    if value is None:
        insert_missing(connection, counters, [{"name": name, "value": last}])
        return last
    if value > last:
        move(connection, name, last)
    return min(value, last)


def skip(connection: Connection, name: str) -> None:
    """What has happened so far counts as read."""
    move(connection, name, newest(connection))


def move(connection: Connection, name: str, event_id: int) -> None:
    """Everything up to that event was read."""
    connection.execute(update(counters).where(counters.c.name == name).values(value=event_id))


def changed_workers(connection: Connection, after: int, limit: int, until: datetime | None = None) -> WorkerNews:
    """The workers that the next events are about; the events of jobs among them are passed over.

    Args:
        connection: a transaction.
        after: the last event that was read.
        limit: events that are read at the most.
        until: the first event that is younger, and all after it, are left for later: as long as a transaction is open
            that has begun before, it may still bring events with smaller numbers.
    """
    columns = (history.c.event_id, history.c.kind, history.c.subject, history.c.became, history.c.at)
    query = select(*columns).where(history.c.event_id > after).order_by(history.c.event_id)
    read = connection.execute(query.limit(limit)).all()
    rows = list(takewhile(lambda row: until is None or row.at <= until, read))
    found: dict[int, set[str]] = defaultdict(set)
    for _, kind, subject, became, _ in rows:
        if kind == Kind.WORKER.value:
            found[subject].add(became)
    last = rows[-1][0] if rows else after
    return WorkerNews(last, {worker: frozenset(some) for worker, some in found.items()}, len(rows) == limit)


def newest(connection: Connection) -> int:
    """The last event that there is; 0 if there is none."""
    return connection.scalar(select(func.max(history.c.event_id))) or 0
