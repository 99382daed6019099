"""I5: no status moves backwards, judged by the order in which the server heard of it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from simulation_harness.server import Word

JOB_RANKS: Final[Mapping[str, int]] = {"starting": 0, "running": 1, "transferring": 2, "finished": 3, "failed": 3}
WORKER_RANKS: Final[Mapping[str, int]] = {
    "pending": 0,
    "submitted": 1,
    **dict.fromkeys(("ready", "running", "idle"), 2),
    **dict.fromkeys(("missed", "finished", "failed", "cancelled"), 3),
}
"""What was taken back to wait and runs again is idle meanwhile; who asks for jobs is ready."""


_ON_THE_WAY: Final = 200.0
"""Seconds within which what was known before a newer report may be sent yet: reports may overtake each other."""


def backward_steps(words: Sequence[Word], ranks: Mapping[str, int]) -> Iterator[tuple[Word, Word]]:
    """Words that tell of less than another one before them, by whoever must have known better when he sent them.

    A process that stood still may send an old word long after others have sent a newer one: no server could refuse it.
    """
    newest: Word | None = None
    for word in words:
        if newest is None or ranks[word.status] > ranks[newest.status]:
            newest = word
        elif ranks[word.status] < ranks[newest.status]:
            is_late = word.sent < newest.moment + _ON_THE_WAY or word.teller.stood_still_at(newest.moment)
            if not is_late:
                yield newest, word
