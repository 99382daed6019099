"""Where a main configuration comes from that is not all local."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

_UNITS: Final = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a main configuration comes from.

    Attributes:
        address: without user, password and query.
        fetched_at: when it stood there.
        asked_at: when it was asked for last.
        problem: why it is not what stood there then; empty if it is.
    """

    address: str
    fetched_at: datetime
    asked_at: datetime
    problem: str = ""


def words_of_age(age: timedelta) -> str:
    """How old something is, for people."""
    seconds = max(age.total_seconds(), 0.0)
    length, unit = next((each for each in _UNITS if seconds >= each[0]), _UNITS[-1])
    number = int(seconds // length)
    return f"{number} {unit}{'' if number == 1 else 's'} old"
