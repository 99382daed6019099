"""The processes of an instance, as far as its database and this machine can tell."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from harvester.core.process_report import ProcessReport
from harvester.plugins.local.processes import birth_of
from harvester.store import leases, moments
from harvester.store.leases import OwnerRecord


@dataclass(frozen=True, slots=True)
class Process:
    """A process of the instance.

    Attributes:
        alive: False if it has not spoken in time or is gone from this machine.
        report: what it told of itself last.
    """

    host: str
    pid: int
    since: datetime
    alive: bool
    report: ProcessReport = field(default_factory=ProcessReport)


def list_processes(connection: Connection, now: datetime) -> list[Process]:
    """All that registered and did not take leave, and what each told of itself.

    Args:
        connection: to the database.
        now: what time it is by this machine; counts only if nothing that lives here keeps the instance's time.
    """
    reports = leases.list_reports(connection)
    living = _living(connection, [owner for owner, _ in reports], now)
    return [Process(each.host, each.pid, each.since, each.owner_id in living, report) for each, report in reports]


def list_living(connection: Connection, now: datetime) -> list[OwnerRecord]:
    """Those that live, also where the tables are of an earlier version, which knows no reports."""
    owners = leases.list_owners(connection)
    living = _living(connection, owners, now)
    return [each for each in owners if each.owner_id in living]


def _living(connection: Connection, owners: Sequence[OwnerRecord], now: datetime) -> frozenset[int]:
    """This machine knows which of its own live.

    The others are judged by the time that the instance keeps, which a clock that was set does not change.
    """
    host = socket.gethostname()
    here = {each.owner_id: birth_of(each.pid) == each.birth for each in owners if each.host == host}
    last = moments.last(connection) or now
    late = last if any(here.values()) else max(last, now)
    return frozenset(each.owner_id for each in owners if here.get(each.owner_id, each.expires_at > late))
