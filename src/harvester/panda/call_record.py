"""What became of the calls to a server: how many, how long, and when it answered last."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from harvester.core.tally import Tally
from harvester.panda.errors import PandaRefused


class CallRecord:
    """The calls of one process to one server.

    Args:
        tick: seconds of a clock that never goes back.

    Attributes:
        outcomes: calls by method and outcome: `answered`, `refused` or `failed`.
        seconds: time spent by method.
    """

    def __init__(self, tick: Callable[[], float] = time.monotonic) -> None:
        self._tick = tick
        self._answered: float | None = None
        self.outcomes = Tally()
        self.seconds = Tally()

    @contextmanager
    def of(self, method: str) -> Iterator[None]:
        """One call, with all its repetitions."""
        began, outcome = self._tick(), "failed"
        try:
            yield
            outcome = "answered"
        except PandaRefused:
            outcome = "refused"
            raise
        finally:
            now = self._tick()
            if outcome != "failed":
                self._answered = now
            self.outcomes.add(method, outcome)
            self.seconds.add(method, number=now - began)

    @property
    def silence(self) -> float | None:
        """Seconds since the server answered last; to say no is an answer. None if it never did."""
        return None if self._answered is None else self._tick() - self._answered
