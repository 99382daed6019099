"""How long one round of checks over all live workers takes, and how much CPU.

The resource answers at once and from memory. Everything else is honest work, done by the monitor as it is, in its own
threads and on the real database: claiming the queues, reading all workers, one directory listing for each (all of them
run, and the shared-file messenger looks into every access point), judging, writing what has changed. Only the other
agents do not run. A round that reads every access point for the first time, as after a start, goes before the one that
counts.
"""

import argparse
import time
from contextlib import closing
from datetime import timedelta

from sqlalchemy import select

from figures import Figures, Stopwatch, options, peak_rss_mib, tell
from harvester.agents.monitor import Monitor
from harvester.core.clock import utc_now
from harvester.service import Harvester, spare_collector
from harvester.store import leases, queues
from harvester.store.leases import QUEUE_MONITOR
from instance import Site, benchmark_site
from instant import QuietResource
from population import QUEUES, add_live, make_access_points, quiet_queues
from scripts import start

_GLANCE = 0.02


class Rounds:
    """A Harvester of which only the monitor runs, one round after the other."""

    def __init__(self, harvester: Harvester) -> None:
        self._harvester = harvester
        self._runner = next(each for each in harvester.runners if each.agent.name == Monitor.name)
        harvester.housekeeper.register()
        with harvester.db.write() as connection:
            queues.activate(connection, QUEUES, utc_now())

    def first(self) -> Stopwatch:
        """Let the monitor begin and do its first round; the watch was started with it."""
        spare_collector()
        watch = Stopwatch()
        self._runner.start()
        self._wait(0)
        return watch

    def next(self) -> Stopwatch:
        """Do one more round; the watch was started with it."""
        self._harvester.housekeeper.round([self._runner])
        before = self._runner.health.done
        with self._harvester.db.write() as connection:
            leases.nudge_queues(connection, QUEUE_MONITOR, QUEUES, utc_now(), timedelta())
        watch = Stopwatch()
        self._runner.agent.instance.wake(Monitor.name)
        self._wait(before)
        return watch

    def _wait(self, before: int) -> None:
        while self._runner.health.done == before or self._is_at_work():
            time.sleep(_GLANCE)

    def _is_at_work(self) -> bool:
        """Whether a queue is held or due."""
        at_work = (QUEUE_MONITOR.fence != leases.UNCLAIMED) | (QUEUE_MONITOR.due <= utc_now())
        with self._harvester.db.read() as connection:
            return connection.execute(select(QUEUE_MONITOR.due).where(at_work).limit(1)).first() is not None

    def close(self) -> None:
        """Stop the monitor."""
        self._runner.stop()
        self._runner.drain(10)


def measure(site: Site, arguments: argparse.Namespace) -> Figures:
    harvester = site.harvester(quiet_queues(site, arguments.workers))
    make_access_points(site, add_live(harvester.db, site, QUEUES, arguments.workers))
    rounds = Rounds(harvester)
    with closing(rounds):
        first_seconds = rounds.first().seconds
        QuietResource.news_every = round(100 / arguments.changed) if arguments.changed else 0
        watch = rounds.next()
        seconds, cpu_seconds = watch.seconds, watch.cpu_seconds
    return {
        "engine": arguments.engine,
        "workers": arguments.workers,
        "changed_percent": arguments.changed,
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu_seconds, 2),
        "first_round_seconds": round(first_seconds, 2),
        "peak_rss_mib": peak_rss_mib(),
    }


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--workers", type=int, default=100_000)
    parser.add_argument("--changed", type=float, default=0.0, metavar="PERCENT", help="how many have ended meanwhile")
    arguments = parser.parse_args()
    with benchmark_site(arguments.engine, arguments.access_points) as site:
        figures = measure(site, arguments)
    tell(figures, as_json=arguments.json)


if __name__ == "__main__":
    start(main)
