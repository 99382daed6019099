"""Rounds that one process of the instance does for all: who does the next one, and when."""

from datetime import datetime

from sqlalchemy import Connection, update

from harvester.store.leases import DUTY, UNCLAIMED
from harvester.store.schema import duties
from harvester.store.sets import insert_missing


def take(connection: Connection, name: str, fence: int, *, now: datetime, until: datetime) -> bool:
    """Whether the round is due and nobody else does it; it is ours until then."""
    insert_missing(connection, duties, [{"name": name, **DUTY.set(now)}])
    mine = update(duties).where(duties.c.name == name, DUTY.due <= now)
    return connection.execute(mine.values(DUTY.set(until, fence))).rowcount == 1


def extend(connection: Connection, name: str, fence: int, until: datetime) -> None:
    """What is still ours stays so until then."""
    connection.execute(update(duties).where(duties.c.name == name, DUTY.fence == fence).values(due=until))


def put_down(connection: Connection, name: str, fence: int, due: datetime) -> None:
    """The round is over, the next one is due then; one that somebody has taken over meanwhile is theirs."""
    mine = update(duties).where(duties.c.name == name, DUTY.fence == fence)
    connection.execute(mine.values(DUTY.set(due, UNCLAIMED)))


def hasten(connection: Connection, name: str, now: datetime) -> None:
    """The next round is due now, unless one is under way."""
    free = update(duties).where(duties.c.name == name, DUTY.fence == UNCLAIMED, DUTY.due > now)
    connection.execute(free.values(due=now))
