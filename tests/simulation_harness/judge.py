"""Judges a run by what the resource and the server wrote down, at every moment and at the end.

Each finding is one sentence about one job, worker or batch job, with the invariant of `docs/reliability.md` that it
breaks. Harvester's database is never asked.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from simulation_harness.batch_jobs import BatchJob, Pair
from simulation_harness.job_verdicts import of_jobs
from simulation_harness.kinds import Kind, QueuePlan
from simulation_harness.range_verdicts import of_ranges
from simulation_harness.server import ENDS
from simulation_harness.worker_verdicts import of_batch_jobs, of_workers

if TYPE_CHECKING:
    from simulation_harness.world import World

_JUST_SUBMITTED: Final = 300.0
"""Seconds within which a process finds that it has submitted under a claim that it no longer holds."""
_OBEYED_WITHIN: Final = 4 * 3600.0
"""Seconds after which a command has surely been obeyed, though the server was away."""


@dataclass(slots=True)
class Judge:
    """See the module.

    Attributes:
        world: what is judged.
        findings: what was wrong, in the order of its discovery.
        unwanted: jobs that the server wanted killed.
    """

    world: "World"
    findings: list[str] = field(default_factory=list)
    unwanted: set[int] = field(default_factory=set)
    _orders: list[tuple[float, Collection[str]]] = field(default_factory=list)

    def note_order(self, queues: Collection[str]) -> None:
        """The server orders workers of these queues killed."""
        self._orders.append((self.world.now + _OBEYED_WITHIN, queues))

    def renew_orders(self) -> None:
        """It orders that again, for it may not have been heard."""
        latest = self.world.now + _OBEYED_WITHIN
        self._orders = [(latest, queues) for _, queues in self._orders]

    @property
    def condemned(self) -> set[int]:
        """Jobs that the server wanted killed, or workers of whose queue when they may have had one."""
        return self.unwanted | {
            job.job_id
            for job in self.world.server.jobs
            if any(job.created <= latest and job.site in queues for latest, queues in self._orders)
        }

    def find(self, sentence: str) -> None:
        """Something is wrong."""
        if sentence not in self.findings:
            self.findings.append(sentence)
            self.world.note(f"WRONG: {sentence}")

    # ---- at every moment ---------------------------------------------------------------------------------------------

    def note_submission(self, job: BatchJob) -> None:
        """A batch job was accepted."""
        batch, queue = self.world.batch, self.world.plan.queues[job.queue]
        self.world.operators.note_submission(job.queue)
        if queue.kind is Kind.SLAVE:
            self.world.orders.note_submission()
        live = batch.live(job.queue)
        if len(live) > queue.total:
            self.find(f"I3: queue {job.queue} holds {len(live)} batch jobs, {queue.total} are allowed")
        waiting = [each for each in live if not each.has_begun(self.world.now)]
        if len(waiting) > queue.queued:
            self.find(f"I3: in queue {job.queue} {len(waiting)} batch jobs wait, {queue.queued} may")
        same = [each.batch_id for each in batch.jobs if each.marker == job.marker]
        if len(same) > 1:
            self.find(f"I1: worker {job.marker} was submitted as the batch jobs {same}")
        if len(job.runs) > queue.jobs_per_worker:
            self.find(f"I2: {job.marker} has {len(job.runs)} jobs, {queue.jobs_per_worker} share a worker")
        for run in job.runs:
            for sentence in self._of_holders(run.pair, queue):
                self.find(sentence)

    def _of_holders(self, pair: Pair, queue: QueuePlan) -> Iterator[str]:
        """All batch jobs that were given a job, the newest one among them."""
        holders = [each for each in self.world.batch.jobs if pair in each.jobs]
        told = ", ".join(f"{each.batch_id} of {each.marker}" for each in holders)
        if len(holders) > queue.in_total:
            yield f"I2: job {pair[0]} attempt {pair[1]} is run by the batch jobs {told}, {queue.in_total} may"
        live = sum(each.is_live(self.world.now) for each in holders)
        if live > queue.at_once:
            yield f"I2: job {pair[0]} attempt {pair[1]} has {live} of {told} at once, {queue.at_once} may"
        if self._is_over(pair):
            yield f"I2: job {pair[0]} attempt {pair[1]} has got another of {told} after its end was told"

    def _is_over(self, pair: Pair) -> bool:
        """Whether its end was told, though nobody wanted it killed: then workers may be on their way to it yet."""
        has_ended = any(word.status in ENDS for word in self.world.server.heard.get(pair, ()))
        return has_ended and not self._is_unwanted(pair)

    def _is_unwanted(self, pair: Pair) -> bool:
        """Whether the server wants it killed, or no longer waits for it."""
        return pair[0] in self.condemned or self.world.server.has_given_up(pair)

    def note_kill(self, job: BatchJob) -> None:
        """A batch job is killed before its end: because it hangs, or somebody wants that, or it came too late.

        One that several jobs share goes on as long as one of them is wanted.
        """
        queue, now = self.world.plan.queues[job.queue], self.world.now
        is_useless = job.ends is None or (queue.asks and not job.jobs) or queue.kind is Kind.DIVIDED
        is_ordered = any(job.accepted <= latest and job.queue in queues for latest, queues in self._orders)
        unwanted = {run.pair for run in job.runs if self._is_unwanted(run.pair)}
        at_work = {run.pair for run in job.runs if job.has_taken(run, now) and not job.has_ended(run, now)}
        is_over = bool(unwanted) and at_work <= unwanted
        if not (is_useless or is_ordered or is_over or now < job.accepted + _JUST_SUBMITTED):
            self.find(f"kill: batch job {job.batch_id} of {job.marker} was killed, and nobody wanted that")

    def note_cleaning(self, marker: str) -> None:
        """What a worker needs is removed."""
        for each in self.world.batch.jobs:
            if each.marker == marker and each.is_live(self.world.now):
                self.find(f"I6: batch job {each.batch_id} of {marker} is cleaned up while it lives")

    # ---- at the end --------------------------------------------------------------------------------------------------

    def sum_up(self) -> list[str]:
        """All that was and is wrong."""
        if self.world.orders.is_open():
            self.find("order: the workers that were ordered last have not come")
        condemned = self.condemned
        verdicts = (
            of_jobs(self.world, condemned),
            of_workers(self.world.server),
            of_batch_jobs(self.world),
            of_ranges(self.world, condemned),
        )
        for some in verdicts:
            for sentence in some:
                self.find(sentence)
        return self.findings
