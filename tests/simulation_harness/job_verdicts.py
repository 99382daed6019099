"""What came of the jobs of a run: each was run and told of as it is true, and came to its end."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from simulation_harness.batch_jobs import BatchJob, Pair, Run
from simulation_harness.kinds import Kind
from simulation_harness.server import ENDS, Word, statuses
from simulation_harness.statuses import JOB_RANKS, backward_steps

if TYPE_CHECKING:
    from simulation_harness.world import World

Holding = tuple[BatchJob, Run]
"""A batch job with what its pilot did with one job."""


def of_jobs(world: "World", condemned: Collection[int]) -> Iterator[str]:
    """Sentences about jobs and their attempts.

    Args:
        world: what is judged.
        condemned: jobs that the server, or a command of it, wanted killed.
    """
    server = world.server
    for job in server.jobs:
        if not job.is_final:
            yield f"I4: job {job.job_id} is {job.status} for ever, the server has heard {job.received or 'nothing'}"
    for given in server.given:
        ends = ENDS & set(statuses(server.heard.get((given.job_id, given.attempt), ())))
        if not ends and not given.is_lost and not given.was_known:
            yield f"I4: nobody told how job {given.job_id} attempt {given.attempt} ended"
    holdings = _holdings(world)
    untaken = {run.pair for each in world.batch.jobs for run in each.runs if run.pair not in each.jobs}
    for pair, words in server.heard.items():
        is_wanted = pair[0] not in condemned and not server.has_given_up(pair)
        yield from _of_words(pair, words, was_untaken=pair in untaken)
        if pair not in holdings:
            yield from _of_no_run(pair, words, was_left=pair in untaken and is_wanted)
    for pair, some in holdings.items():
        yield from _of_holders(world, pair, some)
        if pair[0] not in condemned:
            yield from _of_runs(world, pair, some)


def _of_words(pair: Pair, words: Sequence[Word], *, was_untaken: bool) -> Iterator[str]:
    """A job that was put where a pilot never looked waits again, though it was said to run."""
    told, about = statuses(words), f"job {pair[0]} attempt {pair[1]}"
    if len(ENDS & set(told)) > 1:
        yield f"I4: {about} was said to be {told}"
    for newer, older in backward_steps(words, JOB_RANKS):
        if not (was_untaken and (newer.status, older.status) == ("running", "starting")):
            yield f"I5: {about} was said to be {newer.status} and {older.status} later: {told}"


def _of_no_run(pair: Pair, words: Sequence[Word], *, was_left: bool) -> Iterator[str]:
    """No batch job has run it; that it was put where a pilot never looked does not end it."""
    told = set(statuses(words))
    if "finished" in told or ("failed" in told and was_left):
        yield f"I4: job {pair[0]} attempt {pair[1]} was said to be {statuses(words)}, and no batch job has run it"


def _holdings(world: "World") -> Mapping[Pair, Sequence[Holding]]:
    found: defaultdict[Pair, list[Holding]] = defaultdict(list)
    for each in world.batch.jobs:
        for run in each.runs:
            if run.pair in each.jobs:
                found[run.pair].append((each, run))
    return found


def _of_holders(world: "World", pair: Pair, holdings: Sequence[Holding]) -> Iterator[str]:
    """Also of pilots that asked for jobs, which is not seen when they are submitted."""
    queue = world.plan.queues[holdings[0][0].queue]
    if len(holdings) > queue.in_total:
        told = ", ".join(f"{each.batch_id} of {each.marker}" for each, _ in holdings)
        yield f"I2: job {pair[0]} attempt {pair[1]} was run by the batch jobs {told}"
    for each, _ in holdings:
        if queue.jobs_per_worker == 1 and len(each.jobs) > 1:
            yield f"I2: {each.marker} has run the jobs {each.jobs}, each has a worker of its own"


def _of_runs(world: "World", pair: Pair, holdings: Sequence[Holding]) -> Iterator[str]:
    """What was told of the end is true; a job that the server gave up may end before the pilot that others share."""
    words = [word for word in world.server.heard.get(pair, ()) if word.status in ENDS]
    if not words:
        return
    where = f"batch jobs {', '.join(each.batch_id for each, _ in holdings)}"
    queue, is_given_up = world.plan.queues[holdings[0][0].queue], world.server.has_given_up(pair)
    truth, ended = _end_of_shared(holdings) if queue.kind is Kind.SPREAD else _end_of_own(*holdings[-1])
    if pair[0] in world.transfers.lost:
        truth = "failed"
    told = set(statuses(words))
    ends_alone = is_given_up and queue.jobs_per_worker > 1
    if told != {truth} and not ends_alone:
        yield f"I4: job {pair[0]} attempt {pair[1]} has {truth} in {where}, the server heard {sorted(told)}"
    if words[0].moment < ended and not is_given_up:
        yield f"I4: job {pair[0]} attempt {pair[1]} was said to be {words[0].status} while it ran in {where}"


def _end_of_own(batch_job: BatchJob, run: Run) -> tuple[str, float]:
    """How and when a job ended that has a pilot of its own, or is one of several jobs of a pilot."""
    if batch_job.came_to_an_end(run):
        return run.outcome, run.ends or 0.0
    return "failed", batch_job.ended_at or 0.0


def _end_of_shared(holdings: Sequence[Holding]) -> tuple[str, float]:
    """How and when a job ended that several pilots share: with the last one, and well if one has ended well."""
    ends = [each.ended_at or 0.0 for each, _ in holdings]
    return "finished" if any(each.end == "finished" for each, _ in holdings) else "failed", max(ends)
