"""A sick server: reports are due while it fails, says nothing, or is slow; then it is well again."""

import argparse
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import psutil
from sqlalchemy import func, select, update

from figures import Figures, Stopwatch
from harvester.core.clock import utc_now
from harvester.panda.devserver import DevControl
from harvester.panda.devserver.faults import FaultKind
from harvester.service import Harvester
from harvester.store import schema
from harvester.store.engine import Database
from instance import Site, benchmark_site, running, wait_until
from population import QUEUES, add_live, make_access_points, quiet_queues

_PATIENCE = 3600
_SOON = timedelta(minutes=20)
"""Within which reports are tried again that could not be made; those that were made are due in half an hour."""
Once = Callable[..., object]
"""Sends a request, and does not try again."""


def measure(arguments: argparse.Namespace) -> Figures:
    figures: dict[str, object] = {}
    for kind in (FaultKind.HTTP_500, FaultKind.HANG, FaultKind.SLOW):
        with benchmark_site(arguments.engine, arguments.access_points) as site:
            figures |= {f"{kind.value}_{name}": value for name, value in _measure_with(site, kind, arguments).items()}
    return figures


def _measure_with(site: Site, kind: FaultKind, arguments: argparse.Namespace) -> Figures:
    number = arguments.reports
    harvester = site.harvester(quiet_queues(site, number))
    make_access_points(site, add_live(harvester.db, site, QUEUES, number))
    requests = Requests(harvester)
    with running(harvester, stop_seconds=2), DevControl(site.server) as control:
        time.sleep(5)
        control.fault(kind, seconds=20 if kind is FaultKind.SLOW else 600 if kind is FaultKind.HANG else 0)
        memory = psutil.Process().memory_info().rss
        requests.clear()
        _all_reports_due(harvester.db)
        time.sleep(arguments.seconds)
        asked = dict(requests.by_method)
        grown = psutil.Process().memory_info().rss - memory
        requests.clear()
        control.clear_faults()
        watch = Stopwatch()
        wait_until(lambda: not _untold(harvester.db), "the telling of all reports", seconds=_PATIENCE, pause=0.2)
        seconds, told = watch.seconds, dict(requests.by_method)
    return {
        "requests_while_sick": asked,
        "memory_grown_mib": round(grown / 2**20, 1),
        "all_told_after_seconds": round(seconds, 1),
        "requests_until_then": told,
    }


class Requests:
    """Counts requests to the server by method."""

    def __init__(self, harvester: Harvester) -> None:
        self.by_method: Counter[str] = Counter()
        wire = harvester.panda._transport._wire  # noqa: SLF001 (counted where they leave)
        once: Once = wire.exchange

        def counted(verb: str, path: str, *rest: object) -> object:
            self.by_method[path.partition("?")[0].rpartition("/")[2]] += 1
            return once(verb, path, *rest)

        wire.exchange = counted  # type: ignore[method-assign,assignment]

    def clear(self) -> None:
        """Begin anew."""
        self.by_method.clear()


def _all_reports_due(db: Database) -> None:
    table = schema.workers
    with db.write() as connection:
        connection.execute(update(table).values(report_due=utc_now(), report_fence=0))


def _untold(db: Database) -> int:
    table = schema.workers
    with db.read() as connection:
        untold = (table.c.report_due <= utc_now() + _SOON) | (table.c.report_fence != 0)
        return connection.scalar(select(func.count()).where(untold)) or 0
