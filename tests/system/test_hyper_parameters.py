"""A search for hyper-parameters: points from iDDS to pilots, losses and checkpoints back, with Harvester killed."""

import sys
from pathlib import Path

import pytest

from system_harness.queues import QUEUE, common
from system_harness.site import Row, Site

pytestmark = pytest.mark.system

PILOT = Path(__file__).parents[1] / "system_harness" / "event_pilot.py"
TASK = 41


def searching_queue(site: Site) -> Row:
    command = [sys.executable, "-S", "-P", str(PILOT), "--journal", str(site.directory / "points")]
    place: Row = {"plugin": "local", "directory": str(site.directory / "resource"), "cores": 8}
    return {
        "mapType": "OneToOne",
        "nQueueLimitJob": 10,
        **common(site, 4),
        "submitter": {**place, "command": [*command]},
        "monitor": place,
        "sweeper": place,
    }


def search(site: Site, *points: int) -> int:
    job = {"site": QUEUE, "taskID": TASK, "hp_points": [*points], "sourceURL": origin(site)}
    (job_id,) = site.server.control.add_jobs([job])
    return job_id


def origin(site: Site) -> str:
    return site.server.url.removesuffix("/api/v1")


def losses(site: Site) -> dict[object, set[object]]:
    return {
        row["point_id"]: set(row["losses"] if isinstance(row["losses"], list) else ())
        for row in site.server.control.points(TASK)
    }


def has_checkpoint(site: Site, point: int) -> bool:
    return site.server.control.cached(f"hpo_cp_{TASK}_{point}") is not None


@pytest.mark.parametrize(
    "point",
    [
        "",
        "event feeder.before_commit:2",
        "event feeder.after_commit:2",
        "event feeder.before_commit:3",
        "monitor.after_commit:3",
        "propagator.before_commit",
        "propagator.in_commit",
    ],
)
def test_points_get_their_losses_and_unfinished_ones_are_gone_on_with(site: Site, point: str):
    sections = {
        "monitor": {"checkInterval": 1},
        "eventfeeder": {"sleepTime": 1},
        "pandacon": {"iddsURL": origin(site), "server_api_url_ssl": site.server.url, "timeout": 5},
    }
    site.configure({QUEUE: searching_queue(site)}, sections)
    first = search(site, 1, 2, 9)
    if point:
        site.die_and_come_back(point)
    else:
        site.start()
    site.until_jobs_end()
    assert losses(site) == {1: {0.1}, 2: {0.2}, 9: set()}
    assert has_checkpoint(site, 9)
    second = search(site, 9, 3)
    site.until_jobs_end()
    assert site.terminate() == 0
    assert losses(site) == {1: {0.1}, 2: {0.2}, 3: {0.3}, 9: {0.45}}
    assert not has_checkpoint(site, 9)
    told = {job: {str(each["told"]) for each in site.server.control.event_ranges(job)} for job in (first, second)}
    assert "[]" in told[first]
    assert "[]" not in told[second]
