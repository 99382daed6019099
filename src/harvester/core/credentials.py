"""When a credential is renewed and looked at again, and how long it will do."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Final

_SOON: Final = timedelta(hours=6)
"""So little time is left to somebody who has to be found and to act."""
_LONGEST_WARNING: Final = timedelta(days=14)
_SHARE_TO_WARN: Final = 4
"""Somebody renews a credential by hand in the last fourth of its life, or later."""
_SHARE_TO_LOOK: Final = 3
"""What runs out is looked at after a third of the time that it has left: the second try comes before its end."""
_SHORTEST_PAUSE: Final = timedelta(seconds=30)


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


def reason_to_worry(since: datetime | None, until: datetime, now: datetime) -> str:
    """What to say of a credential that nobody here renews; empty as long as there is time enough.

    Args:
        since: from when on it is valid; None if that is not known.
        until: when it runs out.
        now: what time it is.
    """
    early = _LONGEST_WARNING if since is None else min((until - since) / _SHARE_TO_WARN, _LONGEST_WARNING)
    return "nobody renews it here: bring a new one" if until - now <= early else ""


def pause(known: Iterable[tuple[datetime | None, str]], now: datetime, period: timedelta) -> timedelta:
    """How long the credentials may be left alone: for a period, or less if one would not last or could not be renewed.

    Args:
        known: when each runs out, and what is wrong with it; as for `outlook`.
        now: what time it is.
        period: the longest pause.
    """
    ends = [until for until, problem in known if until is not None or problem]
    lefts = [until - now if until is not None and until > now else period for until in ends]
    return min([period, *(max(left / _SHARE_TO_LOOK, _SHORTEST_PAUSE) for left in lefts)])


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
