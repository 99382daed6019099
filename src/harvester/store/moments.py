"""How late it is for an instance, also while none of its processes runs."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, select, update

from harvester.store.schema import counters
from harvester.store.sets import insert_missing
from harvester.store.types import EPOCH, to_microseconds

_NAME: Final = "time"


def last(connection: Connection) -> datetime | None:
    """The latest moment that any process of the instance has spoken of; None before the first."""
    value = connection.scalar(select(counters.c.value).where(counters.c.name == _NAME))
    return None if value is None else EPOCH + timedelta(microseconds=value)


def note(connection: Connection, now: datetime) -> None:
    """It is at least so late."""
    value = to_microseconds(now)
    later = update(counters).where(counters.c.name == _NAME, counters.c.value < value)
    if connection.execute(later.values(value=value)).rowcount == 0:
        insert_missing(connection, counters, [{"name": _NAME, "value": value}])
