"""Cuts a session off from its database server, as a failing network or an operator does."""

from sqlalchemy import Connection, Engine, text

_SESSION = {"mysql": "SELECT connection_id()", "postgresql": "SELECT pg_backend_pid()"}
_CUT_OFF = {"mysql": "KILL {}", "postgresql": "SELECT pg_terminate_backend({})"}


def cut_off(connection: Connection, by: Engine) -> None:
    """The session of this connection is over; it is told at its next statement. No transaction is begun for that."""
    dialect = connection.dialect.name
    cursor = connection.connection.cursor()
    cursor.execute(_SESSION[dialect])
    (mine,) = cursor.fetchone() or (None,)
    cursor.close()
    with by.connect() as admin:
        admin.execute(text(_CUT_OFF[dialect].format(mine)))
