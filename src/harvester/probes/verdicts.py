"""What a probe did, what it saw, and what follows."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from harvester.core.errors import HarvesterError


class ProbeError(HarvesterError):
    """A probe cannot even begin."""


class Outcome(StrEnum):
    """How a probe ended."""

    WORKS = "works"
    FAILS = "fails"
    UNDECIDED = "undecided"
    """Nothing is wrong so far, but it was not seen to the end."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was done.

    Attributes:
        seconds: how long it took.
        good: whether it went as it should.
    """

    did: str
    saw: str
    seconds: float
    good: bool = True


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a probe tells.

    Attributes:
        what: what was probed, such as `submitter`.
        queue: whose it is; empty for what serves the instance.
        plugin: its name, where there is one.
        advice: what to do next; empty if nothing has to be done.
    """

    what: str
    queue: str
    plugin: str
    outcome: Outcome
    steps: Sequence[Step]
    advice: str = ""


@dataclass(slots=True)
class Record:
    """Takes down the steps of a probe, each with the time since the one before.

    Args:
        tick: seconds of a clock that never goes back.
    """

    what: str
    queue: str = ""
    plugin: str = ""
    tick: Callable[[], float] = time.monotonic
    steps: list[Step] = field(default_factory=list)
    _since: float = 0.0

    def __post_init__(self) -> None:
        self._since = self.tick()

    def add(self, did: str, saw: str, *, good: bool = True) -> bool:
        """One more step; returns whether it was good."""
        now = self.tick()
        self.steps.append(Step(did, saw, round(now - self._since, 3), good))
        self._since = now
        return good

    def verdict(self, advice: str = "", *, undecided: bool = False) -> Verdict:
        """It fails if one step did; the advice is for who has to do something about it."""
        fails = not all(each.good for each in self.steps)
        outcome = Outcome.FAILS if fails else Outcome.UNDECIDED if undecided else Outcome.WORKS
        return Verdict(self.what, self.queue, self.plugin, outcome, tuple(self.steps), advice)
