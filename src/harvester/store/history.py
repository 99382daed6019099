"""What happened to whom, when and why: the answer to `explain`."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection, delete, select

from harvester.core.records import record_type
from harvester.store.schema import history
from harvester.store.sets import insert_rows, one_of

LONGEST_CAUSE: Final = 500
"""Characters that are kept of a cause."""


class Kind(StrEnum):
    """What a history event is about."""

    JOB = "job"
    WORKER = "worker"


@record_type
class Event:
    """One change with its cause; `was` is None for the first."""

    kind: Kind
    subject: int
    at: datetime
    was: str | None
    became: str
    cause: str
    agent: str


def record(connection: Connection, events: Iterable[Event]) -> None:
    """Store events; causes are cut at `LONGEST_CAUSE`."""
    rows = [(each.kind.value, each.subject, each.at, each.was, each.became, each.cause, each.agent) for each in events]
    insert_rows(connection, history, ("kind", "subject", "at", "was", "became", "cause", "agent"), rows)


def last_causes(connection: Connection, kind: Kind, subjects: Sequence[int], became: str) -> dict[int, str]:
    """The cause of the last such event of each of these; those without one are left out."""
    mine = (history.c.kind == kind.value, one_of(connection, history.c.subject, subjects), history.c.became == became)
    query = select(history.c.subject, history.c.cause).where(*mine).order_by(history.c.event_id)
    return {row[0]: row[1] for row in connection.execute(query)}


def of(connection: Connection, kind: Kind, subject: int) -> list[Event]:
    """All that happened to one job or worker, oldest first."""
    columns = (history.c.kind, history.c.subject, history.c.at, history.c.was, history.c.became)
    query = select(*columns, history.c.cause, history.c.agent).where(
        history.c.kind == kind.value, history.c.subject == subject
    )
    rows = connection.execute(query.order_by(history.c.event_id))
    return [Event(Kind(row[0]), *row[1:]) for row in rows]


def forget(connection: Connection, kind: Kind, subjects: Sequence[int]) -> None:
    """Delete the events of jobs or workers that are deleted themselves."""
    gone = one_of(connection, history.c.subject, subjects)
    connection.execute(delete(history).where(history.c.kind == kind.value, gone))
