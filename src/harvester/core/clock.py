"""The one clock: time is passed in, never read below the composition root."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Returns the present moment as an aware UTC datetime."""


def utc_now() -> datetime:
    """The real clock; only the composition root and the faces hand it out."""
    return datetime.now(UTC)
