"""Versions of queue configurations, kept for as long as a job or worker has them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import JsonValue
from sqlalchemy import ColumnElement, Connection, Table, delete, func, select, update

from harvester.store.schema import jobs, queue_versions, workers
from harvester.store.sets import insert_missing, one_of


@dataclass(frozen=True, slots=True)
class QueueVersion:
    """A configuration of a queue; the digest tells it from the others, the number stands with jobs and workers."""

    queue: str
    digest: str
    config: dict[str, JsonValue] = field(repr=False)
    number: int = 0


def register(connection: Connection, versions: Sequence[QueueVersion], now: datetime) -> dict[str, int]:
    """Use these versions from now on; returns their numbers by queue. One that was there before keeps its number."""
    queues = {each.queue for each in versions}
    known = _numbers(connection, queues)
    rows = [
        {"queue": each.queue, "digest": each.digest, "config": each.config, "confirmed_at": now}
        for each in versions
        if (each.queue, each.digest) not in known
    ]
    if rows:
        insert_missing(connection, queue_versions, rows)
        known = _numbers(connection, queues)
    numbers = {each.queue: known[each.queue, each.digest] for each in versions}
    mine = update(queue_versions).where(queue_versions.c.version.in_(numbers.values()))
    if numbers:
        connection.execute(mine.values(confirmed_at=now))
    return numbers


def _numbers(connection: Connection, queues: Collection[str]) -> dict[tuple[str, str], int]:
    columns = (queue_versions.c.queue, queue_versions.c.digest, queue_versions.c.version)
    query = select(*columns).where(queue_versions.c.queue.in_(queues))
    return {(row[0], row[1]): row[2] for row in connection.execute(query)}


def newest(connection: Connection) -> int:
    """The highest number so far; 0 if there is none."""
    return connection.scalar(select(func.max(queue_versions.c.version))) or 0


def beyond(connection: Connection, number: int) -> list[QueueVersion]:
    """Versions with a higher number, in their order."""
    columns = (queue_versions.c.queue, queue_versions.c.digest, queue_versions.c.config, queue_versions.c.version)
    query = select(*columns).where(queue_versions.c.version > number).order_by(queue_versions.c.version)
    return [QueueVersion(row[0], row[1], row[2], row[3]) for row in connection.execute(query)]


def find(connection: Connection, numbers: Collection[int]) -> dict[int, QueueVersion]:
    """The versions of these numbers; those that are not kept any more, or never were, are left out."""
    columns = (queue_versions.c.queue, queue_versions.c.digest, queue_versions.c.config, queue_versions.c.version)
    query = select(*columns).where(one_of(connection, queue_versions.c.version, numbers))
    return {row[3]: QueueVersion(*row) for row in connection.execute(query)}


def numbers_of(connection: Connection, digests: Mapping[str, str]) -> dict[str, int]:
    """The numbers of the versions with these digests, by queue; those that no service has used yet are left out."""
    known = _numbers(connection, digests)
    return {queue: known[queue, digest] for queue, digest in digests.items() if (queue, digest) in known}


@dataclass(frozen=True, slots=True)
class KeptVersion:
    """A version that is kept, and for whom.

    Attributes:
        confirmed_at: when a process last said that it is the present one.
        jobs: how many jobs it was fetched with.
        workers: how many workers it was made with.
    """

    number: int
    queue: str
    confirmed_at: datetime
    jobs: int
    workers: int


def kept(connection: Connection, queue: str | None = None) -> list[KeptVersion]:
    """All versions, of one queue or of all, in their order."""
    of_jobs, of_workers = (_uses(connection, table, queue) for table in (jobs, workers))
    columns = (queue_versions.c.version, queue_versions.c.queue, queue_versions.c.confirmed_at)
    query = select(*columns).where(*_of(queue_versions, queue)).order_by(queue_versions.c.version)
    found = connection.execute(query)
    return [KeptVersion(*row, jobs=of_jobs.get(row[0], 0), workers=of_workers.get(row[0], 0)) for row in found]


def _uses(connection: Connection, table: Table, queue: str | None) -> dict[int, int]:
    query = select(table.c.config_version, func.count()).where(*_of(table, queue)).group_by(table.c.config_version)
    return {row[0]: row[1] for row in connection.execute(query)}


def _of(table: Table, queue: str | None) -> tuple[ColumnElement[bool], ...]:
    return () if queue is None else (table.c.queue == queue,)


def in_use(connection: Connection, queues: Collection[str]) -> frozenset[int]:
    """The versions that jobs and workers of these queues have."""
    found: set[int] = set()
    for table in (jobs, workers) if queues else ():
        mine = table.c.queue.in_(queues), table.c.config_version.is_not(None)
        found.update(connection.scalars(select(table.c.config_version).where(*mine).distinct()))
    return frozenset(found)


def remove_unused(connection: Connection, before: datetime) -> list[int]:
    """Forget versions that no process has used since then and no job or worker has; returns their numbers."""
    query = select(queue_versions.c.version, queue_versions.c.queue)
    old = {row[0]: row[1] for row in connection.execute(query.where(queue_versions.c.confirmed_at < before))}
    unused = sorted(old.keys() - in_use(connection, set(old.values())))
    if unused:
        connection.execute(delete(queue_versions).where(queue_versions.c.version.in_(unused)))
    return unused
