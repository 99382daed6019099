"""What it costs to hold live workers while nothing happens: CPU and memory over minutes, all intervals as by default.

The service is a process of its own. Nothing is new: all workers run, the resource answers at once and bears a poll
every ten seconds as real ones do, the queues are full, the server has no jobs. What is left is what the service does by
itself: rounds of checks at the pace that it chooses, a heartbeat of each worker every half hour, counting, asking the
server for commands. The first round, which reads every access point anew, is over before the count begins.
"""

import argparse
import time

from sqlalchemy import select

from figures import Figures, Stopwatch, options, tell
from harvester.service import open_database
from harvester.store import leases
from harvester.store.engine import Database
from harvester.store.schema import queues
from instance import Site, benchmark_site, read_settings
from population import QUEUES, add_live, make_access_points, quiet_queues
from scripts import start
from service import running_service

_PATIENCE = 120
_GLANCE = 0.2


class Rounds:
    """Counts rounds of checks from outside: one has ended when a queue that was held is held no more."""

    def __init__(self, db: Database) -> None:
        self.ended = 0
        self._db = db
        self._held = False

    def look(self) -> None:
        """Look once; a round that begins and ends between two looks is not seen."""
        fence = leases.QUEUE_MONITOR.fence
        with self._db.read() as connection:
            held = connection.scalar(select(fence).where(queues.c.name == QUEUES[0])) not in {None, leases.UNCLAIMED}
        self.ended += self._held and not held
        self._held = held


def measure(site: Site, arguments: argparse.Namespace) -> Figures:
    main = site.configure(quiet_queues(site, arguments.workers))
    db = open_database(read_settings(main))
    make_access_points(site, add_live(db, site, QUEUES, arguments.workers))
    rounds = Rounds(db)
    with running_service(site, main) as service:
        first = Stopwatch()
        while not rounds.ended:
            _wait(rounds)
            if first.seconds > _PATIENCE:
                raise SystemExit(f"no round of checks has ended within {_PATIENCE} s")
        watch, before, first_rounds = Stopwatch(), service.cpu_seconds, rounds.ended
        most = service.rss_mib
        while watch.seconds < 60 * arguments.minutes:
            _wait(rounds)
            most = max(most, service.rss_mib)
        seconds, cpu_seconds = watch.seconds, service.cpu_seconds - before
        peak = service.peak_rss_mib
    return {
        "engine": arguments.engine,
        "workers": arguments.workers,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu_seconds, 2),
        "cpu_percent": round(100 * cpu_seconds / seconds, 2),
        "rounds_of_checks": rounds.ended - first_rounds,
        "rss_mib": most,
        "peak_rss_mib": peak,
    }


def _wait(rounds: Rounds) -> None:
    time.sleep(_GLANCE)
    rounds.look()


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--workers", type=int, default=100_000)
    parser.add_argument("--minutes", type=float, default=5)
    arguments = parser.parse_args()
    with benchmark_site(arguments.engine, arguments.access_points) as site:
        figures = measure(site, arguments)
    tell(figures, as_json=arguments.json)


if __name__ == "__main__":
    start(main)
