"""What a database is and holds, whatever version its tables are at."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, text

from harvester.store import migrate, rows

_SIZES: Final[Mapping[str, str]] = {
    "sqlite": "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
    "mysql": "SELECT COALESCE(SUM(data_length + index_length), 0) FROM information_schema.tables "
    "WHERE table_schema = DATABASE()",
    "postgresql": "SELECT pg_database_size(current_database())",
}
_VERSIONS: Final[Mapping[str, str]] = {
    "sqlite": "SELECT sqlite_version()",
    "mysql": "SELECT version()",
    "postgresql": "SELECT current_setting('server_version')",
}
_ACCOUNTS: Final[Mapping[str, str]] = {"mysql": "SELECT current_user()", "postgresql": "SELECT current_user"}


@dataclass(frozen=True, slots=True)
class Census:
    """What was found.

    Attributes:
        server: version of the database server, or of SQLite.
        account: that looked; None for SQLite, which has none.
        tables: the version that they are at; None for an empty database.
        size: in bytes; of a server as it estimates it.
        rows: how many each table has.
    """

    server: str
    account: str | None
    tables: str | None
    size: int
    rows: Mapping[str, int]


def take(connection: Connection) -> Census:
    """Count everything.

    Raises:
        TablesError: the tables are somebody else's, those of a newer version, or half of a backup.
    """
    dialect = connection.dialect.name
    account = connection.scalar(text(_ACCOUNTS[dialect])) if dialect in _ACCOUNTS else None
    migrate.require_ours(connection)
    return Census(
        server=str(connection.scalar(text(_VERSIONS[dialect]))),
        account=account,
        tables=migrate.current(connection),
        size=int(connection.scalar(text(_SIZES[dialect])) or 0),
        rows={table.name: rows.count(connection, table) for table in rows.tables_of(connection)},
    )
