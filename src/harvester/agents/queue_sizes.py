"""How many workers queues get: what has to be known for it is read here, and decided in `core`."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

from sqlalchemy import Connection

from harvester.agents.base import Instance
from harvester.config.queues import QueueConfig, RunMode
from harvester.core import statistics
from harvester.core.core_factor import core_factor
from harvester.core.demand import (
    Prioritized,
    PullRules,
    of_activated_jobs,
    of_order,
    of_waiting_jobs,
    room_for_jobs,
)
from harvester.core.facts import QueueFacts
from harvester.core.kinds import Want, WorkerKind, said
from harvester.core.limits import WorkerCounts, WorkerLimits
from harvester.core.resource_types import RESOURCE_TYPES, ResourceTypes, read_resource_types, requirement_of
from harvester.core.sizing import NO_CEILING, NO_END, Demand, Sizing, size_workers
from harvester.core.slots import Slot, slot_of
from harvester.core.worker_orders import Order
from harvester.core.workers import QUEUED_WORKER_STATUSES, MapType, WorkerStatus
from harvester.plugins.api import GroupToServe
from harvester.store import orders, worker_counts
from harvester.store.worker_counts import Load

_CLOSED: Final = frozenset({"offline", "standby", "maintenance"})
"""What the information system says of queues that get no workers."""


@dataclass(frozen=True, slots=True)
class _Present:
    """What is there for a queue.

    Attributes:
        waiting: workers that its jobs could have.
        ordered: by the server, in slave mode.
        loads: its workers by kind, where they are looked at so closely.
    """

    counts: WorkerCounts
    waiting: int
    ordered: Order | None
    loads: Sequence[Load]


class QueueSizes:
    """Decides for many queues at once."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    def decide(
        self, connection: Connection, queues: Mapping[str, QueueConfig], waiting: Mapping[str, int]
    ) -> dict[str, Sizing]:
        """The sizes of these queues.

        Args:
            connection: in the transaction that holds the queues, so that nobody else decides about them meanwhile.
            queues: their configuration by name.
            waiting: workers that the jobs of each queue could have.
        """
        limits = {name: self._limits(queue) for name, queue in queues.items()}
        slaves = [name for name, queue in queues.items() if queue.run_mode is RunMode.SLAVE]
        ordered = orders.of(connection, slaves) if slaves else {}
        weighed = [name for name in queues if name in ordered or limits[name].counts_resources]
        loads = worker_counts.loads(connection, weighed) if weighed else {}
        plain = [name for name in queues if name not in loads]
        counts = {name: _weighed(mine) for name, mine in loads.items()}
        live = worker_counts.live(connection, plain) if plain else {}
        counts |= {name: _counted(by_status) for name, by_status in live.items()}
        return {
            name: self._decide(
                queue,
                limits[name],
                _Present(counts[name], waiting.get(name, 0), ordered.get(name), loads.get(name, ())),
            )
            for name, queue in queues.items()
        }

    def _limits(self, queue: QueueConfig) -> WorkerLimits:
        return WorkerLimits(
            queued=queue.n_queue_limit_worker,
            total=queue.max_workers or 0,
            per_cycle=queue.max_new_workers_per_cycle or 0,
            instance_per_cycle=self._instance.settings.submitter.max_new_workers or 0,
            queued_ratio=queue.n_queue_limit_worker_ratio,
            queued_min=queue.n_queue_limit_worker_min,
            cores=queue.n_queue_limit_worker_cores,
            cores_ratio=queue.n_queue_limit_worker_cores_ratio,
            cores_min=queue.n_queue_limit_worker_cores_min,
            ram_mb=queue.n_queue_limit_worker_memory,
            ram_ratio=queue.n_queue_limit_worker_memory_ratio,
            ram_min=queue.n_queue_limit_worker_memory_min,
        )

    def _decide(self, queue: QueueConfig, limits: WorkerLimits, present: _Present) -> Sizing:
        pulls = queue.map_type is MapType.NO_JOB
        if closed := self._closed(queue):
            return closed
        if pulls and limits.total <= 0:
            return NO_CEILING
        if present.ordered is None:
            demand = self._activated(queue, present.counts) if pulls else of_waiting_jobs(present.waiting)
            return size_workers(limits, present.counts, demand)
        demand = self._ordered(queue, present.ordered, present.loads)
        return size_workers(limits, present.counts, demand, [] if pulls else [room_for_jobs(present.waiting)])

    def _closed(self, queue: QueueConfig) -> Sizing | None:
        facts = self._instance.facts.of(queue.queue_name)
        if facts is None or facts.status not in _CLOSED:
            return None
        return Sizing(0, "queue status", f"the information system says that the queue is {facts.status}")

    def _activated(self, queue: QueueConfig, counts: WorkerCounts) -> Demand:
        """As many workers as there are activated jobs; without the server's statistics, as many as the limits allow."""
        document = self._instance.facts.document(statistics.JOBS)
        if not isinstance(document, Mapping):
            return NO_END
        settings, own = self._instance.settings.submitter, queue.core.submitter.no_pilots_when_no_active_jobs
        rules = PullRules(
            factor=self._activate_factor(queue) / self._core_factor(queue),
            none_without_jobs=settings.no_pilots_when_no_active_jobs if own is None else own,
        )
        return of_activated_jobs(statistics.activated_jobs(document, _names(queue)), rules, counts)

    def _ordered(self, queue: QueueConfig, order: Order, loads: Iterable[Load]) -> Demand:
        """What the server ordered; where CRIC knows the queue, with what a worker of each type takes."""
        document = self._instance.facts.document(statistics.JOBS_BY_LABEL)
        first = Prioritized(
            queue.prioritized_prod_source_labels,
            statistics.activated_by_label(document, _names(queue)),
            _queued_pilots(loads),
        )
        demand = of_order(order, 1 / self._core_factor(queue), first)
        facts = self._instance.facts.of(queue.queue_name)
        if facts is None:
            return demand
        types = read_resource_types(self._instance.facts.document(RESOURCE_TYPES))
        return replace(demand, wants=tuple(_sized(want, facts, types) for want in demand.wants))

    def _activate_factor(self, queue: QueueConfig) -> float:
        factor = self._instance.settings.submitter.activate_worker_factor
        if factor != "auto":
            return factor
        return 1 / statistics.serving_instances(self._instance.facts.document(statistics.WORKERS), _names(queue))

    def _core_factor(self, queue: QueueConfig) -> int:
        facts = self._instance.facts.of(queue.queue_name)
        kind = queue.resource_type if facts is not None and facts.is_unified else "Undefined"
        return core_factor(queue.core.submitter.n_core_factor, "managed", kind)


def with_terms(queue: QueueConfig, groups: Sequence[GroupToServe]) -> Sequence[GroupToServe]:
    """The groups with what the queue says of its workers, if it says something."""
    per_node, walltime_limit_s = queue.core.submitter.n_core_per_node, queue.walltime_limit
    if not per_node and not walltime_limit_s:
        return groups
    return [replace(group, cores_per_node=per_node or None, walltime_limit_s=walltime_limit_s) for group in groups]


def with_slots(instance: Instance, queue: str, groups: Sequence[GroupToServe]) -> Sequence[GroupToServe]:
    """The groups with what a worker takes by the information system, if that knows the queue."""
    facts = instance.facts.of(queue)
    if facts is None:
        return groups
    types = read_resource_types(instance.facts.document(RESOURCE_TYPES))

    @cache
    def slot(kind: WorkerKind, has_jobs: bool) -> Slot:  # noqa: FBT001 (cached by place)
        return slot_of(facts, kind, types, has_jobs=has_jobs)

    return [replace(group, slot=slot(_kind(group), bool(group.jobs))) for group in groups]


def _kind(group: GroupToServe) -> WorkerKind:
    """What the jobs are, else what is wanted."""
    own = said(group.jobs[0].resource_type) if group.jobs else None
    return replace(group.kind, resource_type=own) if own else group.kind


def _names(queue: QueueConfig) -> tuple[str, str]:
    """What the server may call the queue."""
    return queue.queue_name, queue.site_name


def _sized(want: Want, facts: QueueFacts, types: ResourceTypes) -> Want:
    need = requirement_of(facts, want.kind.resource_type, types)
    return replace(want, cores=need.cores, ram_mb=need.ram_mb)


def _queued_pilots(loads: Iterable[Load]) -> dict[str | None, Counter[str | None]]:
    """Workers that wait, by resource type and type of pilot."""
    found: dict[str | None, Counter[str | None]] = defaultdict(Counter)
    for load in loads:
        if load.status in QUEUED_WORKER_STATUSES:
            found[load.resource_type][load.pilot_type] += load.number
    return found


def _counted(by_status: Mapping[WorkerStatus, int]) -> WorkerCounts:
    return WorkerCounts(
        queued=sum(by_status.get(status, 0) for status in QUEUED_WORKER_STATUSES),
        ready=by_status.get(WorkerStatus.READY, 0),
        running=by_status.get(WorkerStatus.RUNNING, 0),
    )


def _weighed(loads: Iterable[Load]) -> WorkerCounts:
    queued = [load for load in loads if load.status in QUEUED_WORKER_STATUSES]
    running = [load for load in loads if load.status is WorkerStatus.RUNNING]
    return WorkerCounts(
        queued=sum(load.number for load in queued),
        ready=sum(load.number for load in loads if load.status is WorkerStatus.READY),
        running=sum(load.number for load in running),
        queued_cores=sum(load.cores for load in queued),
        running_cores=sum(load.cores for load in running),
        queued_ram_mb=sum(load.ram_mb for load in queued),
        running_ram_mb=sum(load.ram_mb for load in running),
    )
