"""Queues that people hold back for a while."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

EVERY_QUEUE: Final = "*"
"""The name under which all queues of the instance are held back together."""


class HoldMode(StrEnum):
    """What a held queue does no longer.

    PAUSE: it gets no new jobs, and nothing is submitted; what runs goes on. DRAIN: it gets no new jobs, and workers
    only for jobs that it has, until nothing is left.
    """

    PAUSE = "pause"
    DRAIN = "drain"


@dataclass(frozen=True, slots=True)
class Hold:
    """Who holds a queue back, why, and until when; None is until somebody resumes it."""

    queue: str
    mode: HoldMode
    reason: str
    author: str
    since: datetime
    until: datetime | None = None

    @property
    def words(self) -> str:
        """What the queue is, by whom, how long and why."""
        state = "paused" if self.mode is HoldMode.PAUSE else "being drained"
        all_queues = " with all queues" if self.queue == EVERY_QUEUE else ""
        end = f"until {self.until:%Y-%m-%d %H:%M} UTC" if self.until else "until it is resumed"
        return f"{state}{all_queues} by {self.author} since {self.since:%Y-%m-%d %H:%M} UTC {end}: {self.reason}"


def hold_of(queue: str, holds: Iterable[Hold], now: datetime) -> Hold | None:
    """What holds a queue back now: a pause before a drain, its own before that of all queues."""
    mine = [each for each in holds if each.queue in {queue, EVERY_QUEUE} and (each.until is None or each.until > now)]
    return min(mine, key=lambda each: (each.mode is not HoldMode.PAUSE, each.queue == EVERY_QUEUE), default=None)
