"""Queues that people hold back, in the database."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, or_, select

from harvester.core.holds import EVERY_QUEUE, Hold
from harvester.store.leases import QUEUE_FETCH, QUEUE_SIZE, nudge_queues
from harvester.store.schema import holds, queues


def put(connection: Connection, hold: Hold) -> None:
    """From now on the queue is held back so, and not as it was before; holds whose time is over are forgotten."""
    connection.execute(delete(holds).where(or_(holds.c.queue == hold.queue, holds.c.until <= hold.since)))
    names = ("queue", "mode", "reason", "author", "since", "until")
    connection.execute(insert(holds).values({name: getattr(hold, name) for name in names}))


def remove(connection: Connection, queue: str, now: datetime) -> bool:
    """The queue is held back no longer, and looked at soon; False if it was not.

    What somebody said of all queues together stays, unless `queue` is all of them.
    """
    was_held = connection.execute(delete(holds).where(holds.c.queue == queue)).rowcount > 0
    query = select(queues.c.name).where(queues.c.active == 1)
    if queue != EVERY_QUEUE:
        query = query.where(queues.c.name == queue)
    names = list(connection.scalars(query))
    for pair in (QUEUE_FETCH, QUEUE_SIZE):
        nudge_queues(connection, pair, names, now, timedelta())
    return was_held


def present(connection: Connection) -> list[Hold]:
    """All holds, also those whose time is over."""
    return [Hold(*row) for row in connection.execute(select(holds).order_by(holds.c.queue))]
