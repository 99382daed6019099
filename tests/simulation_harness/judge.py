"""Judges a run by what the resource and the server wrote down, at every moment and at the end.

Each finding is one sentence about one job, worker or batch job, with the invariant of `docs/reliability.md` that it
breaks. Harvester's database is never asked.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harvester.panda.devserver.records import FINAL_WORKER_STATUSES
from simulation_harness.batch import BatchJob
from simulation_harness.server import ENDS, INSTANCE

if TYPE_CHECKING:
    from simulation_harness.world import World


@dataclass(slots=True)
class Judge:
    """See the module.

    Attributes:
        world: what is judged.
        findings: what was wrong, in the order of its discovery.
        condemned: jobs that the server, or a command of it, wanted killed.
    """

    world: "World"
    findings: list[str] = field(default_factory=list)
    condemned: set[int] = field(default_factory=set)

    def find(self, sentence: str) -> None:
        """Something is wrong."""
        if sentence not in self.findings:
            self.findings.append(sentence)
            self.world.note(f"WRONG: {sentence}")

    # ---- at every moment ---------------------------------------------------------------------------------------------

    def note_submission(self, job: BatchJob) -> None:
        """A batch job was accepted."""
        batch, limits = self.world.batch, self.world.plan.limits[job.queue]
        live = batch.live(job.queue)
        if len(live) > limits.total:
            self.find(f"I3: queue {job.queue} holds {len(live)} batch jobs, {limits.total} are allowed")
        waiting = [each for each in live if not each.has_begun(self.world.now)]
        if len(waiting) > limits.queued:
            self.find(f"I3: in queue {job.queue} {len(waiting)} batch jobs wait, {limits.queued} may")
        same = [each.batch_id for each in batch.jobs if each.marker == job.marker]
        if len(same) > 1:
            self.find(f"I1: worker {job.marker} was submitted as the batch jobs {same}")
        for pair in job.jobs:
            others = [each for each in batch.jobs if pair in each.jobs]
            if len(others) > 1:
                told = ", ".join(f"{each.batch_id} of {each.marker}" for each in others)
                self.find(f"I2: job {pair[0]} attempt {pair[1]} is run by the batch jobs {told}")

    def note_cleaning(self, marker: str) -> None:
        """What a worker needs is removed."""
        for each in self.world.batch.jobs:
            if each.marker == marker and each.is_live(self.world.now):
                self.find(f"I6: batch job {each.batch_id} of {marker} is cleaned up while it lives")

    # ---- at the end --------------------------------------------------------------------------------------------------

    def sum_up(self) -> list[str]:
        """All that was and is wrong."""
        for sentence in (*self._of_jobs(), *self._of_workers(), *self._of_batch_jobs()):
            self.find(sentence)
        return self.findings

    def _of_jobs(self) -> Iterator[str]:
        server = self.world.server
        for job in server.jobs:
            if not job.is_final:
                yield f"I4: job {job.job_id} is {job.status} for ever, the server has heard {job.received or 'nothing'}"
        for (job_id, attempt), told in server.heard.items():
            if len(ENDS & set(told)) > 1:
                yield f"I4: job {job_id} attempt {attempt} was said to be {told}"
        for given in server.given:
            ends = ENDS & set(server.heard.get((given.job_id, given.attempt), ()))
            if not ends and not given.is_lost and not given.was_known:
                yield f"I4: nobody told how job {given.job_id} attempt {given.attempt} ended"
        runs = {pair: each for each in self.world.batch.jobs for pair in each.jobs}
        for (job_id, attempt), batch_job in runs.items():
            yield from self._of_run(job_id, attempt, batch_job)

    def _of_run(self, job_id: int, attempt: int, batch_job: BatchJob) -> Iterator[str]:
        told = ENDS & set(self.world.server.heard.get((job_id, attempt), ()))
        truth = batch_job.outcome if batch_job.has_finished_by_itself else "failed"
        if job_id in self.world.transfers.lost:
            truth = "failed"
        if told and told != {truth} and job_id not in self.condemned:
            where = f"batch job {batch_job.batch_id}"
            yield f"I4: job {job_id} attempt {attempt} has {truth} in {where}, the server heard {sorted(told)}"

    def _of_workers(self) -> Iterator[str]:
        for worker in self.world.server.workers:
            ends = Counter(status for status in worker.told if status in FINAL_WORKER_STATUSES)
            if not worker.is_final:
                yield f"I4: worker {worker.worker_id} is {worker.status} for ever, it had been {worker.statuses}"
            if len(ends) > 1:
                yield f"I4: worker {worker.worker_id} was said to be {' and '.join(ends)}"

    def _of_batch_jobs(self) -> Iterator[str]:
        known = {f"{INSTANCE}-{each.worker_id}": each for each in self.world.server.workers}
        for each in self.world.batch.jobs:
            worker = known.get(each.marker)
            if worker is None:
                yield f"I1: batch job {each.batch_id} belongs to {each.marker}, of whom the server never heard"
            elif worker.fields.get("batchID") != each.batch_id:
                yield f"I1: batch job {each.batch_id} of {each.marker} is not what the server knows: {worker.fields}"
            elif worker.status != _truth(each):
                yield f"I4: {each.marker} has {_truth(each)} as {each.batch_id}, the server heard {worker.told}"
            if each.is_live(self.world.now):
                yield f"I6: batch job {each.batch_id} of {each.marker} hangs for ever"
            elif each.cleaned is None:
                yield f"I6: batch job {each.batch_id} of {each.marker} was never cleaned up"


def _truth(job: BatchJob) -> str:
    """How Harvester has to say that it ended."""
    if job.vanished is not None and job.vanished == job.ended_at:
        return "failed"
    if job.killed is not None and job.killed == job.ended_at:
        return "cancelled"
    return job.outcome
