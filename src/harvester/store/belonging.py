"""Whom the database belongs to: two instances on one would take each other's processes and queues for their own."""

from typing import Final

from sqlalchemy import Connection, inspect, select, update

from harvester.store.migrate import TablesError
from harvester.store.schema import instance
from harvester.store.sets import insert_missing

_ONLY_ROW: Final = 1


class OtherInstanceError(TablesError):
    """The database, or a backup, belongs to an instance of another name."""


def instance_of(connection: Connection) -> str | None:
    """The `harvester_id` of the instance; None if the database has not been used since its tables know of any."""
    if not inspect(connection).has_table(instance.name):
        return None
    return connection.scalar(select(instance.c.harvester_id))


def require(connection: Connection, harvester_id: str) -> None:
    """Do nothing if the database belongs to the instance, or to nobody yet.

    Raises:
        OtherInstanceError: it belongs to another one.
    """
    found = instance_of(connection)
    if found not in (None, harvester_id):
        where = connection.engine.url.render_as_string(hide_password=True)
        raise OtherInstanceError(
            f"the database {where} belongs to instance {found}, not {harvester_id}; correct [db] or [master] "
            f"harvester_id. If {found} is the former name of this instance: `harvester db rename {found}`"
        )


def claim(connection: Connection, harvester_id: str) -> None:
    """The database belongs to the instance, if it belonged to nobody before.

    Raises:
        OtherInstanceError: it belongs to another one.
    """
    insert_missing(connection, instance, [{"only_row": _ONLY_ROW, "harvester_id": harvester_id}])
    require(connection, harvester_id)


def rename(connection: Connection, former: str, harvester_id: str) -> None:
    """The instance that had the former name has this one.

    Raises:
        OtherInstanceError: the database does not belong to an instance of the former name.
    """
    mine = update(instance).where(instance.c.harvester_id == former)
    if not connection.execute(mine.values(harvester_id=harvester_id)).rowcount:
        found = instance_of(connection)
        whose = "no instance yet: its first start says to which" if found is None else f"instance {found}"
        raise OtherInstanceError(f"the database does not belong to instance {former}, but to {whose}")
