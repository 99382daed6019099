"""Counting what happens in many threads, by labels."""

import threading
from collections import defaultdict
from collections.abc import Mapping

Labels = tuple[str, ...]


class Tally:
    """Sums by labels, since this process began."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sums: dict[Labels, float] = defaultdict(float)

    def add(self, *labels: str, number: float = 1) -> None:
        """It happened so often more."""
        with self._lock:
            self._sums[labels] += number

    def sums(self) -> Mapping[Labels, float]:
        """How often it happened until now."""
        with self._lock:
            return dict(self._sums)
