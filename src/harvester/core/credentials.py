"""When a credential is renewed, and how long it will do."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Final

_SOON: Final = timedelta(hours=6)
"""So little time is left to somebody who has to be found and to act."""


class Gravity(IntEnum):
    """How much somebody has to do something about a credential."""

    FINE = 0
    WARNING = 1
    ERROR = 2


@dataclass(frozen=True, slots=True)
class Outlook:
    """What there is to say of a credential; nothing of one that is fine."""

    gravity: Gravity
    words: str = ""


def reason_to_renew(valid_until: datetime | None, now: datetime, period: timedelta) -> str:
    """Why a valid credential is renewed now although its manager does not ask for it; empty if it need not be.

    It must not run out before the second check from now: the next one may fail.
    """
    if valid_until is not None and valid_until - now <= 2 * period:
        return "it would run out before it is looked at twice more"
    return ""


def outlook(valid_until: datetime | None, problem: str, now: datetime) -> Outlook:
    """How a credential will do.

    Args:
        valid_until: when it runs out; None if it does not or if that is not known.
        problem: why it is not valid, or could not be renewed or looked at; empty if all is well.
        now: what time it is.
    """
    if valid_until is not None and valid_until <= now:
        return Outlook(Gravity.ERROR, f"ran out at {valid_until:%Y-%m-%d %H:%M}; {problem or 'it was not renewed'}")
    if not problem:
        return Outlook(Gravity.FINE)
    if valid_until is None:
        return Outlook(Gravity.ERROR, problem)
    left = valid_until - now
    gravity = Gravity.ERROR if left < _SOON else Gravity.WARNING
    return Outlook(gravity, f"lasts {hours(left)} more hours; {problem}")


def hours(span: timedelta) -> float:
    """A span in hours, to a tenth."""
    return round(span.total_seconds() / 3600, 1)
