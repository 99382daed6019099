"""What commands share that change something: who does it, when, for how long, and whether he means it."""

import getpass
import re
import socket
from datetime import datetime, timedelta
from typing import Final

import typer
from sqlalchemy import Connection

from harvester.core.clock import utc_now
from harvester.store import moments

_SPAN: Final = re.compile(r"\+?(\d{1,5})\s*([mhd])")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}


def author() -> str:
    """Who calls the command, as the database remembers it."""
    return f"{getpass.getuser()}@{socket.gethostname()}"[:190]


def time_of(connection: Connection) -> datetime:
    """The time that the instance keeps, also where a clock was set."""
    now = utc_now()
    return max(now, moments.last(connection) or now)


def span_of(text: str) -> timedelta | None:
    """`30m`, `2h` or `3d`; None for anything else."""
    span = _SPAN.fullmatch(text.strip())
    return timedelta(**{_UNITS[span[2]]: int(span[1])}) if span else None


def confirm(question: str, *, yes: bool) -> None:
    """Go on if the caller has said `--yes` or says so now; anything else ends the command."""
    if not yes:
        typer.confirm(question, abort=True, err=True)
