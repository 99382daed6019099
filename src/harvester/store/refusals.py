"""Databases that answer, and say no: a wrong password, an unknown database, rights that are missing.

Trying again does not help then, and somebody has to be told what to do.
"""

from collections.abc import Mapping
from typing import Final

from sqlalchemy.exc import DBAPIError

_LOG_IN: Final = "correct [db] user and password"
_MAKE_IT: Final = "make the database as docs/install.md says, or correct [db] schema"
_LET_IN: Final = "let the account in from this host, or correct [db] user and host"
_GRANT: Final = "grant the account all rights on the database, as docs/install.md says"
_MARIADB: Final[Mapping[object, str]] = {
    1044: _GRANT,
    1045: _LOG_IN,
    1049: _MAKE_IT,
    1130: _LET_IN,
    1142: _GRANT,
    1227: _GRANT,
    1698: _LOG_IN,
}
"""Access to the database, log-in, unknown database, host not allowed, statement, privilege, log-in of another kind."""
_POSTGRESQL: Final[Mapping[object, str]] = {"28000": _LET_IN, "28P01": _LOG_IN, "3D000": _MAKE_IT, "42501": _GRANT}
_WORDS: Final[Mapping[str, str]] = {
    "password authentication failed": _LOG_IN,
    "no password supplied": _LOG_IN,
    "no pg_hba.conf entry": _LET_IN,
    "Peer authentication failed": _LET_IN,
    "is not permitted to log in": _LET_IN,
    "permission denied for database": _GRANT,
    "role ": _LOG_IN,
    "database ": _MAKE_IT,
}
"""PostgreSQL's library keeps no code of a connection that was refused, only the server's words."""
_MISSING: Final = "does not exist"


def advice_on(error: DBAPIError, dialect: str) -> str:
    """What to do about a database that refuses; empty for other trouble."""
    if dialect == "mysql":
        return next((_MARIADB[code] for code in codes_of(error) if code in _MARIADB), "")
    if dialect == "postgresql":
        known = next((_POSTGRESQL[code] for code in codes_of(error) if code in _POSTGRESQL), "")
        return known or _by_words(str(error.orig))
    return ""


def _by_words(told: str) -> str:
    """A role or a database matters here only as one that is not there."""
    _, fatal, reason = told.partition("FATAL:")
    if not fatal:
        return ""
    return next(
        (
            advice
            for words, advice in _WORDS.items()
            if words in reason and (not words.endswith(" ") or _MISSING in reason)
        ),
        "",
    )


def codes_of(error: DBAPIError) -> list[object]:
    """The numbers of an error, wherever the drivers keep them; mysqlclient has it first among the arguments."""
    codes = [getattr(error.orig, name, None) for name in ("errno", "sqlstate")]
    return [*codes, *(error.orig.args[:1] if error.orig else ())]
