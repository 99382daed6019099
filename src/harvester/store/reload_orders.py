"""People's orders to read the queue configuration again, counted: whoever sees the number change reads it."""

from typing import Final

from sqlalchemy import Connection, select, update

from harvester.store.schema import counters
from harvester.store.sets import insert_missing

_NAME: Final = "reload orders"


def number(connection: Connection) -> int:
    """How many there were so far."""
    return connection.scalar(select(counters.c.value).where(counters.c.name == _NAME)) or 0


def add(connection: Connection) -> None:
    """One more: every process reads at its next look."""
    insert_missing(connection, counters, [{"name": _NAME, "value": 0}])
    connection.execute(update(counters).where(counters.c.name == _NAME).values(value=counters.c.value + 1))
