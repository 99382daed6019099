"""What the service and its hosts were seen to use, for a week."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, cast

from sqlalchemy import Connection, Select, delete, func, select, update

from harvester.core.measuring import Metrics
from harvester.store.schema import measurements
from harvester.store.sets import insert_rows, one_of

_KEPT: Final = timedelta(weeks=1)
_COLUMNS: Final = (
    measurements.c.measurement_id,
    measurements.c.at,
    measurements.c.host,
    measurements.c.metrics,
)


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measurement of one host."""

    number: int
    at: datetime
    host: str
    metrics: Metrics


def add(connection: Connection, host: str, metrics: Metrics, now: datetime) -> None:
    """Keep a measurement; those of more than a week ago are dropped."""
    insert_rows(connection, measurements, ("at", "host", "metrics"), [(now, host, metrics)])
    connection.execute(delete(measurements).where(measurements.c.at < now - _KEPT))


def unreported(connection: Connection, limit: int) -> list[Measurement]:
    """Measurements that the server does not know, the oldest first."""
    return _read(connection, select(*_COLUMNS).where(measurements.c.reported == 0).limit(limit))


def mark_reported(connection: Connection, numbers: Sequence[int]) -> None:
    """The server knows these."""
    if numbers:
        known = one_of(connection, measurements.c.measurement_id, numbers)
        connection.execute(update(measurements).where(known).values(reported=1))


def latest(connection: Connection) -> list[Measurement]:
    """The last measurement of each host."""
    last = select(func.max(measurements.c.measurement_id)).group_by(measurements.c.host)
    return _read(connection, select(*_COLUMNS).where(measurements.c.measurement_id.in_(last)))


def _read(connection: Connection, query: Select[int, datetime, str, object]) -> list[Measurement]:
    rows = connection.execute(query.order_by(measurements.c.measurement_id))
    return [Measurement(row[0], row[1], row[2], cast("Metrics", row[3])) for row in rows]
