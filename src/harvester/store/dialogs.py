"""Messages for the server: kept until it has them, at most an hour, at most a thousand."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, delete, func, select

from harvester.core.dialogs import Dialog, DialogLevel
from harvester.store.schema import dialogs
from harvester.store.sets import insert_rows, one_of

_KEPT: Final = timedelta(hours=1)
_MOST: Final = 1000
_COLUMNS: Final = ("at", "module", "identifier", "level", "message")


def add(connection: Connection, messages: Sequence[Dialog], now: datetime) -> None:
    """Keep messages for the server; what it did not take in time, or what is too much, is dropped, oldest first."""
    insert_rows(
        connection,
        dialogs,
        _COLUMNS,
        [(each.at, each.module, each.identifier, each.level.value, each.message) for each in messages],
    )
    newest = connection.scalar(select(func.max(dialogs.c.dialog_id))) or 0
    too_old = (dialogs.c.at < now - _KEPT) | (dialogs.c.dialog_id <= newest - _MOST)
    connection.execute(delete(dialogs).where(too_old))


def oldest(connection: Connection, limit: int) -> list[tuple[int, Dialog]]:
    """Messages by number; the server replaces one by a later one of the same number, so numbers are never reused."""
    query = select(dialogs.c.dialog_id, *(dialogs.c[name] for name in _COLUMNS))
    rows = connection.execute(query.order_by(dialogs.c.dialog_id).limit(limit))
    return [(row[0], Dialog(row[1], row[2], row[3], DialogLevel(row[4]), row[5])) for row in rows]


def remove(connection: Connection, numbers: Sequence[int]) -> None:
    """The server has these."""
    if numbers:
        connection.execute(delete(dialogs).where(one_of(connection, dialogs.c.dialog_id, numbers)))
