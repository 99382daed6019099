"""How far somebody has read in the history."""

from collections import defaultdict

from sqlalchemy import Connection, func, select, update

from harvester.store.history import Kind
from harvester.store.schema import counters, history
from harvester.store.sets import insert_missing


def place(connection: Connection, name: str) -> int:
    """The last event that was read; who reads for the first time begins with what comes next."""
    value = connection.scalar(select(counters.c.value).where(counters.c.name == name))
    if value is None:
        value = connection.scalar(select(func.max(history.c.event_id))) or 0
        insert_missing(connection, counters, [{"name": name, "value": value}])
    return value


def move(connection: Connection, name: str, event_id: int) -> None:
    """Everything up to that event was read."""
    connection.execute(update(counters).where(counters.c.name == name).values(value=event_id))


def changed_workers(connection: Connection, after: int, limit: int) -> tuple[int, dict[int, frozenset[str]]]:
    """The last of the next events, and the workers that they are about with all that these have become in them."""
    columns = (history.c.event_id, history.c.kind, history.c.subject, history.c.became)
    query = select(*columns).where(history.c.event_id > after).order_by(history.c.event_id)
    rows = connection.execute(query.limit(limit)).all()
    found: dict[int, set[str]] = defaultdict(set)
    for _, kind, subject, became in rows:
        if kind == Kind.WORKER.value:
            found[subject].add(became)
    return rows[-1][0] if rows else after, {worker: frozenset(some) for worker, some in found.items()}
