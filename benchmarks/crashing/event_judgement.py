"""Says what came of the event ranges of a run: each is given out, worked on and told of once."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from crashing.answers import STORED_WITHIN, Answer, Disturbances, never_arrived
from crashing.journal import BatchJob
from harvester.panda.devserver.events import EventRange

Ranges = Mapping[int, Sequence[EventRange]]


@dataclass(frozen=True, slots=True)
class Story:
    """What server and batch system wrote down.

    Attributes:
        ranges: by job, as the server knows them; without those of jobs that never arrived.
        taken: ids of the batch jobs that took a range, by its id.
        disturbances: what happened meanwhile.
        at_once: how many answers with ranges may be on their way to one process.
    """

    ranges: Ranges
    taken: Mapping[str, Sequence[str]]
    disturbances: Disturbances
    at_once: int

    @property
    def all(self) -> Iterator[EventRange]:
        """Every range."""
        return (each for some in self.ranges.values() for each in some)

    def unanswered(self) -> list[str]:
        """Ranges of answers that a kill destroyed: none of them was ever worked on or told of."""
        return never_arrived(self._answers(), self.disturbances, self.at_once)

    def _answers(self) -> Iterator[Answer[str]]:
        for some in self.ranges.values():
            by_time = defaultdict(list)
            for each in some:
                if each.acquired is not None:
                    by_time[each.acquired].append(each)
            for given, together in by_time.items():
                is_known = any(each.told or each.range_id in self.taken for each in together)
                yield Answer(given, [each.range_id for each in together], is_known)


def taken_by(batch_jobs: Iterable[BatchJob]) -> Mapping[str, Sequence[str]]:
    """Which batch jobs took which range."""
    taken = defaultdict(list)
    for each in batch_jobs:
        for range_id in each.ranges:
            taken[range_id].append(each.batch_id)
    return taken


def lost(story: Story, excused: frozenset[str]) -> Iterator[str]:
    """Ranges whose end the server does not know."""
    for each in story.all:
        if each.status != "finished" and each.range_id not in excused:
            where = story.taken.get(each.range_id, "none")
            yield f"event range {each.range_id} is {each.status}, the batch jobs that took it: {where}"


def doubled(story: Story) -> Iterator[str]:
    """Ranges that were given out or worked on again, or told of again without a reason."""
    for each in story.all:
        if each.times_given > 1:
            yield f"event range {each.range_id} was given out {each.times_given} times"
        if len(batch_ids := story.taken.get(each.range_id, ())) > 1:
            yield f"event range {each.range_id} was worked on by the batch jobs {batch_ids}"
        if _is_repeated(each, story.disturbances):
            yield f"event range {each.range_id} was told of at {each.told_at} though nobody had died in between"


def _is_repeated(told: EventRange, disturbances: Disturbances) -> bool:
    """Whether the server was told again for no reason.

    Somebody may have died before it was stored that the server knows. Once a second report may have begun before that,
    because there was more to tell of the job: the same may be told twice, but not for ever.
    """
    times = [float(str(time)) for time in told.told_at]
    gaps = [again - time for time, again in pairwise(times) if not disturbances.explain(time, again)]
    return len(gaps) > 1 or any(gap > STORED_WITHIN for gap in gaps)


def unreported(story: Story) -> Iterator[str]:
    """Ranges of which something untrue was told."""
    for each in story.all:
        if len(set(map(str, each.told))) > 1:
            yield f"event range {each.range_id} was said to be {each.told}"
        if each.told and each.range_id not in story.taken:
            yield f"event range {each.range_id} was said to be {each.told}, and no batch job has worked on it"
