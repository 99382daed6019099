"""Claims on rows: who holds what, until when, and how a dead holder's rows come free.

A claim number (fence) is `owner * 2^32 + count`, so it names its owner, is never reused, and a write guarded by an
outdated one changes nothing.
"""

import itertools
import threading
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from pydantic import JsonValue
from sqlalchemy import ColumnElement, Connection, Table, and_, case, delete, insert, literal, or_, select, update

from harvester.core.process_report import ProcessReport, read_report
from harvester.store.schema import duties, event_requests, jobs, owners, queues, worker_logs, workers
from harvester.store.selection import Selection, Values
from harvester.store.sets import none_of, one_of
from harvester.store.types import UtcTime

UNCLAIMED: Final = 0
"""The fence of rows that nobody holds."""
_OWNER_SHIFT: Final = 32
TOGETHER: Final = timedelta(seconds=2)
"""News that end nothing reach the server within so long, and with them what follows meanwhile."""
BATCH: Final = 2000
"""Rows that one claim takes: large enough that statements per row are few, small enough to be held for seconds."""


@dataclass(frozen=True, slots=True)
class Pair:
    """The due and fence columns of one kind of work on one table."""

    table: Table
    prefix: str = ""

    @property
    def due(self) -> ColumnElement[datetime]:
        """When the row has to be looked at."""
        return self.table.c[f"{self.prefix}due"]

    @property
    def fence(self) -> ColumnElement[int]:
        """The claim that holds the row, 0 for nobody."""
        return self.table.c[f"{self.prefix}fence"]

    @property
    def queue(self) -> ColumnElement[str]:
        """The name of the row's queue."""
        return self.table.c["name" if self.table is queues else "queue"]

    @property
    def key(self) -> ColumnElement[int]:
        """The integer primary key."""
        return self.table.primary_key.columns[0]

    def set(self, due: object, fence: int = 0) -> dict[str, object]:
        """Column values for a row that is claimed or let go."""
        return {f"{self.prefix}due": due, f"{self.prefix}fence": fence}

    def hasten(self, due: datetime) -> dict[str, object]:
        """Column values for a row that is let go and due at `due`, or when it was due already if that is earlier."""
        return self.set(case((self.due <= due, self.due), else_=_moment(due)))


JOB_WORK: Final = Pair(jobs)
JOB_REPORT: Final = Pair(jobs, "report_")
WORKER_WORK: Final = Pair(workers)
WORKER_REPORT: Final = Pair(workers, "report_")
WORKER_KILL: Final = Pair(workers, "kill_")
EVENT_REQUEST: Final = Pair(event_requests)
WORKER_LOG: Final = Pair(worker_logs)
QUEUE_FETCH: Final = Pair(queues, "fetch_")
QUEUE_SIZE: Final = Pair(queues, "size_")
QUEUE_MONITOR: Final = Pair(queues, "monitor_")
DUTY: Final = Pair(duties)
ROW_PAIRS: Final = (JOB_WORK, JOB_REPORT, WORKER_WORK, WORKER_REPORT, WORKER_KILL, EVENT_REQUEST, WORKER_LOG)
QUEUE_PAIRS: Final = (QUEUE_FETCH, QUEUE_SIZE, QUEUE_MONITOR)


class Owner:
    """This process as a holder of claims."""

    def __init__(self, owner_id: int) -> None:
        self.owner_id = owner_id
        self._count = itertools.count(1)

    def next_fence(self) -> int:
        """A number that no claim ever had."""
        return (self.owner_id << _OWNER_SHIFT) + next(self._count)


@dataclass(frozen=True, slots=True)
class ClaimTicket:
    """What rows are claimed with.

    Attributes:
        fence: a number that no claim ever had.
        now: rows that are due by then may be claimed.
        until: how long they are held unless the claim is renewed.
        busy: what units still in hand or resting are about; the rows of these queues are left alone.
        limit: the most rows to claim.
        reached_limit: set by who has dealt with as many: more may be due.
    """

    fence: int
    now: datetime
    until: datetime
    busy: frozenset[str] = frozenset()
    limit: int = BATCH
    reached_limit: threading.Event = field(default_factory=threading.Event, compare=False)


@dataclass(frozen=True, slots=True)
class Claim:
    """Rows held under one fence; `keys` are queue names where the pair is one of queues."""

    pair: Pair
    keys: Sequence[int] | Sequence[str]
    fence: int

    @property
    def owner_id(self) -> int:
        """The process that claimed them."""
        return self.fence >> _OWNER_SHIFT


@dataclass(frozen=True, slots=True)
class OwnerRecord:
    """A process that holds or held claims.

    Attributes:
        birth: tells it from a later process of the host with the same id.
        since: when it became a holder of claims.
        expires_at: when it is taken for dead unless it speaks before.
    """

    owner_id: int
    host: str
    pid: int
    birth: str
    since: datetime
    expires_at: datetime


_OWNER: Final = tuple(owners.c[each.name] for each in fields(OwnerRecord))


def register_owner(
    connection: Connection, host: str, pid: int, birth: str, *, now: datetime, expires_at: datetime
) -> Owner:
    """After this, the process may claim rows under its own number."""
    values = {"host": host, "pid": pid, "birth": birth, "since": now, "expires_at": expires_at}
    result = connection.execute(insert(owners).values(values))
    key = result.inserted_primary_key
    if key is None:
        raise AssertionError("the database gave the new owner no number")
    return Owner(int(key[0]))


def extend_owner(connection: Connection, owner: Owner, expires_at: datetime, report: JsonValue = None) -> bool:
    """The process says that it lives, and how it does; False if others have already taken its claims."""
    mine = update(owners).where(owners.c.owner_id == owner.owner_id)
    return connection.execute(mine.values(expires_at=expires_at, report=report)).rowcount == 1


def list_owners(connection: Connection) -> list[OwnerRecord]:
    """All processes that may hold claims."""
    return [OwnerRecord(*row) for row in connection.execute(select(*_OWNER))]


def list_reports(connection: Connection) -> list[tuple[OwnerRecord, ProcessReport]]:
    """The same with what they last told of themselves."""
    rows = connection.execute(select(*_OWNER, owners.c.report).order_by(owners.c.owner_id))
    return [(OwnerRecord(*owner), read_report(report)) for *owner, report in rows]


def release_owner(connection: Connection, owner_id: int, now: datetime) -> int:
    """Free everything a process held; returns how many claims. What it still writes under them is refused."""
    low, high = owner_id << _OWNER_SHIFT, (owner_id + 1) << _OWNER_SHIFT
    freed = 0
    for pair in (*ROW_PAIRS, *QUEUE_PAIRS, DUTY):
        held = update(pair.table).where(pair.fence >= low, pair.fence < high)
        freed += connection.execute(held.values(pair.set(now))).rowcount
    connection.execute(delete(owners).where(owners.c.owner_id == owner_id))
    return freed


def next_due(
    connection: Connection,
    pair: Pair,
    phase: StrEnum | None = None,
    *where: ColumnElement[bool],
    besides: Collection[str] = (),
) -> datetime | None:
    """When the next row of this kind of work is due, held ones when their claim runs out; None if there is none.

    The first row in the order of the index is looked for: a least value under conditions is found by MariaDB only when
    it has looked at all rows.

    Args:
        connection: any transaction.
        pair: the kind of work.
        phase: of the rows, where several agents share the pair.
        where: what the rows must be besides.
        besides: rows of these queues do not count.
    """
    query = select(pair.due).where(pair.due.is_not(None), *where).order_by(pair.due).limit(1)
    if phase is not None:
        query = query.where(pair.table.c.phase == phase)
    if pair in {QUEUE_FETCH, QUEUE_SIZE}:
        query = query.where(queues.c.active == 1)
    if besides:
        query = query.where(pair.queue.not_in(sorted(besides)))
    return connection.scalar(query)


def claim_rows(
    connection: Connection,
    pair: Pair,
    selection: Selection,
    ticket: ClaimTicket,
    *where: ColumnElement[bool],
    also: Mapping[str, object] | None = None,
) -> list[Values]:
    """Rows that are due, the most overdue first, now held under the ticket; their values as they were before.

    Args:
        connection: a write transaction.
        pair: the kind of work.
        selection: what to read; the key must come first.
        ticket: what is claimed with.
        where: what the rows must be besides.
        also: further columns to set.
    """
    values = {**pair.set(ticket.until, ticket.fence), **(also or {})}
    rows = lock_due(connection, pair, selection, ticket, *where)
    if rows:
        held = update(pair.table).where(one_of(connection, pair.key, [row[0] for row in rows]))
        connection.execute(held.values(values))
    return rows


def lock_due(
    connection: Connection, pair: Pair, selection: Selection, ticket: ClaimTicket, *where: ColumnElement[bool]
) -> list[Values]:
    """The values of rows that are due, the most overdue first; nobody else changes them until the transaction ends.

    Rows that another process has locked are passed over. On engines that lock rows these are locked first and looked
    at then: a statement that locks a row which somebody has just committed may see other tables, such as the jobs of a
    worker, as they were before.
    """
    due = and_(pair.due <= ticket.now, *where)
    if connection.dialect.name != "sqlite":
        oldest = select(pair.key).where(due).order_by(pair.due).limit(ticket.limit)
        locked = connection.scalars(oldest.with_for_update(skip_locked=True)).all()
        if not locked:
            return []
        due = and_(one_of(connection, pair.key, locked), due)
    query = select(*selection.raw).where(due).order_by(pair.due).limit(ticket.limit)
    return selection.convert(connection.execute(query).all())


def held_keys(connection: Connection, pair: Pair, keys: Collection[int], fence: int) -> frozenset[int]:
    """Which of these rows are still held under the claim; they stay so until the transaction ends."""
    held = select(pair.key).where(one_of(connection, pair.key, keys), pair.fence == fence)
    return frozenset(connection.scalars(held.with_for_update()))


def extend(connection: Connection, claims: Iterable[Claim], until: datetime) -> None:
    """What is still held of these claims is held until `until`; claims of one fence cost one statement."""
    together: dict[tuple[Pair, int], list[int | str]] = defaultdict(list)
    for claim in claims:
        together[claim.pair, claim.fence].extend(claim.keys)
    for (pair, fence), keys in together.items():
        held = update(pair.table).where(_chosen(connection, pair, keys), pair.fence == fence)
        connection.execute(held.values({pair.due.key: until}))


def give_back(connection: Connection, claim: Claim, due: datetime) -> None:
    """What is still held of the claim is free, and due again at `due`."""
    held = update(claim.pair.table).where(_chosen(connection, claim.pair, claim.keys), claim.pair.fence == claim.fence)
    connection.execute(held.values(claim.pair.set(due)))


def _chosen(connection: Connection, pair: Pair, keys: Sequence[int | str]) -> ColumnElement[bool]:
    if pair in QUEUE_PAIRS:
        return queues.c.name.in_(keys)
    return one_of(connection, pair.key, [int(key) for key in keys])


def claim_queues(connection: Connection, pair: Pair, ticket: ClaimTicket) -> list[str]:
    """Names of queues that are due, now held under the ticket; only active ones, except to watch over their workers.

    One that was nudged while the agent lets it rest has to wait all the same.
    """
    wanted = (pair.due <= ticket.now, *none_of(queues.c.name, ticket.busy))
    if pair is not QUEUE_MONITOR:
        wanted = (*wanted, queues.c.active == 1)
    due = select(queues.c.name).where(*wanted).order_by(pair.due).limit(ticket.limit)
    names = list(connection.scalars(due.with_for_update(skip_locked=True)))
    if len(names) == ticket.limit:
        ticket.reached_limit.set()
    if names:
        values = {**pair.set(ticket.until, ticket.fence), f"{pair.prefix}again": 0}
        connection.execute(update(queues).where(queues.c.name.in_(names)).values(values))
    return names


def let_queues_go(
    connection: Connection,
    pair: Pair,
    names: Sequence[str],
    fence: int,
    *,
    due: datetime,
    now: datetime,
    not_before: datetime | None = None,
) -> frozenset[str]:
    """End a claim on queues and return those that were still held; the others' results must not be written.

    A queue that was nudged while it was held is due at once, but no nudge makes it due before `not_before`.
    """
    if not names:
        return frozenset()
    still = select(queues.c.name).where(queues.c.name.in_(names), pair.fence == fence).with_for_update()
    held = frozenset(connection.scalars(still))
    again = queues.c[f"{pair.prefix}again"]
    soon = now if not_before is None else max(now, not_before)
    next_due = case((again == 1, _moment(soon)), else_=_moment(due))
    mine = update(queues).where(queues.c.name.in_(held), pair.fence == fence)
    values = {**pair.set(next_due), again.key: 0, f"{pair.prefix}not_before": not_before}
    connection.execute(mine.values(values))
    return held


def rest_queues(connection: Connection, pair: Pair, names: Sequence[str], until: datetime) -> None:
    """Nothing makes these queues due before then; who holds one loses it, and what he decided about it is refused."""
    if names:
        rested = update(queues).where(queues.c.name.in_(names))
        connection.execute(rested.values({**pair.set(until), f"{pair.prefix}not_before": until}))


def nudge_queues(connection: Connection, pair: Pair, names: Sequence[str], now: datetime, by: timedelta) -> None:
    """Make queues due not later than `by` from now; one that is held becomes due again when it is let go."""
    if not names:
        return
    not_before = queues.c[f"{pair.prefix}not_before"]
    soon = case((not_before > _moment(now + by), not_before), else_=_moment(now + by))
    again = queues.c[f"{pair.prefix}again"]
    due = case((or_(pair.fence != 0, pair.due <= soon), pair.due), else_=soon)
    nudged = update(queues).where(queues.c.name.in_(names))
    connection.execute(nudged.values({pair.due.key: due, again.key: 1}))


def _moment(value: datetime) -> ColumnElement[datetime]:
    return literal(value, UtcTime)
