"""A clock that a test sets forward."""

from datetime import UTC, datetime, timedelta

NOW = datetime(2026, 8, 10, 7, 0, tzinfo=UTC)


class MovingClock:
    """Stands still until it is moved."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **span: float) -> None:
        """Let so much time pass, said as for a `timedelta`."""
        self.now += timedelta(**span)
