"""How often something is looked at that costs somebody something each time."""

from collections import deque
from datetime import UTC, datetime, timedelta
from typing import Final

_BEAT: Final = 30
"""Seconds."""

_SHARE_OF_ANSWERS: Final = 10
_SHARE_OF_OWN_WORK: Final = 40
_WORTH_A_ROUND: Final = 100
"""A round with news of one in so many is worth what it costs."""
_KEPT: Final = 5


class RoundPace:
    """When the next round of checks should come.

    The resource answers for at most a tenth of the time. Harvester works for at most a fortieth, unless the round was
    worth it. Of the last rounds the quickest counts, since a slow one may be the fault of this machine.
    """

    def __init__(self) -> None:
        self._answers: deque[timedelta] = deque(maxlen=_KEPT)
        self._work: deque[timedelta] = deque(maxlen=_KEPT)

    def pause_after(self, *, answered: timedelta, worked: timedelta, seen: int, news: int) -> timedelta:
        """The time from one round to the next.

        Args:
            answered: how long the resource took.
            worked: how long Harvester itself took to read what it knew and to listen.
            seen: workers that the round was about.
            news: of how many there was something new.
        """
        self._answers.append(answered)
        self._work.append(worked)
        pause = min(self._answers) * _SHARE_OF_ANSWERS
        is_worth_it = news * _WORTH_A_ROUND >= seen
        return pause if is_worth_it else max(pause, min(self._work) * _SHARE_OF_OWN_WORK)


def on_the_beat(moment: datetime) -> datetime:
    """The moment, or up to half a minute later: heartbeats that have no hurry come together."""
    return datetime.fromtimestamp(-(-moment.timestamp() // _BEAT) * _BEAT, UTC)
