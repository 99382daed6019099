"""Bulk reports in which one bad entry never holds back its neighbours.

The server fails a whole list for one malformed entry and does not say which. So a failed list is halved until the bad
entry stands alone; to send an entry twice does no harm, since every report states a fact.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from harvester.panda.errors import PandaError, PandaRefused, PandaUnavailable

Report = TypeVar("Report")
Reply = TypeVar("Reply")

_FAILURES_BEFORE_GIVING_UP = 16
"""Failures without one success: then the server fails, not an entry (a list of 100 is halved in 7 steps)."""
_STATUSES_OF_ONE_ENTRY = frozenset({413, 500})
"""Too large, and a crash of the handler; any other HTTP failure concerns the whole server."""


@dataclass(slots=True)
class Delivery(Generic[Report, Reply]):
    """One bulk report under way.

    Attributes:
        send: makes one call; raises PandaError, or gives one reply for each report it was given.
        refuse: makes the reply of a report that was not stored, from the reason.
    """

    reports: Sequence[Report]
    send: Callable[[Sequence[Report]], list[Reply]]
    refuse: Callable[[str], Reply]
    per_call: int
    replies: dict[int, Reply] = field(default_factory=dict)
    successes: int = 0
    failures: int = 0

    def run(self) -> list[Reply]:
        """Send everything; one reply per report, in order.

        Raises:
            PandaUnavailable: nothing at all could be delivered.
        """
        starts = range(0, len(self.reports), self.per_call)
        pending = deque(range(start, min(start + self.per_call, len(self.reports))) for start in starts)
        reason = ""
        while pending:
            part = pending.popleft()
            try:
                self._send(part)
            except PandaError as error:
                reason = error.reason
                self.failures += 1
                if self._must_stop(error):
                    self._raise_if_nothing_arrived(error)
                    break
                pending.extendleft(reversed(self._halved(part, error)))
        return [self.replies[i] if i in self.replies else self.refuse(reason) for i in range(len(self.reports))]

    def _send(self, part: range) -> None:
        replies = self.send(self.reports[part.start : part.stop])
        if len(replies) != len(part):
            raise PandaRefused("bulk report", f"the server gave {len(replies)} answers for {len(part)} entries")
        self.replies.update(zip(part, replies, strict=True))
        self.successes += 1

    def _must_stop(self, error: PandaError) -> bool:
        if not _may_be_one_entry(error):
            return True
        return self.successes == 0 and self.failures >= _FAILURES_BEFORE_GIVING_UP

    def _raise_if_nothing_arrived(self, error: PandaError) -> None:
        if self.successes == 0 and isinstance(error, PandaUnavailable):
            raise error

    def _halved(self, part: range, error: PandaError) -> list[range]:
        if len(part) == 1:
            self.replies[part.start] = self.refuse(error.reason)
            return []
        middle = len(part) // 2
        return [part[:middle], part[middle:]]


def _may_be_one_entry(error: PandaError) -> bool:
    return error.status in _STATUSES_OF_ONE_ENTRY or (isinstance(error, PandaRefused) and error.status is None)
