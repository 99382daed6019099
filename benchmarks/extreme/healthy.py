"""A healthy resource beside whatever is wrong: it notes how long its workers waited for Harvester."""

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import ClassVar, Final

from figures import Stopwatch
from harvester.core.clock import utc_now
from harvester.core.workers import Worker
from harvester.plugins.api import Done, Submitted
from instance import Block
from instant import InstantResource

_HERE: Final = {"module": "extreme.healthy", "name": "HealthyResource"}
HEALTHY: Final[Block] = dict.fromkeys(("submitter", "monitor", "sweeper"), _HERE)
"""Keys of a queue that is on it."""
NOTHING_KEPT: Final[Block] = dict.fromkeys(("keepFinished", "keepFailed", "keepCancelled", "keepMissed"), 0)
"""`[sweeper]`: workers go as soon as they have ended and the server knows."""
BUSY: Final[Mapping[str, Block]] = {"sweeper": NOTHING_KEPT, "submitter": {"maxNewWorkers": "None", "lookupTime": 1}}
"""Sections of an instance whose healthy queues make workers as fast as they can."""


class Latencies:
    """Seconds that healthy workers waited, from their making to their submission and from that to their end."""

    def __init__(self) -> None:
        self.to_submit: list[float] = []
        self.to_sweep: list[float] = []

    def clear(self) -> None:
        """Begin anew."""
        self.to_submit, self.to_sweep = [], []


class HealthyResource(InstantResource):
    """An instant resource that takes the time."""

    latencies: ClassVar[Latencies] = Latencies()

    def submit(self, workers: Sequence[Worker]) -> Sequence[Submitted]:
        """Take all."""
        self.latencies.to_submit += _ages(worker.created_at for worker in workers)
        return super().submit(workers)

    def clean(self, workers: Sequence[Worker]) -> Sequence[Done]:
        """Say yes."""
        self.latencies.to_sweep += _ages(worker.submitted_at for worker in workers)
        return super().clean(workers)


def _ages(moments: Iterable[datetime | None]) -> list[float]:
    now = utc_now()
    return [(now - moment).total_seconds() for moment in moments if moment is not None]


@contextmanager
def measured() -> Iterator[dict[str, object]]:
    """Throughput and latencies of the healthy resource meanwhile."""
    latencies, figures = HealthyResource.latencies, dict[str, object]()
    latencies.clear()
    watch = Stopwatch()
    yield figures
    figures["workers_per_second"] = round(len(latencies.to_sweep) / watch.seconds, 1)
    for name, values in (("submit", latencies.to_submit), ("sweep", latencies.to_sweep)):
        figures |= _spread(f"to_{name}", values)


def _spread(name: str, values: Sequence[float]) -> dict[str, object]:
    if len(values) < 2:
        return {f"{name}_seconds": None}
    parts = statistics.quantiles(values, n=100)
    return {
        f"{name}_median": round(parts[49], 2),
        f"{name}_p99": round(parts[98], 2),
        f"{name}_max": round(max(values), 2),
    }
