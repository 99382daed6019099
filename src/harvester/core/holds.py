"""Queues that people hold back for a while."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

EVERY_QUEUE: Final = "*"
"""The name under which all queues of the instance are held back together."""


class HoldMode(StrEnum):
    """What a held queue does no longer.

    PAUSE: it gets no new jobs and no new workers; what it has goes on. DRAIN: it gets no new jobs, and workers only for
    jobs that it has, until nothing is left.
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
