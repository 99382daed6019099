"""Bulk reports in which one bad entry never holds back its neighbours.

The server fails a whole list for one malformed entry and does not say which. So a few entries are sent alone: if the
server takes one of them it is well, and the list is halved until the bad entry stands alone. To send an entry twice
does no harm, since every report states a fact.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from harvester.panda.errors import PandaError, PandaRefused, PandaUnavailable

Report = TypeVar("Report")
Reply = TypeVar("Reply")

_PROBES = 6
"""Entries that are sent alone to find out whether the server is well; not all of them can be bad."""
_STATUSES_OF_ONE_ENTRY = frozenset({413, 500})
"""Too large, and a crash of the handler; any other HTTP failure concerns the whole server."""


@dataclass(slots=True)
class Delivery(Generic[Report, Reply]):
    """One bulk report under way.

    Attributes:
        send: makes one call, told whether it is a probe; raises PandaError, or gives one reply for each report.
        refuse: makes the reply of a report that was not stored, from the reason.
        probe: begin with entries that are sent alone: the server was not well lately.
    """

    reports: Sequence[Report]
    send: Callable[[Sequence[Report], bool], list[Reply]]
    refuse: Callable[[str], Reply]
    per_call: int
    probe: bool = False
    replies: dict[int, Reply] = field(default_factory=dict)
    successes: int = 0
    failed_alone: int = 0

    def run(self) -> list[Reply]:
        """Send everything; one reply per report, in order.

        Raises:
            PandaUnavailable: the server answered for no report at all, and it is its own fault. One that answers and
                refuses them has not failed, however many they are.
        """
        was_doubtful = self.probe
        pending = deque(self._parts())
        failure: PandaError | None = None
        must_stop = False
        while pending and not must_stop:
            part = pending.popleft()
            try:
                self._send(part)
            except PandaError as error:
                failure = error
                smaller = self._smaller(part, error)
                must_stop = self._must_stop(error)
                pending.extendleft(reversed(smaller))
        if failure is not None and self.successes == 0 and (must_stop or was_doubtful):
            raise _of_the_server(failure)
        reason = failure.reason if failure else ""
        return [self.replies[i] if i in self.replies else self.refuse(reason) for i in range(len(self.reports))]

    def _parts(self) -> Iterator[range]:
        number = len(self.reports)
        for start in range(0, number, self.per_call):
            part = range(start, min(start + self.per_call, number))
            yield from _alone(part) if self.probe and start == 0 else [part]

    def _send(self, part: range) -> None:
        replies = self.send(self.reports[part.start : part.stop], self.probe and self.successes == 0)
        if len(replies) != len(part):
            raise PandaRefused("bulk report", f"the server gave {len(replies)} answers for {len(part)} entries")
        self.replies.update(zip(part, replies, strict=True))
        self.successes += 1

    def _must_stop(self, error: PandaError) -> bool:
        if not _may_be_one_entry(error):
            return True
        return self.successes == 0 and self.failed_alone >= _PROBES

    def _smaller(self, part: range, error: PandaError) -> list[range]:
        if len(part) == 1:
            self.failed_alone += 1
            self.replies[part.start] = self.refuse(error.reason)
            return []
        if not self.probe and self.successes == 0:
            self.probe = True
            return _alone(part)
        middle = len(part) // 2
        return [part[:middle], part[middle:]]


def _alone(part: range) -> list[range]:
    """The first few entries each for itself, and the others together."""
    first, others = part[:_PROBES], part[_PROBES:]
    return [*(range(each, each + 1) for each in first), *([others] if others else [])]


def _of_the_server(failure: PandaError) -> PandaUnavailable:
    """A server that says no to whole calls, whatever they report, serves nobody."""
    if isinstance(failure, PandaUnavailable):
        return failure
    reason = f"no report was taken, also none that was sent alone: {failure.reason}"
    return PandaUnavailable(failure.url, reason, status=failure.status)


def _may_be_one_entry(error: PandaError) -> bool:
    return error.status in _STATUSES_OF_ONE_ENTRY or (isinstance(error, PandaRefused) and error.status is None)
