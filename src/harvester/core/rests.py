"""How long something that keeps failing is left alone."""

from dataclasses import dataclass
from typing import Final

_FIRST: Final = 5.0
_LAST: Final = 600.0


@dataclass(slots=True)
class Rest:
    """The rest of one thing that fails: 5 s, doubled with every failure up to ten minutes.

    Attributes:
        failures: how often it has failed in a row.
        until: the moment, in seconds of a clock that never goes back, before which it is left alone.
    """

    failures: int = 0
    until: float = 0.0

    def extend(self, now: float, *, doubling: bool = True) -> None:
        """One more failure; what fails by itself and not by us rests as long each time (`doubling` False)."""
        self.failures += 1
        doublings = min(self.failures - 1, 7) if doubling else 0
        self.until = now + min(_FIRST * 2**doublings, _LAST)
