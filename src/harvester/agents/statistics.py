"""Tells the server how many workers each pull queue has, which its own steering of queues needs."""

import threading
from collections.abc import Mapping
from typing import Final

from harvester.agents.base import Instance
from harvester.core.kinds import WorkerKind, said
from harvester.core.worker_orders import Order
from harvester.core.workers import MapType, WorkerStatus
from harvester.panda.errors import PandaRefused
from harvester.store import orders, worker_counts

_PATIENCE: Final = 5.0
_NOTHING: Final = {"running": 0, "submitted": 0, "finished": 0, "to_submit": 0}
Table = dict[str, dict[str, dict[str, int]]]
"""Numbers of workers by job type, resource type and status."""


class StatisticsReporter:
    """Reports once per `period` (core reference §3.4 step 6).

    Args:
        introduced: set when the server has heard of this instance: before that it takes no numbers.
    """

    name: Final = "statistics"
    period: Final = 300.0

    def __init__(self, instance: Instance, introduced: threading.Event) -> None:
        self._instance = instance
        self._introduced = introduced

    def round(self) -> None:
        """Report every pull queue, those without workers with zeros so that the server knows they are served.

        Raises:
            PandaUnavailable: the server cannot be reached; the next round reports all again.
            PandaRefused: the server did not take all of them; it has the others.
        """
        served = self._instance.plugins.served
        pulling = sorted(each.queue_name for each in served if each.map_type is MapType.NO_JOB)
        if not pulling:
            return
        self._introduced.wait(_PATIENCE)
        with self._instance.db.read() as connection:
            counts = worker_counts.by_type(connection, pulling)
            ordered = orders.of(connection, pulling)
        refusals: list[PandaRefused] = []
        for queue in pulling:
            try:
                self._instance.panda.report_worker_statistics(queue, _statistics(counts.get(queue, {}), ordered[queue]))
            except PandaRefused as refusal:
                refusals.append(refusal)
        if refusals:
            raise refusals[0]


def _statistics(counts: Mapping[WorkerKind, Mapping[WorkerStatus, int]], ordered: Order) -> Table:
    table: Table = {}
    for kind, by_status in counts.items():
        if numbers := _numbers(table, kind):
            numbers["running"] += by_status.get(WorkerStatus.RUNNING, 0)
            numbers["submitted"] += by_status.get(WorkerStatus.SUBMITTED, 0)
            numbers["finished"] += by_status.get(WorkerStatus.FINISHED, 0)
    for kind, number in ordered.items():
        if numbers := _numbers(table, kind):
            numbers["to_submit"] += number
    return table or {"managed": {"SCORE": dict(_NOTHING)}}


def _numbers(table: Table, kind: WorkerKind) -> dict[str, int] | None:
    """The line of a kind of worker, which is made if need be; None for kinds that the server has no line for."""
    resource_type = said(kind.resource_type)
    if resource_type is None:
        return None
    by_type = table.setdefault(kind.job_type or "managed", {})
    return by_type.setdefault(resource_type, dict(_NOTHING))
