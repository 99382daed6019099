"""How long one round of checks over all live workers takes, and how much CPU.

The resource answers at once and from memory. Everything else is honest work, done by the real monitor on the real
database: claiming the queues, reading all workers, one directory listing for each (all of them run, and the
shared-file messenger looks into every access point), judging, writing what has changed. A round that reads every access
point for the first time, as after a start, goes before the round that counts.
"""

import argparse
from datetime import timedelta
from typing import Any

from figures import Figures, Stopwatch, options, peak_rss_mib, tell
from harvester.agents.base import Agent, ClaimTicket
from harvester.agents.monitor import Monitor
from harvester.core.clock import utc_now
from harvester.service import Harvester
from harvester.store import leases, queues
from instance import Site, benchmark_site
from instant import QuietResource
from population import QUEUES, add_live, quiet_queues


class Rounds:
    """The monitor of a Harvester whose threads do not run, one round after the other."""

    def __init__(self, harvester: Harvester) -> None:
        agents = (runner.agent for runner in harvester.runners)
        self._monitor: Agent[Any, Any] = next(agent for agent in agents if agent.name == Monitor.name)
        self._harvester = harvester
        harvester.housekeeper.register()
        with harvester.db.write() as connection:
            queues.activate(connection, QUEUES, utc_now())

    def next(self) -> None:
        """All that a runner does with a round that is due."""
        db, now = self._harvester.db, utc_now()
        ticket = ClaimTicket(self._harvester.housekeeper.owner().next_fence(), now, now + timedelta(minutes=10))
        with db.write() as connection:
            leases.nudge_queues(connection, leases.QUEUE_MONITOR, QUEUES, now, timedelta())
            units = self._monitor.claim(connection, ticket)
        assert units, "no queue was due"
        for unit in units:
            result = self._monitor.act(unit)
            with db.write() as connection:
                self._monitor.commit(connection, unit, result)
            self._monitor.after_commit(unit, result)


def measure(site: Site, arguments: argparse.Namespace) -> Figures:
    harvester = site.harvester(quiet_queues(site, arguments.workers))
    add_live(harvester.db, site, QUEUES, arguments.workers)
    rounds = Rounds(harvester)
    first = Stopwatch()
    rounds.next()
    first_seconds = first.seconds
    QuietResource.news_every = round(100 / arguments.changed) if arguments.changed else 0
    watch = Stopwatch()
    rounds.next()
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
    main()
