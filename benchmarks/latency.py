"""How long news take: a job becomes available until its worker is submitted, a worker ends until the server is told.

All intervals are those that Harvester has when nobody sets any. Jobs become available one by one at random moments, in
many queues, and each worker ends at a moment of its own. Neither the server nor the resource calls Harvester, so part
of both times is the wait until Harvester asks again; from there on everything is Harvester's own event. The first part
ends when the server gave the job out or the resource was asked after the end; the rest is what is beyond the poll.
Moments are the server's record and the resource's own, on one clock.
"""

import argparse
import random
import time
from collections.abc import Mapping, Sequence
from statistics import median

from pydantic import JsonValue, TypeAdapter

from figures import Figures, Stopwatch, options, peak_rss_mib, tell
from harvester.panda.devserver import DevControl
from instance import Block, Site, benchmark_site, running, wait_for_ends
from scripts import start
from timed import Moments, TimedResource

_PATIENCE = 300
_JOB_IDS = TypeAdapter(tuple[int])
_RECEIVED = TypeAdapter(list[tuple[float, str, JsonValue, JsonValue, int]])
Row = Mapping[str, JsonValue]


def queues_of(site: Site, number: int) -> dict[str, Block]:
    here = {"module": "timed", "name": "TimedResource"}
    block = site.queue("push", at_once=1000, submitter=here, monitor=here, sweeper=here)
    return {f"TIMED_{place}": block for place in range(number)}


def offer_jobs(control: DevControl, queues: Sequence[str], number: int, within: float) -> list[int]:
    """Put jobs into the server one by one, over so many seconds."""
    dice = random.Random(2)  # noqa: S311 (no secret)
    ids: list[int] = []
    begun = time.monotonic()
    for place, moment in enumerate(sorted(dice.uniform(0, within) for _ in range(number))):
        time.sleep(max(begun + moment - time.monotonic(), 0))
        job = {"site": queues[place % len(queues)], "outFiles": "", "logFile": ""}
        ids += control.add_jobs([job])
    return ids


def spans(control: DevControl, moments: Moments) -> dict[str, list[float]]:
    """Seconds of every job and worker, in all and beyond the polls."""
    jobs = {int(str(job["job_id"])): job for job in control.jobs()}
    found: dict[str, list[float]] = {}

    def add(name: str, began: float, asked: float, done: float) -> None:
        found.setdefault(name, []).append(done - began)
        found.setdefault(f"{name}_beyond_poll", []).append(done - asked)

    for worker in control.workers():
        number = int(str(worker["worker_id"]))
        (job_id,) = _JOB_IDS.validate_python(worker["job_ids"])
        job = jobs[job_id]
        add("submitted", _seconds(job["created"]), _seconds(job["acquired"]), moments.submitted[number])
        end, asked = moments.ends[number], moments.asked_after_end[number]
        add("worker_told", end, asked, _seconds(worker["changed"]))
        add("job_told", end, asked, _end_told(job))
    return found


def _seconds(value: JsonValue) -> float:
    return float(str(value))


def _end_told(job: Row) -> float:
    received = _RECEIVED.validate_python(job["received"])
    return next(moment for moment, status, *_ in received if status == "finished")


def measure(site: Site, arguments: argparse.Namespace) -> Figures:
    TimedResource.run_seconds = arguments.run_seconds
    queues = queues_of(site, arguments.queues)
    harvester = site.harvester(queues)
    with DevControl(site.server) as control:
        if not arguments.within:
            offer_jobs(control, list(queues), arguments.jobs, 0)
        watch = Stopwatch()
        with running(harvester):
            if arguments.within:
                offer_jobs(control, list(queues), arguments.jobs, arguments.within)
            wait_for_ends(control, arguments.jobs, seconds=_PATIENCE)
            seconds, cpu_seconds = watch.seconds, watch.cpu_seconds
        found = spans(control, TimedResource.moments)
    return {
        "engine": arguments.engine,
        "jobs": arguments.jobs,
        "queues": arguments.queues,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu_seconds, 2),
        "peak_rss_mib": peak_rss_mib(),
        **{f"{name}_median": round(median(values), 2) for name, values in found.items()},
        **{f"{name}_longest": round(max(values), 2) for name, values in found.items()},
    }


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--jobs", type=int, default=60)
    parser.add_argument("--queues", type=int, default=20)
    parser.add_argument(
        "--within", type=float, default=90, help="seconds over which jobs come; 0: all before the start"
    )
    parser.add_argument("--run-seconds", type=float, default=20, help="how long a worker runs at least")
    arguments = parser.parse_args()
    with benchmark_site(arguments.engine, arguments.access_points) as site:
        figures = measure(site, arguments)
    tell(figures, as_json=arguments.json)


if __name__ == "__main__":
    start(main)
