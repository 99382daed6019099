"""What came of the workers and batch jobs of a run: each is known to both sides, and ended as it is told."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from harvester.panda.devserver.records import FINAL_WORKER_STATUSES
from simulation_harness.server import INSTANCE, Server, statuses
from simulation_harness.statuses import WORKER_RANKS, backward_steps

if TYPE_CHECKING:
    from simulation_harness.world import World


def of_workers(server: Server) -> Iterator[str]:
    """Sentences about workers, as the server knows them."""
    for worker in server.workers:
        ends = Counter(status for status in worker.told if status in FINAL_WORKER_STATUSES)
        if not worker.is_final:
            yield f"I4: worker {worker.worker_id} is {worker.status} for ever, it had been {worker.statuses}"
        if len(ends) > 1:
            yield f"I4: worker {worker.worker_id} was said to be {' and '.join(ends)}"
    for worker_id, words in server.heard_of_workers.items():
        told = statuses(words)
        for newer, older in backward_steps(words, WORKER_RANKS):
            yield f"I5: worker {worker_id} was said to be {newer.status} and {older.status} later: {told}"
        if "missed" in told and set(told) - {"pending", "missed"}:
            yield f"I5: worker {worker_id} was on the resource, and was said to be missed: {told}"


def of_batch_jobs(world: "World") -> Iterator[str]:
    """Sentences about batch jobs, as the resource knows them."""
    known = {f"{INSTANCE}-{each.worker_id}": each for each in world.server.workers}
    for each in world.batch.jobs:
        worker = known.get(each.marker)
        if worker is None:
            yield f"I1: batch job {each.batch_id} belongs to {each.marker}, of whom the server never heard"
        elif worker.fields.get("batchID") != each.batch_id:
            yield f"I1: batch job {each.batch_id} of {each.marker} is not what the server knows: {worker.fields}"
        elif worker.status != each.end:
            yield f"I4: {each.marker} has {each.end} as {each.batch_id}, the server heard {worker.told}"
        if each.is_live(world.now):
            yield f"I6: batch job {each.batch_id} of {each.marker} hangs for ever"
        elif each.cleaned is None:
            yield f"I6: batch job {each.batch_id} of {each.marker} was never cleaned up"
