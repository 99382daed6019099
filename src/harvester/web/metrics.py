"""`/metrics`: the figures of the instance for Prometheus.

A page is kept for some seconds: however many ask and however often, the database is read once in that time.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import version
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from harvester.config.queues import QueueConfig
from harvester.core.clock import Clock
from harvester.core.errors import HarvesterError
from harvester.core.process_report import ProcessReport
from harvester.store.engine import Database
from harvester.web import families
from harvester.web.figures import ProcessName, Sample, of_instance, of_process, others

log = structlog.get_logger(__name__)

_KEPT_SECONDS: Final = 10.0
_CLASSES: Final = {"gauge": GaugeMetricFamily, "counter": CounterMetricFamily}


class MetricsPage:
    """The page; may be asked for in many threads.

    Args:
        instance: its `harvester_id`.
        me: this process.
        db: of the instance.
        queues: the queues as this process has them now.
        report: what this process tells of itself.
        clock: what time it is.
        tick: seconds of a clock that never goes back.
    """

    def __init__(
        self,
        instance: str,
        me: ProcessName,
        db: Database,
        *,
        queues: Callable[[], Mapping[str, QueueConfig]],
        report: Callable[[], ProcessReport],
        clock: Clock,
        tick: Callable[[], float] = time.monotonic,
    ) -> None:
        self._instance = instance
        self._me = me
        self._db = db
        self._queues = queues
        self._report = report
        self._clock = clock
        self._tick = tick
        self._lock = threading.Lock()
        self._page = b""
        self._until = 0.0

    def text(self) -> bytes:
        """The page, in the text format of Prometheus."""
        with self._lock:
            if not self._page or self._tick() >= self._until:
                self._page = exposition(self._samples())
                self._until = self._tick() + _KEPT_SECONDS
            return self._page

    def _samples(self) -> Iterator[Sample]:
        now = self._clock()
        yield families.INFO, (self._instance, version("harvester")), 1
        reports = {self._me: self._report()}
        try:
            with self._db.read() as connection:
                told = list(of_instance(connection, self._queues(), now))
                reports |= others(connection, self._me, now)
        except (HarvesterError, SQLAlchemyError) as error:
            log.warning("the database cannot tell figures, those of this process are told alone", error=str(error))
            told = []
        yield families.DATABASE_UP, (), float(bool(told))
        yield from told
        for name, report in reports.items():
            yield from of_process(name, report, now)


def exposition(samples: Iterable[Sample]) -> bytes:
    """The samples in the text format of Prometheus; names come in the order of `FAMILIES`."""
    collected: dict[str, GaugeMetricFamily | CounterMetricFamily] = {
        each.name: _CLASSES[each.kind](each.name, each.meaning, labels=each.labels) for each in families.FAMILIES
    }
    for family, labels, value in samples:
        collected[family.name].add_metric(labels, value)
    collectors = CollectorRegistry(auto_describe=False)
    collectors.register(_Collected([each for each in collected.values() if each.samples]))
    return generate_latest(collectors)


class _Collected(Collector):
    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics
