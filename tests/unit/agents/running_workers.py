"""Workers that run, and rounds in which the monitor looks at them."""

from collections.abc import Sequence
from datetime import timedelta

from world import QUEUE, World

from harvester.agents.monitor import Monitor
from harvester.agents.sizer import Sizer
from harvester.agents.submitter import Submitter
from harvester.core.workers import WorkerStatus
from harvester.plugins.api import Seen
from harvester.store import leases


def start(world: World, *job_ids: int) -> Sequence[int]:
    """Jobs that wait, and workers that run; the ids of all workers."""
    world.give_jobs(*job_ids)
    world.work(Sizer)
    world.work(Submitter)
    world.resource.states = {each.worker_id: Seen(WorkerStatus.RUNNING) for each in world.workers()}
    look(world)
    return [each.worker_id for each in world.workers()]


def look(world: World) -> None:
    """A round of the monitor."""
    with world.db.write() as connection:
        leases.nudge_queues(connection, leases.QUEUE_MONITOR, [QUEUE], world.clock(), timedelta())
    world.clock.forward(seconds=10)
    world.work(Monitor)
