"""Commands from the server; stored before anything else, since reading them takes them from the server."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select, update

from harvester.store.schema import commands
from harvester.store.sets import insert_missing, one_of


@dataclass(frozen=True, slots=True)
class StoredCommand:
    """One command of the server."""

    command_id: int
    name: str
    target: str | None
    params: Mapping[str, object] | Sequence[object] | None
    ack_requested: bool


def store(connection: Connection, received: Sequence[StoredCommand], now: datetime) -> None:
    """Keep commands until they are done; one that is known already, or comes twice, is left alone."""
    rows = [
        {
            "command_id": each.command_id,
            "name": each.name,
            "target": each.target,
            "params": each.params,
            "ack_requested": int(each.ack_requested),
            "received_at": now,
        }
        for each in received
    ]
    insert_missing(connection, commands, rows)


def open_commands(connection: Connection, limit: int) -> list[StoredCommand]:
    """Commands that are not done yet, oldest first; others leave them alone until the transaction ends."""
    columns = (commands.c.command_id, commands.c.name, commands.c.target, commands.c.params, commands.c.ack_requested)
    query = select(*columns).where(commands.c.done_at.is_(None)).order_by(commands.c.command_id).limit(limit)
    rows = connection.execute(query.with_for_update(skip_locked=True))
    return [StoredCommand(row[0], row[1], row[2], row[3], bool(row[4])) for row in rows]


def finish(connection: Connection, command_ids: Collection[int], now: datetime) -> None:
    """These commands are done."""
    connection.execute(
        update(commands).where(one_of(connection, commands.c.command_id, command_ids)).values(done_at=now)
    )


def to_acknowledge(connection: Connection, limit: int) -> list[int]:
    """Commands that are done and that the server wants to hear about."""
    query = select(commands.c.command_id).where(commands.c.done_at.is_not(None), commands.c.ack_requested == 1)
    return list(connection.scalars(query.limit(limit)))


def remove(connection: Connection, command_ids: Collection[int]) -> None:
    """Forget commands that are done and acknowledged."""
    connection.execute(delete(commands).where(one_of(connection, commands.c.command_id, command_ids)))


def remove_unacknowledged(connection: Connection) -> None:
    """Forget commands that are done and that nobody asks about."""
    done = commands.c.done_at.is_not(None)
    connection.execute(delete(commands).where(done, commands.c.ack_requested == 0))
