"""How long a start takes that finds live workers: from the start of the process to its first useful action.

The predecessor died in the middle of its work: it held all queues for a round of checks and 1,000 workers for a report.
The first useful action is the first new worker that the resource has taken, for a queue that lacks some: from then on
the site gets work again. The end of the first round of checks over all workers is told too; it follows the start
immediately but lasts as long as `monitor.py` says.
"""

import argparse
import socket
from datetime import timedelta

from sqlalchemy import select, update

from figures import Figures, Stopwatch, options, tell
from harvester.agents.monitor import Monitor
from harvester.core.clock import utc_now
from harvester.service import open_database
from harvester.store import leases, queues
from harvester.store.engine import Database
from harvester.store.leases import QUEUE_MONITOR, WORKER_REPORT
from harvester.store.schema import workers as worker_table
from instance import QUEUE, Site, benchmark_site, read_settings, wait_until
from population import QUEUES, add_live, make_access_points, quiet_queues
from scripts import start
from service import running_service

_PATIENCE = 120
_GLANCE = 0.01


def leave_claims(db: Database) -> None:
    """What a predecessor held that was killed."""
    now = utc_now()
    until = now + timedelta(minutes=10)
    some = select(worker_table.c.worker_id).order_by(WORKER_REPORT.due).limit(1000)
    with db.write() as connection:
        host = socket.gethostname()
        dead = leases.register_owner(connection, host, 1, "before the first one", now=now, expires_at=until)
        queues.activate(connection, QUEUES, now)
        connection.execute(update(QUEUE_MONITOR.table).values(QUEUE_MONITOR.set(until, dead.next_fence())))
        reported = worker_table.c.worker_id.in_(list(connection.scalars(some)))
        connection.execute(update(worker_table).where(reported).values(WORKER_REPORT.set(until, dead.next_fence())))


def is_new_worker_taken(db: Database) -> bool:
    query = select(worker_table.c.worker_id).where(worker_table.c.queue == QUEUE, worker_table.c.batch_id.is_not(None))
    with db.read() as connection:
        return connection.scalar(query.limit(1)) is not None


def is_round_over(db: Database) -> bool:
    with db.read() as connection:
        told = {state.name: {note.agent for note in state.notes} for state in queues.states(connection)}
    return all(Monitor.name in told[name] for name in QUEUES)


def measure(site: Site, arguments: argparse.Namespace) -> Figures:
    quiet = quiet_queues(site, arguments.workers)
    main = site.configure({**quiet, QUEUE: {**quiet[QUEUES[0]], "maxWorkers": 10, "nQueueLimitWorker": 10}})
    db = open_database(read_settings(main))
    make_access_points(site, add_live(db, site, QUEUES, arguments.workers))
    leave_claims(db)
    watch = Stopwatch()
    with running_service(site, main) as service:
        wait_until(lambda: is_new_worker_taken(db), "a new worker", seconds=_PATIENCE, pause=_GLANCE)
        seconds, cpu_seconds = watch.seconds, service.cpu_seconds
        wait_until(lambda: is_round_over(db), "the end of a round of checks", seconds=_PATIENCE, pause=_GLANCE)
        round_seconds = watch.seconds
        peak = service.peak_rss_mib
    return {
        "engine": arguments.engine,
        "workers": arguments.workers,
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu_seconds, 2),
        "first_round_seconds": round(round_seconds, 2),
        "peak_rss_mib": peak,
    }


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--workers", type=int, default=100_000)
    arguments = parser.parse_args()
    with benchmark_site(arguments.engine, arguments.access_points) as site:
        figures = measure(site, arguments)
    tell(figures, as_json=arguments.json)


if __name__ == "__main__":
    start(main)
