"""Whether what a round of checks says of a queue's workers can be the truth: the circuit breaker of submission.

Workers that nobody sees go on counting against the limits, and one that is gone makes room for another. If very many
are lost at once, it is more likely that the resource has gone blind, or lies, than that all of them have ended; then
new workers would come on top of those that are still there.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

_FEW_UNSEEN: Final = 5
_FEW_VANISHED: Final = 10
_UNSEEN_REST: Final = timedelta(minutes=5)
_VANISHED_REST: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Sight:
    """What one round saw of the workers of a queue.

    Attributes:
        present: workers that the resource should hold.
        unseen: of these, those that it could tell nothing about.
        vanished: of these, those that it does not know any more and that nothing tells the end of.
    """

    present: int
    unseen: int = 0
    vanished: int = 0


@dataclass(frozen=True, slots=True)
class Blindness:
    """Why a queue gets no new workers for a while; workers that were only out of sight and are seen again end it."""

    reason: str
    rest: timedelta


def judge_sight(sight: Sight) -> Blindness | None:
    """Whether at least half of the workers, and not just a few, were lost in one round."""
    if sight.unseen >= _FEW_UNSEEN and 2 * sight.unseen >= sight.present:
        told = f"{sight.unseen} of {sight.present} workers cannot be seen; no new ones until they are seen again"
        return Blindness(told, _UNSEEN_REST)
    if sight.vanished >= _FEW_VANISHED and 2 * sight.vanished >= sight.present:
        minutes = int(_VANISHED_REST.total_seconds() // 60)
        told = f"{sight.vanished} of {sight.present} workers vanished at once; no new ones for {minutes} minutes"
        return Blindness(f"{told}: look whether the resource still runs them", _VANISHED_REST)
    return None
