"""Event ranges from the server to pilots and back, with Harvester killed in between: each is processed once."""

import sys
from collections import Counter
from pathlib import Path

import pytest

from system_harness.queues import QUEUE, common
from system_harness.site import Row, Site

pytestmark = pytest.mark.system

PILOT = Path(__file__).parents[1] / "system_harness" / "event_pilot.py"
RANGES = 12
JOBS = 2
MAY_LOSE = {"event feeder.before_commit:2"}
"""Where an answer of the server is lost: it gives the ranges out again when the job has ended."""
MAY_REPEAT = {"propagator.before_commit:2"}
"""Where a report has arrived and Harvester does not know: it tells the same once more."""


def divided_queue(site: Site) -> Row:
    command = [sys.executable, "-S", "-P", str(PILOT), "--journal", str(site.directory / "events")]
    place: Row = {"plugin": "local", "directory": str(site.directory / "resource"), "cores": 8}
    return {
        "mapType": "OneToOne",
        "nQueueLimitJob": 10,
        "initEventsMultipler": 2,
        **common(site, 4),
        "submitter": {**place, "command": [*command]},
        "monitor": place,
        "sweeper": place,
    }


def processed(site: Site) -> Counter[str]:
    journal = site.directory / "events"
    return Counter(line.split()[0] for line in journal.read_text().splitlines()) if journal.exists() else Counter()


@pytest.mark.parametrize(
    "point",
    [
        "",
        "event feeder.before_commit:2",
        "event feeder.after_commit",
        "event feeder.after_commit:3",
        "monitor.after_commit:3",
        "propagator.before_commit:2",
    ],
)
def test_each_range_is_processed_and_told_once(site: Site, point: str):
    site.configure({QUEUE: divided_queue(site)}, {"monitor": {"checkInterval": 1}, "eventfeeder": {"sleepTime": 1}})
    job_ids = site.server.control.add_jobs([{"site": QUEUE, "event_ranges": RANGES}] * JOBS)
    if point:
        site.die_and_come_back(point)
    else:
        site.start()
    site.until_jobs_end()
    assert site.terminate() == 0
    assert site.server.control.job_counts() == {"finished": JOBS}
    assert set(processed(site).values()) == {1}
    lost = 0
    for job_id in job_ids:
        ranges = site.server.control.event_ranges(job_id)
        assert {each["times_given"] for each in ranges} == {1}
        told = {str(each["range_id"]): each["told"] for each in ranges if each["told"]}
        assert {str(end) for ends in told.values() if isinstance(ends, list) for end in ends} == {"finished"}
        assert point in MAY_REPEAT or all(ends == ["finished"] for ends in told.values())
        lost += len(ranges) - len(told)
        assert told.keys() <= processed(site).keys()
    assert lost == RANGES * JOBS - len(processed(site))
    assert lost == 0 or point in MAY_LOSE
