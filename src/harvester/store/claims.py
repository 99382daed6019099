"""What processes have in hand, for a person who wonders whether something is stuck."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, func, select

from harvester.store import leases
from harvester.store.leases import (
    DUTY,
    EVENT_REQUEST,
    JOB_REPORT,
    JOB_WORK,
    QUEUE_FETCH,
    QUEUE_MONITOR,
    QUEUE_SIZE,
    UNCLAIMED,
    WORKER_KILL,
    WORKER_LOG,
    WORKER_REPORT,
    WORKER_WORK,
    Claim,
    Pair,
)

_WORDS: Final[Mapping[Pair, str]] = {
    JOB_WORK: "jobs whose files are moved",
    JOB_REPORT: "reports of jobs",
    WORKER_WORK: "workers to submit, search, feed or sweep",
    WORKER_REPORT: "reports of workers",
    WORKER_KILL: "workers to kill",
    EVENT_REQUEST: "workers that wait for event ranges",
    WORKER_LOG: "logs to upload",
    QUEUE_FETCH: "queues to fetch jobs for",
    QUEUE_SIZE: "queues to size",
    QUEUE_MONITOR: "queues whose workers are checked",
    DUTY: "rounds for all processes",
}


@dataclass(frozen=True, slots=True)
class InHand:
    """Rows of one kind that a process holds.

    Attributes:
        host, pid: of the process; None if it is gone, and its claims with it as soon as somebody notices.
        until: when the first of them comes free unless its claim is renewed.
    """

    host: str | None
    pid: int | None
    what: str
    rows: int
    until: datetime


def in_hand(connection: Connection) -> list[InHand]:
    """All that is held now, by process and kind; goes through all rows."""
    owners = {each.owner_id: each for each in leases.list_owners(connection)}
    found = []
    for pair, what in _WORDS.items():
        by_owner: dict[int, list[tuple[int, datetime]]] = defaultdict(list)
        query = select(pair.fence, func.count(), func.min(pair.due)).where(pair.fence != UNCLAIMED)
        for fence, rows, until in connection.execute(query.group_by(pair.fence)):
            by_owner[Claim(pair, (), fence).owner_id].append((rows, until))
        for number, some in by_owner.items():
            host, pid = (owners[number].host, owners[number].pid) if number in owners else (None, None)
            rows, until = sum(count for count, _ in some), min(moment for _, moment in some)
            found.append(InHand(host, pid, what, rows, until))
    return sorted(found, key=lambda each: (each.host or "", each.pid or 0, each.what))
