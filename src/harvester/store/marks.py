"""How far somebody has read in the history."""

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


def changed_workers(connection: Connection, after: int, limit: int) -> tuple[int, list[int]]:
    """The last of the next events, and the workers that they are about."""
    query = select(history.c.event_id, history.c.kind, history.c.subject).where(history.c.event_id > after)
    rows = connection.execute(query.order_by(history.c.event_id).limit(limit)).all()
    last = rows[-1][0] if rows else after
    return last, sorted({row[2] for row in rows if row[1] == Kind.WORKER.value})
