"""Answers of the server that never arrived, because the asker was killed just then or could not store them.

The protocol has no way to ask for what was in them again, so nobody is to blame for that.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from harvester.panda.devserver.records import Job

_OBEYED_WITHIN: Final = 1.0
"""Seconds within which a busy server does what it was asked, even if the asker is dead by then."""
STORED_WITHIN: Final = 10.0
"""Seconds that it may take to store an answer on a busy machine."""
_STORED_AFTER_OUTAGE: Final = 25.0
"""Seconds that it may take when the database was killed meanwhile, or just before."""

IdT = TypeVar("IdT")


@dataclass(frozen=True, slots=True)
class Disturbances:
    """What may be the reason.

    Attributes:
        deaths: when a process was killed.
        outages: when the database was killed.
    """

    deaths: Sequence[float]
    outages: Sequence[float] = ()

    def explain(self, told: float, again: float) -> bool:
        """Whether one of them is why the server was told something again."""
        return any(told - _OBEYED_WITHIN <= each <= again for each in (*self.deaths, *self.outages))


@dataclass(frozen=True, slots=True)
class Answer(Generic[IdT]):
    """Something that the server gave out.

    Attributes:
        given: when.
        ids: what was in it.
        is_known: whether anybody ever spoke of any of that; an answer arrives as a whole or not at all.
    """

    given: float
    ids: Sequence[IdT]
    is_known: bool


def never_arrived(answers: Iterable[Answer[IdT]], disturbances: Disturbances, at_once: int = 1) -> list[IdT]:
    """What was in answers that are excused.

    Args:
        answers: of one queue.
        disturbances: what may excuse them.
        at_once: how many answers a death excuses.
    """
    left, ids = deque(death for death in sorted(disturbances.deaths) for _ in range(at_once)), list[IdT]()
    for answer in sorted(answers, key=lambda each: each.given):
        if answer.is_known:
            continue
        while left and left[0] < answer.given - _OBEYED_WITHIN:
            left.popleft()
        outages = (outage - answer.given for outage in disturbances.outages)
        away = any(-_STORED_AFTER_OUTAGE <= later <= STORED_WITHIN for later in outages)
        if left and left[0] - answer.given <= (_STORED_AFTER_OUTAGE if away else STORED_WITHIN):
            left.popleft()
            ids += answer.ids
    return ids


def unanswered(jobs: Iterable[Job], disturbances: Disturbances) -> list[int]:
    """Jobs that are excused: a process asks once at a time for each queue."""
    by_answer: dict[str, dict[float, list[Job]]] = defaultdict(lambda: defaultdict(list))
    for job in jobs:
        if job.acquired is not None:
            by_answer[job.site][job.acquired].append(job)
    return [
        job_id
        for some in by_answer.values()
        for job_id in never_arrived((_answer(given, each) for given, each in some.items()), disturbances)
    ]


def _answer(given: float, jobs: Sequence[Job]) -> Answer[int]:
    is_known = any(job.received or job.status != "sent" for job in jobs)
    return Answer(given, [job.job_id for job in jobs], is_known)
