"""How many workers queues get: what has to be known for it is read here, and decided in `core`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import Connection

from harvester.agents.base import Instance
from harvester.config.limits import worker_limits
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
from harvester.core.kinds import Want
from harvester.core.limits import WorkerCounts, WorkerLimits
from harvester.core.loads import Load, counts_of, queued_pilots, weighed_counts_of
from harvester.core.resource_types import RESOURCE_TYPES, ResourceTypes, read_resource_types, requirement_of
from harvester.core.sizing import NO_CEILING, NO_END, Demand, Sizing, size_workers
from harvester.core.worker_orders import Order
from harvester.core.workers import MapType
from harvester.store import orders, worker_counts

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
        section = self._instance.settings.submitter
        limits = {name: worker_limits(queue, section) for name, queue in queues.items()}
        slaves = [name for name, queue in queues.items() if queue.run_mode is RunMode.SLAVE]
        ordered = orders.of(connection, slaves) if slaves else {}
        weighed = [name for name in queues if name in ordered or limits[name].counts_resources]
        loads = worker_counts.loads(connection, weighed) if weighed else {}
        plain = [name for name in queues if name not in loads]
        counts = {name: weighed_counts_of(mine) for name, mine in loads.items()}
        live = worker_counts.live(connection, plain) if plain else {}
        counts |= {name: counts_of(by_status) for name, by_status in live.items()}
        return {
            name: self._decide(
                queue,
                limits[name],
                _Present(counts[name], waiting.get(name, 0), ordered.get(name), loads.get(name, ())),
            )
            for name, queue in queues.items()
        }

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
            queued_pilots(loads),
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


def _names(queue: QueueConfig) -> tuple[str, str]:
    """What the server may call the queue."""
    return queue.queue_name, queue.site_name


def _sized(want: Want, facts: QueueFacts, types: ResourceTypes) -> Want:
    need = requirement_of(facts, want.kind.resource_type, types)
    return replace(want, cores=need.cores, ram_mb=need.ram_mb)
