"""What the instance remembers of its queues between rounds."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, case, literal, select, update

from harvester.store.schema import queue_notes, queues, workers
from harvester.store.sets import change_rows, insert_missing
from harvester.store.types import UtcTime


@dataclass(frozen=True, slots=True)
class Note:
    """The last word of an agent on a queue, and since when it says so."""

    agent: str
    since: datetime
    note: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class QueueState:
    """One queue with the last words of the agents that serve it."""

    name: str
    active: bool
    notes: tuple[Note, ...]


def activate(
    connection: Connection, names: Collection[str], now: datetime, urgent: Collection[str] | None = None
) -> None:
    """Exactly these queues are served from now on; the others keep what they hold and are still monitored.

    One that has to rest (`leases.rest_queues`) goes on resting.

    Args:
        connection: a write transaction.
        names: the queues.
        now: when the urgent ones are looked at.
        urgent: those that nobody should wait for; None for all.
    """
    insert_missing(connection, queues, [{"name": name} for name in sorted(names)])
    connection.execute(update(queues).where(queues.c.name.not_in(names), queues.c.active == 1).values(active=0))
    connection.execute(update(queues).where(queues.c.name.in_(names), queues.c.active == 0).values(active=1))
    soon = names if urgent is None else urgent
    for pair in ("fetch_", "size_", "monitor_") if soon else ():
        idle, rest = queues.c[f"{pair}fence"] == 0, queues.c[f"{pair}not_before"]
        at = literal(now, UtcTime)
        due = case((rest > at, rest), else_=at)
        connection.execute(update(queues).where(queues.c.name.in_(soon), idle).values({f"{pair}due": due}))


def active(connection: Connection) -> list[str]:
    """The queues that are served, by name."""
    return list(connection.scalars(select(queues.c.name).where(queues.c.active == 1).order_by(queues.c.name)))


def leave_alone(connection: Connection, known: Collection[str]) -> None:
    """Queues that no configuration knows and that hold no workers are not watched any more, until they come back."""
    held = select(workers.c.worker_id).where(workers.c.queue == queues.c.name).exists()
    gone = (queues.c.name.not_in(known), queues.c.monitor_due.is_not(None), queues.c.monitor_fence == 0, ~held)
    connection.execute(update(queues).where(*gone).values(monitor_due=None))


def states(connection: Connection) -> list[QueueState]:
    """All queues ever served, by name."""
    notes: dict[str, list[Note]] = {}
    for row in connection.execute(select(queue_notes).order_by(queue_notes.c.agent)):
        notes.setdefault(row.queue, []).append(Note(row.agent, row.since, row.note))
    rows = connection.execute(select(queues.c.name, queues.c.active).order_by(queues.c.name))
    return [QueueState(row[0], bool(row[1]), tuple(notes.get(row[0], ()))) for row in rows]


def note(connection: Connection, agent: str, notes: Mapping[str, Mapping[str, object]], now: datetime) -> None:
    """Remember an agent's last word on each of these queues; a word that is repeated keeps its time."""
    if not notes:
        return
    query = select(queue_notes.c.queue, queue_notes.c.note)
    rows = connection.execute(query.where(queue_notes.c.agent == agent, queue_notes.c.queue.in_(notes)))
    old: dict[str, object] = {row[0]: row[1] for row in rows}
    fresh = [
        {"queue": queue, "agent": agent, "since": now, "note": dict(text)}
        for queue, text in notes.items()
        if old.get(queue) != text
    ]
    insert_missing(connection, queue_notes, [row for row in fresh if row["queue"] not in old])
    change_rows(connection, queue_notes, [row for row in fresh if row["queue"] in old])
