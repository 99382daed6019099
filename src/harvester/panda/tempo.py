"""How long to wait for an answer, judged by how long answers took before: a silent server is noticed soon."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from harvester.panda.errors import PandaUnavailable

_LEAST: Final = 10.0
_OF_PROBES: Final = 5.0
_TIMES_USUAL: Final = 10.0
_TIMES_USUAL_FOR_PROBES: Final = 3.0
_FADING: Final = 0.9
_MOST_STRETCHED: Final = 4.0
"""How much longer than at least a server may take that has never answered: it may be slow, or away."""


class Tempo:
    """Of one kind of call that does no harm when it is made twice.

    Args:
        longest: seconds that nobody waits longer than.
        tick: seconds of a clock that never goes back.
    """

    def __init__(self, longest: float, tick: Callable[[], float] = time.monotonic) -> None:
        self._longest = longest
        self._tick = tick
        self._usual: float | None = None
        self._stretch = 1.0

    def patience(self, *, probe: bool) -> float:
        """Seconds to wait for the next answer; less for a probe, which is small and soon sent again."""
        if self._usual is None:
            return min(_LEAST * self._stretch, self._longest)
        if probe:
            return min(max(_OF_PROBES, _TIMES_USUAL_FOR_PROBES * self._usual), self._longest)
        return min(max(_LEAST, _TIMES_USUAL * self._usual) * self._stretch, self._longest)

    @contextmanager
    def call(self, *, probe: bool) -> Iterator[float]:
        """One call, from which is learnt; gives the seconds to wait for its answer.

        A call that failed may have been too much: the next of its kind is given twice the time. Where nothing was ever
        answered that goes round and round, so that neither a slow server nor one that comes back waits for long.
        """
        began = self._tick()
        try:
            yield self.patience(probe=probe)
        except PandaUnavailable:
            if self._usual is None:
                self._stretch = self._stretch * 2 if self._stretch < _MOST_STRETCHED else 1.0
            elif not probe:
                self._stretch = min(self._stretch * 2, self._longest)
            raise
        took = self._tick() - began
        self._usual = max(took, _FADING * (self._usual or 0.0))
        self._stretch = self._stretch if probe else 1.0
