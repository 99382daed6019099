"""How fast workers go through their whole life: created, submitted, running, finished, reported, swept.

The resource is instant and in this process, the development server runs in a process of its own, everything else is
the service as it is: database with its promised syncs, history, heartbeats, access points. CPU and memory are those of
this process alone. What was measured counts only if the server's record shows afterwards that nothing was lost and
nothing done twice; otherwise the exit code is 1.
"""

import argparse
from datetime import timedelta

from sqlalchemy import select

from figures import Figures, Statements, Stopwatch, options, peak_rss_mib, tell
from harvester.agents.sizer import Sizer
from harvester.service import Harvester
from harvester.store.engine import Database
from harvester.store.schema import workers as worker_table
from instance import QUEUE, Block, Site, benchmark_site, running, wait_until
from instant import InstantResource
from judgement import judge
from population import add_kept, add_live
from scripts import start

PATIENCE = 1800
TRANSITIONS = {"pull": 5, "push": 9}
"""Created, submitted, running, ended, swept; with jobs also fetched, prepared, staged, reported."""
SECTIONS: dict[str, Block] = {
    "jobfetcher": {"maxJobs": 2000},
    "submitter": {"maxNewWorkers": "None"},
    "sweeper": {"keepFinished": 0, "keepFailed": 0},
}


def fill(site: Site, arguments: argparse.Namespace, db: Database) -> None:
    """Rows of workers that nothing has to be done about during the run."""
    add_live(db, site, ["ASIDE"], arguments.live, quiet=timedelta(minutes=15))
    add_kept(db, site, ["ASIDE"], arguments.kept)


def drain(harvester: Harvester) -> None:
    """Make no new workers, and wait until the others have gone."""
    sizer = next(runner for runner in harvester.runners if runner.agent.name == Sizer.name)
    sizer.stop()
    sizer.drain(PATIENCE)
    left = select(worker_table.c.worker_id).where(worker_table.c.queue == QUEUE).limit(1)

    def is_empty() -> bool:
        with harvester.db.read() as connection:
            return connection.scalar(left) is None

    wait_until(is_empty, "the sweeping of all workers", seconds=PATIENCE)


def measure(site: Site, arguments: argparse.Namespace) -> Figures:
    if arguments.mode == "push":
        site.add_jobs(arguments.workers)
    harvester = site.harvester({QUEUE: site.queue(arguments.mode, at_once=arguments.at_once)}, SECTIONS)
    fill(site, arguments, harvester.db)
    statements = Statements()
    statements.listen(harvester.db)
    watch = Stopwatch()
    with running(harvester):
        wait_until(
            lambda: InstantResource.counts.cleaned >= arguments.workers, "enough swept workers", seconds=PATIENCE
        )
        seconds, cpu_seconds = watch.seconds, watch.cpu_seconds
        done, total = InstantResource.counts.cleaned, statements.total
        if arguments.statements:
            statements.show(done / 1000)
        drain(harvester)
    judge(site, workers=InstantResource.counts.submitted, jobs=arguments.workers if arguments.mode == "push" else 0)
    return {
        "engine": arguments.engine,
        "mode": arguments.mode,
        "workers": done,
        "live_rows": arguments.live,
        "kept_rows": arguments.kept,
        "seconds": round(seconds, 2),
        "workers_per_second": round(done / seconds, 1),
        "cpu_seconds_per_1000": round(1000 * cpu_seconds / done, 3),
        "peak_rss_mib": peak_rss_mib(),
        "statements_per_1000": round(1000 * total / done, 1),
        "statements_per_1000_and_transition": round(1000 * total / done / TRANSITIONS[arguments.mode], 1),
    }


def main() -> None:
    parser = options(__doc__)
    parser.add_argument(
        "--workers", type=int, default=20000, help="at least so many; a pulling queue makes them in batches"
    )
    parser.add_argument("--mode", choices=["pull", "push"], default="pull")
    parser.add_argument("--at-once", type=int, help="maxWorkers of the queue; 5,000, or all of them if they are fewer")
    parser.add_argument("--live", type=int, default=0, help="running workers that are in the database anyway")
    parser.add_argument("--kept", type=int, default=0, help="finished workers that are in the database anyway")
    parser.add_argument("--statements", action="store_true", help="tell which statements were sent how often")
    arguments = parser.parse_args()
    arguments.at_once = arguments.at_once or min(arguments.workers, 5000)
    with benchmark_site(arguments.engine, arguments.access_points) as site:
        figures = measure(site, arguments)
    tell(figures, as_json=arguments.json)


if __name__ == "__main__":
    start(main)
