"""Tells the server how many workers each pull queue has, which its own steering of queues needs."""

from collections.abc import Mapping
from typing import Final

from harvester.agents.base import Instance
from harvester.core.workers import MapType, WorkerStatus
from harvester.panda.errors import PandaRefused
from harvester.store import worker_counts
from harvester.store.worker_counts import WorkerKind

_NOTHING: Final = {"running": 0, "submitted": 0, "finished": 0, "to_submit": 0}
_NO_TYPE: Final = frozenset({None, "ANY", "Undefined"})


class StatisticsReporter:
    """Reports once per `period` (core reference §3.4 step 6)."""

    name: Final = "statistics"
    period: Final = 300.0

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    def round(self) -> None:
        """Report every pull queue, those without workers with zeros so that the server knows they are served.

        Raises:
            PandaUnavailable: the server cannot be reached; the next round reports all again.
            PandaRefused: the server did not take all of them; it has the others.
        """
        plugins = self._instance.plugins
        pulling = sorted(name for name in plugins.active if plugins.queue(name).map_type is MapType.NO_JOB)
        if not pulling:
            return
        with self._instance.db.read() as connection:
            counts = worker_counts.by_type(connection, pulling)
        refusals: list[PandaRefused] = []
        for queue in pulling:
            try:
                self._instance.panda.report_worker_statistics(queue, _statistics(counts.get(queue, {})))
            except PandaRefused as refusal:
                refusals.append(refusal)
        if refusals:
            raise refusals[0]


def _statistics(counts: Mapping[WorkerKind, Mapping[WorkerStatus, int]]) -> dict[str, dict[str, dict[str, int]]]:
    table: dict[str, dict[str, dict[str, int]]] = {}
    for (job_type, resource_type), by_status in counts.items():
        if resource_type is None or resource_type in _NO_TYPE:
            continue
        numbers = table.setdefault(job_type or "managed", {}).setdefault(resource_type, dict(_NOTHING))
        numbers["running"] += by_status.get(WorkerStatus.RUNNING, 0)
        numbers["submitted"] += by_status.get(WorkerStatus.SUBMITTED, 0)
        numbers["finished"] += by_status.get(WorkerStatus.FINISHED, 0)
    return table or {"managed": {"SCORE": dict(_NOTHING)}}
