"""The processes of an instance, as far as its database and this machine can tell."""

import socket
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from harvester.core.process_report import ProcessReport
from harvester.plugins.local.processes import birth_of
from harvester.store import leases, moments


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
    """All that registered and did not take leave.

    This machine knows which of its own live. The others are judged by the time that the instance keeps, which a clock
    that was set does not change.

    Args:
        connection: to the database.
        now: what time it is by this machine; counts only if nothing that lives here keeps the instance's time.
    """
    host = socket.gethostname()
    found = leases.list_reports(connection)
    here = {each.owner_id: birth_of(each.pid) == each.birth for each, _ in found if each.host == host}
    last = moments.last(connection) or now
    late = last if any(here.values()) else max(last, now)
    return [
        Process(each.host, each.pid, each.since, here.get(each.owner_id, each.expires_at > late), report)
        for each, report in found
    ]
