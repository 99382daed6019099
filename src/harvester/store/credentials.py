"""How long the credentials on each host are valid, for people and for the server."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, delete, select

from harvester.store.schema import credentials
from harvester.store.sets import insert_rows

_LONGEST_NAME: Final = 190
_COLUMNS: Final = ("host", "name", "setup", "valid_until", "checked_at", "renewed_at", "problem")


@dataclass(frozen=True, slots=True)
class CredentialRecord:
    """What is known of one credential on one host.

    Attributes:
        name: the path of its file.
        setup: of the manager that keeps it.
        valid_until: when it runs out; None if it does not, or if that is not known.
        renewed_at: when it was last renewed here; None if that was never seen.
        problem: why it is not valid, or could not be renewed; empty if all is well.
    """

    host: str
    name: str
    setup: str
    valid_until: datetime | None
    checked_at: datetime
    renewed_at: datetime | None
    problem: str


def replace(connection: Connection, host: str, records: Sequence[CredentialRecord]) -> None:
    """These are all credentials of the host; what was known of others there is forgotten, last renewals are not."""
    renewals = {each.name: each.renewed_at for each in of_hosts(connection, host)}
    connection.execute(delete(credentials).where(credentials.c.host == host))
    rows = {
        (name := _short(each.name)): (
            host,
            name,
            each.setup,
            each.valid_until,
            each.checked_at,
            each.renewed_at or renewals.get(name),
            each.problem,
        )
        for each in records
    }
    insert_rows(connection, credentials, _COLUMNS, list(rows.values()))


def of_hosts(connection: Connection, *hosts: str) -> list[CredentialRecord]:
    """The credentials of these hosts, without any of all."""
    query = select(*(credentials.c[name] for name in _COLUMNS)).order_by(credentials.c.name, credentials.c.host)
    if hosts:
        query = query.where(credentials.c.host.in_(hosts))
    return [CredentialRecord(*row) for row in connection.execute(query)]


def _short(name: str) -> str:
    """The end of a path tells more than its beginning."""
    return name if len(name) <= _LONGEST_NAME else f"…{name[1 - _LONGEST_NAME :]}"
