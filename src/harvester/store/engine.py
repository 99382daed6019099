"""The connection to the database, on any of the three engines.

One `Database` serves all threads of a process. SQLite has one writer at a time: writers of this process queue on a
lock instead of polling the file, and every transaction that writes begins with the write lock in hand.
"""

import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Final, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection, ExceptionContext
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry

from harvester.core.errors import HarvesterError
from harvester.core.tally import Tally
from harvester.store.refusals import advice_on, codes_of

T = TypeVar("T")

_BUSY_TIMEOUT_MS: Final = 30_000
_TRANSIENT_SQLITE: Final = ("locked", "busy", "disk is full", "disk I/O error", "unable to open", "readonly database")
_TRANSIENT_MARIADB: Final = frozenset(
    {1021, 1040, 1053, 1114, 1205, 1213, 1290, 1792, 1927, 2002, 2003, 2006, 2013, 2055}
)
"""Disk or table full, too many connections, shutdown, lock wait, deadlock, read-only, killed, not reached, lost."""
_DEADLOCKS: Final = frozenset({1213, "40P01", "40001"})
_MOST_TRIES: Final = 12
_LONGEST_STEP_ASIDE: Final = 0.5
_LOST_BEFORE: Final = "MySQL Connection not available"
"""What a driver says, without a number, of a connection that it knew to be lost when a statement was to be sent."""
_SQL_MODE: Final = "STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"
"""Of every MariaDB session, whatever the server's own; set while connecting, before the dialect looks at it."""
_CONNECT: Final[Mapping[str, Mapping[str, object]]] = {
    "mysqldb": {"sql_mode": _SQL_MODE, "charset": "utf8mb4", "connect_timeout": 10},
    "mysqlconnector": {"sql_mode": _SQL_MODE, "use_pure": True},
}
"""The C extension of mysql-connector raises no errors of the DB API when a commit finds the server gone; mysqlclient,
which is written in C too, does. Its own character set is that of the machine, and it would wait for ever to connect."""
_TRANSIENT_POSTGRESQL: Final = frozenset({"25006"})
"""Read-only."""
_PRIVATE: Final = 0o600


class StoreUnavailableError(HarvesterError):
    """The database cannot be used now: away, restarting, locked, or its disk is full. Trying again later helps."""


class StoreRefusedError(StoreUnavailableError):
    """The database does not let this account in, or lacks what it asks for, until somebody does something about it."""


class StoreContendedError(StoreUnavailableError):
    """Another transaction was in the way of this one, which had to give way. Trying again at once helps."""


def sqlite_url(path: Path) -> URL:
    """Where the embedded database lives."""
    return URL.create("sqlite", database=str(path))


def server_url(engine: str, *, host: str, port: int, user: str, password: str, schema: str) -> URL:
    """Where a database server lives; `engine` is `mariadb`, `mariadb-mysqldb` or `postgresql`."""
    driver = {
        "mariadb": "mysql+mysqlconnector",
        "mariadb-mysqldb": "mysql+mysqldb",
        "postgresql": "postgresql+psycopg",
    }[engine]
    return URL.create(driver, user, password, host, port, schema)


class Database:
    """Transactions on one database.

    Attributes:
        engine: the SQLAlchemy engine, for migrations and for listeners that count statements.
        dialect: `sqlite`, `mysql` or `postgresql`.
        writer: held by the thread that writes, where only one may.
        troubles: how often the database could not be used (`unavailable`), or another transaction was in the way
            (`contended`).
    """

    def __init__(self, url: URL, connections: int = 10) -> None:
        self.engine = _make_engine(url, connections)
        self.dialect = self.engine.dialect.name
        self.writer: AbstractContextManager[object] = threading.RLock() if self.dialect == "sqlite" else nullcontext()
        self.troubles = Tally()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads.

        Raises:
            StoreUnavailableError: the database is away.
            StoreRefusedError: it does not let this account in.
        """
        with self._naming_trouble(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A transaction that only reads, and sees everything as it was at one moment, however long it takes.

        Raises:
            StoreUnavailableError: the database is away.
            StoreRefusedError: it does not let this account in.
        """
        with self._naming_trouble(), self.engine.connect() as connection:
            if self.dialect == "sqlite":
                connection.exec_driver_sql("BEGIN")
                yield connection
            else:
                yield connection.execution_options(isolation_level="REPEATABLE READ")

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that writes; committed at the end of the block, rolled back if it raises.

        Raises:
            StoreUnavailableError: the database is away, or chose this transaction as a deadlock's victim.
            StoreRefusedError: it does not let this account in.
        """
        with self._naming_trouble(), self.writer, self.engine.connect() as connection:
            if self.dialect == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            connection.commit()

    def transact(self, work: Callable[[Connection], T]) -> T:
        """The result of `work` in one write transaction, done again if another transaction was in its way.

        Raises:
            StoreUnavailableError: the database is away, or others are in the way again and again.
            IntegrityError: the work breaks a rule of the tables by itself.
        """
        may_be_a_race = True
        for tries in range(1, _MOST_TRIES):
            try:
                return self._once(work)
            except IntegrityError:
                if not may_be_a_race:
                    raise
                may_be_a_race = False  # another transaction has just made the same row: now it is there to be seen
            except StoreContendedError:
                time.sleep(random.uniform(0, min(0.01 * 2**tries, _LONGEST_STEP_ASIDE)))  # noqa: S311 (no secret)
        return self._once(work)

    def _once(self, work: Callable[[Connection], T]) -> T:
        with self.write() as connection:
            return work(connection)

    def close(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()

    @contextmanager
    def _naming_trouble(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            if advice := advice_on(error, self.dialect):
                self.troubles.add("unavailable")
                raise StoreRefusedError(f"{self._text(str(error.orig))}; {advice}") from error
            if not _is_transient(error, self.dialect):
                raise
            trouble = StoreContendedError if _is_deadlock(error) else StoreUnavailableError
            self.troubles.add("contended" if trouble is StoreContendedError else "unavailable")
            raise trouble(self._text(str(error.orig))) from error
        except PoolTimeoutError as error:
            self.troubles.add("unavailable")
            text = self._text("all connections are busy, it answers slowly or not at all")
            raise StoreUnavailableError(text) from error

    def _text(self, reason: str) -> str:
        where = self.engine.url.render_as_string(hide_password=True)
        return f"the database {where} cannot be used: {reason}"


def is_of_database(error: DBAPIError, dialect: str) -> bool:
    """Whether an error tells of the database or the way to it; otherwise it is of what was asked of them."""
    return bool(advice_on(error, dialect)) or _is_transient(error, dialect)


def _is_transient(error: DBAPIError, dialect: str) -> bool:
    if error.connection_invalidated:
        return True
    if dialect == "sqlite":
        return isinstance(error, OperationalError) and any(word in str(error.orig) for word in _TRANSIENT_SQLITE)
    if dialect == "postgresql":
        return isinstance(error, OperationalError) or not _TRANSIENT_POSTGRESQL.isdisjoint(codes_of(error))
    # MariaDB's drivers raise different classes for one error: the number tells
    return not _TRANSIENT_MARIADB.isdisjoint(codes_of(error))


def _is_deadlock(error: DBAPIError) -> bool:
    return not _DEADLOCKS.isdisjoint(codes_of(error))


def _make_engine(url: URL, connections: int) -> Engine:
    """An engine whose errors and log lines show statements without values: a job may hold secrets of its user."""
    name = url.get_backend_name()
    if name == "sqlite":
        engine = create_engine(
            url,
            pool_size=connections,
            max_overflow=connections,
            connect_args={"timeout": 30},
            hide_parameters=True,
        )
        event.listen(engine, "do_connect", _make_private)
        event.listen(engine, "connect", _prepare_sqlite)
        return engine
    engine = create_engine(
        url,
        pool_size=connections,
        max_overflow=connections,
        pool_pre_ping=True,
        pool_recycle=1800,
        isolation_level="READ COMMITTED",
        connect_args=_CONNECT.get(url.get_driver_name(), {}),
        hide_parameters=True,
    )
    event.listen(engine, "handle_error", _notice_a_lost_connection)
    return engine


def _notice_a_lost_connection(context: ExceptionContext) -> None:
    """SQLAlchemy's dialect knows an older wording."""
    if _LOST_BEFORE in str(context.original_exception):
        context.is_disconnect = True


def _make_private(_dialect: object, _record: object, arguments: Sequence[str], _options: object) -> None:
    """Make the file, if it is not there, for this account alone: jobs may hold secrets of their users.

    SQLite gives the files beside it the same mode. One that is there is not opened: closing it again would take away
    the locks that other connections of this process have on it.
    """
    with suppress(OSError):  # it is there, or SQLite tells in a moment why it cannot be
        os.close(os.open(arguments[0], os.O_CREAT | os.O_EXCL | os.O_WRONLY, _PRIVATE))


def _prepare_sqlite(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout = {_BUSY_TIMEOUT_MS}",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        "cache_size = -8192",  # KiB for each of the pooled connections; the system's own cache holds the rest
        "temp_store = MEMORY",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
