"""The processes of an instance, as far as its database and this machine can tell."""

import socket
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from harvester.plugins.local.processes import birth_of
from harvester.store import leases
from harvester.store.leases import OwnerRecord


@dataclass(frozen=True, slots=True)
class Process:
    """A process of the instance; `alive` is False if it has not spoken in time or is gone from this machine."""

    host: str
    pid: int
    since: datetime
    alive: bool


def list_processes(connection: Connection, now: datetime) -> list[Process]:
    """All that registered and did not take leave."""
    host = socket.gethostname()
    return [
        Process(each.host, each.pid, each.since, each.expires_at > now and not _is_gone(each, host))
        for each in leases.list_owners(connection)
    ]


def _is_gone(owner: OwnerRecord, host: str) -> bool:
    """Whether it ended on this machine; its record lives on until it runs out."""
    return owner.host == host and birth_of(owner.pid) != owner.birth
