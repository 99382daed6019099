"""How fast workers go through their whole life: created, submitted, running, finished, reported, swept.

The resource is instant and in this process, the development server runs in a process of its own, everything else is
the service as it is: database with its promised syncs, history, heartbeats, access points. CPU and memory are those of
this process alone.
"""

import argparse
import threading
import time

from figures import Figures, Statements, Stopwatch, options, peak_rss_mib, tell
from instance import QUEUE, Block, Site, benchmark_site
from instant import InstantResource

PATIENCE = 1800
TRANSITIONS = {"pull": 5, "push": 9}
"""Created, submitted, running, ended, swept; with jobs also fetched, prepared, staged, reported."""
SECTIONS: dict[str, Block] = {
    "jobfetcher": {"maxJobs": 2000},
    "submitter": {"maxNewWorkers": "None"},
    "sweeper": {"keepFinished": 0, "keepFailed": 0},
}


def wait_for_workers(number: int) -> None:
    end = time.monotonic() + PATIENCE
    pause = threading.Event()
    while InstantResource.counts.cleaned < number:
        if time.monotonic() > end:
            raise SystemExit(f"only {InstantResource.counts.cleaned} of {number} workers were swept in {PATIENCE} s")
        pause.wait(0.05)


def measure(site: Site, arguments: argparse.Namespace) -> Figures:
    if arguments.mode == "push":
        site.add_jobs(arguments.workers)
    harvester = site.harvester({QUEUE: site.queue(arguments.mode, at_once=arguments.at_once)}, SECTIONS)
    statements = Statements()
    statements.listen(harvester.db)
    watch = Stopwatch()
    harvester.start()
    wait_for_workers(arguments.workers)
    seconds, cpu_seconds = watch.seconds, watch.cpu_seconds
    done, total = InstantResource.counts.cleaned, statements.total
    harvester.stop()
    if arguments.statements:
        statements.show(done / 1000)
    return {
        "engine": arguments.engine,
        "mode": arguments.mode,
        "workers": done,
        "seconds": round(seconds, 2),
        "workers_per_second": round(done / seconds, 1),
        "cpu_seconds_per_1000": round(1000 * cpu_seconds / done, 3),
        "peak_rss_mib": peak_rss_mib(),
        "statements_per_1000": round(1000 * total / done, 1),
        "statements_per_1000_and_transition": round(1000 * total / done / TRANSITIONS[arguments.mode], 1),
    }


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--workers", type=int, default=20000)
    parser.add_argument("--mode", choices=["pull", "push"], default="pull")
    parser.add_argument("--at-once", type=int, default=2000, help="maxWorkers of the queue")
    parser.add_argument("--statements", action="store_true", help="tell which statements were sent how often")
    arguments = parser.parse_args()
    with benchmark_site(arguments.engine, arguments.access_points) as site:
        figures = measure(site, arguments)
    tell(figures, as_json=arguments.json)


if __name__ == "__main__":
    main()
