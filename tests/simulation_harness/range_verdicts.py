"""What came of the event ranges of a run: each was worked on once, and the server knows what came of it."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Final

from harvester.panda.devserver.events import EventRange
from simulation_harness.ranges import DividedWork
from simulation_harness.server import ENDS

if TYPE_CHECKING:
    from simulation_harness.world import World

_NEVER: Final = float("inf")


def of_ranges(world: "World", condemned: Collection[int]) -> Iterator[str]:
    """Sentences about event ranges.

    Args:
        world: what is judged.
        condemned: jobs that the server, or a command of it, wanted killed.
    """
    works = world.batch.pilots.ranges.works
    yield from _of_doubled(works)
    known = {each.range_id: each for job in world.server.jobs for each in world.server.state.events.of_job(job.job_id)}
    truths: defaultdict[str, set[str]] = defaultdict(set)
    for work in works:
        for run in work.worked(_NEVER):
            truths[run.range_id].add(run.word)
    for each in known.values():
        yield from _of_words(each, truths[each.range_id])
    for work in works:
        if work.job not in condemned and not world.server.has_given_up(work.run.pair):
            yield from _of_work(world, work, known)


def _of_doubled(works: Collection[DividedWork]) -> Iterator[str]:
    """A job that the server gives out again may have ranges again of which it had not heard."""
    taken = Counter((work.run.pair, run.range_id) for work in works for run in work.taken())
    for (pair, range_id), times in taken.items():
        if times > 1:
            yield f"I2: event range {range_id} was taken up {times} times in attempt {pair[1]} of job {pair[0]}"


def _of_words(known: EventRange, truth: Collection[str]) -> Iterator[str]:
    """What was told is what a pilot has made of it."""
    if {str(each) for each in known.told} - set(truth):
        yield f"I4: event range {known.range_id} was said to be {known.told}, the pilots know {sorted(truth)}"


def _of_work(world: "World", work: DividedWork, known: dict[str, EventRange]) -> Iterator[str]:
    """Of a job that came to its end, everything that was done is known, and what was given for it has arrived."""
    if not any(word.status in ENDS for word in world.server.heard.get(work.run.pair, ())):
        return
    for each in work.worked(_NEVER):
        if not known[each.range_id].told:
            yield f"I4: event range {each.range_id} is {each.word}, and nobody told the server"
    if not (work.has_all and work.batch_job.came_to_an_end(work.run)):
        return
    arrived = {each.range_id for each in work.ranges}
    for given in world.server.given_ranges:
        is_lost = given.is_lost or given.teller.stood_still_after(given.moment)
        if (given.job_id, given.attempt) == work.run.pair and not is_lost:
            for range_id in set(given.ranges) - arrived:
                yield f"I1: event range {range_id} was given for a pilot that worked to its end, and never came there"
