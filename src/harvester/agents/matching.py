"""Which waiting jobs the new workers of a queue are for, where a worker is not simply for the next one.

That is where jobs share workers or workers share a job, and where workers get their jobs only when they run. It is
looked up outside the sizer's claim, because the worker maker has a say in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from harvester.agents.base import Instance
from harvester.config.mapping import binds_late, group_rules, spread_of
from harvester.config.queues import QueueConfig
from harvester.core.grouping import Group, GroupRules, Sharing, Spread, group_jobs, sharing
from harvester.core.holds import HoldMode
from harvester.core.workers import MapType
from harvester.plugins.api import FreeSlot, GroupToServe
from harvester.store import jobs, shared_workers, worker_counts
from harvester.store.leases import BATCH

_MANY: Final = 1000
"""Workers that one job may want if nothing limits them; the limits of the queue then decide."""


@dataclass(frozen=True, slots=True)
class Matched:
    """Groups of jobs, one for each new worker.

    Attributes:
        reason: why there are no more of them.
        at_once: how many live workers a job may have, by its id, where workers share a job.
    """

    groups: Sequence[GroupToServe]
    reason: str
    at_once: Mapping[int, int] = field(default_factory=dict)


def needs_matching(queue: QueueConfig) -> bool:
    """Whether the new workers of the queue are not simply for one waiting job each, or for none.

    How many resources are ready is found out after the claim, so jobs are matched then too.
    """
    is_shared = queue.map_type in {MapType.ONE_TO_MANY, MapType.MANY_TO_ONE}
    return is_shared or binds_late(queue) or queue.core.worker_maker.dynamic_sizing


def most_wanted(
    connection: Connection, queues: Mapping[str, QueueConfig], waiting: Mapping[str, int], now: datetime
) -> dict[str, int]:
    """How many workers the waiting jobs of each queue can want at the most."""
    shared = [name for name, queue in queues.items() if queue.map_type is MapType.ONE_TO_MANY]
    growing = jobs.count_growing(connection, shared, now) if shared else {}
    most = {name: spread_of(queues[name]).in_total or _MANY for name in shared}
    return {name: (waiting[name] + growing.get(name, 0)) * most.get(name, 1) for name in queues}


def match(instance: Instance, queue: QueueConfig, new_workers: int, slots: Sequence[FreeSlot]) -> Matched:
    """The groups for at most so many new workers, from what waits now.

    Args:
        instance: that the queue belongs to.
        queue: its configuration.
        new_workers: how many there may be.
        slots: the free nodes that they are made for.
    """
    maker = instance.plugins.worker_maker(queue.queue_name)
    number = min(new_workers, BATCH)
    if queue.map_type is MapType.ONE_TO_MANY:
        spread = spread_of(queue, maker.workers_per_job(number))
        with instance.db.read() as connection:
            return _match_shared_jobs(connection, queue, spread, number, instance.clock())
    rules = group_rules(queue, maker.jobs_per_worker(number, slots))
    with instance.db.read() as connection:
        now = instance.clock()
        hold = instance.held.of(connection, [queue.queue_name], now).get(queue.queue_name)
        if hold is not None and hold.mode is HoldMode.DRAIN:
            rules = replace(rules, rest_waits=False)  # no others come before the queue is empty
        return _match_jobs(connection, queue, rules, number, now)


def _match_jobs(connection: Connection, queue: QueueConfig, rules: GroupRules, number: int, now: datetime) -> Matched:
    name = queue.queue_name
    jobless = worker_counts.jobless(connection, name) if binds_late(queue) else 0
    per_worker = rules.jobs_per_worker if rules.map_type is MapType.MANY_TO_ONE else 1
    waiting = jobs.best_waiting(connection, name, (number + jobless) * per_worker, now)
    groups = group_jobs(rules, waiting, number + jobless)[jobless:]
    wait = f"{len(waiting)} jobs wait, a worker takes {'up to ' if not rules.rest_waits else ''}{per_worker}"
    return Matched(_to_serve(connection, groups), _with_jobless(wait, jobless))


def _match_shared_jobs(
    connection: Connection, queue: QueueConfig, spread: Spread, number: int, now: datetime
) -> Matched:
    name = queue.queue_name
    jobless = worker_counts.jobless(connection, name) if binds_late(queue) else 0
    shared = jobs_to_share(connection, name, spread, number + jobless, now)
    groups = group_jobs(group_rules(queue), shared.candidates, number + jobless, shared.rooms)[jobless:]
    wanted = f"{len(shared.candidates)} jobs want {sum(shared.rooms.values())} more workers"
    return Matched(_to_serve(connection, groups), _with_jobless(wanted, jobless), shared.at_once)


def jobs_to_share(connection: Connection, queue: str, spread: Spread, number: int, now: datetime) -> Sharing:
    """Jobs that may get a worker, or one more, out of so many that wait and so many that have some."""
    open_jobs = jobs.best_waiting(connection, queue, number, now)
    open_jobs += jobs.best_growing(connection, queue, number, now, spread.in_total or _MANY)
    return sharing(open_jobs, shared_workers.tallies(connection, [job.job_id for job in open_jobs]), spread)


def _with_jobless(text: str, jobless: int) -> str:
    return f"{text}; workers without a job that are there already: {jobless}" if jobless else text


def _to_serve(connection: Connection, groups: Sequence[Group]) -> list[GroupToServe]:
    params = jobs.params_of(connection, {job.job_id for group in groups for job in group})
    return [GroupToServe(group, {job.job_id: params[job.job_id] for job in group}) for group in groups]
