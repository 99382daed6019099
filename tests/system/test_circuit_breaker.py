"""A resource suddenly loses sight of its workers: no new ones come on top of them, whatever room the limits leave."""

from pathlib import Path

import pytest

from system_harness.blindness import BLIND, DENIES
from system_harness.judges import judge, local_batch_jobs
from system_harness.orders import order, patient
from system_harness.queues import QUEUE, some_jobs
from system_harness.site import Row, Site

pytestmark = pytest.mark.system

FIRST, MOST = 12, 14
TESTS = Path(__file__).parents[1]
STOPPED = "stopped because its workers are out of sight"


@pytest.fixture
def busy(site: Site) -> Site:
    """A queue with workers and room for two more."""
    queue = patient(site, max_workers=MOST)
    monitor: Row = {key: value for key, value in block(queue, "monitor").items() if key != "plugin"}
    monitor |= {"module": "system_harness.blindness", "name": "GoesBlind"}
    site.add_plugins(TESTS)
    site.configure({QUEUE: {**queue, "monitor": monitor}}, {"commandmanager": {"sleepTime": 1}})
    site.start()
    site.until(lambda: bool(site.server.control.instances()), "the server knows the instance")
    order(site, FIRST)
    site.until(lambda: running(site) == FIRST, "the first workers run")
    return site


def block(queue: Row, role: str) -> Row:
    found = queue[role]
    assert isinstance(found, dict)
    return found


def running(site: Site) -> int:
    return [each["status"] for each in site.server.control.workers()].count("running")


def explanation(site: Site) -> str:
    return site.told_by("queue", "explain", QUEUE)


def nothing_is_submitted(site: Site) -> None:
    """Neither by a service that goes on, nor by one that is killed and started again, although more are wanted."""
    order(site, MOST)
    commands = site.server.control.commands
    site.until(lambda: {each["state"] for each in commands()} == {"retrieved"}, "the order has come")
    site.survive(3)
    assert len(local_batch_jobs(site)) == FIRST
    site.kill()
    site.start()
    site.until(lambda: site.log.count("started") > 1, "the service is back")
    site.survive(3)
    assert len(local_batch_jobs(site)) == FIRST
    assert STOPPED in explanation(site)


def test_workers_come_again_when_the_others_are_seen_again(busy: Site):
    sign = busy.directory / "resource" / BLIND
    sign.touch()
    busy.until(lambda: STOPPED in explanation(busy), "the queue says that it is blind")
    told = f"{FIRST} of {FIRST} workers cannot be seen; no new ones until they are seen again"
    assert told in explanation(busy)
    assert told in busy.told_by("status")
    nothing_is_submitted(busy)
    sign.unlink()
    busy.until(lambda: running(busy) == MOST, "as many run as the queue may have")
    assert STOPPED not in explanation(busy)
    order(busy, 0)
    busy.until(lambda: {each["state"] for each in busy.server.control.commands()} == {"retrieved"}, "all is obeyed")
    busy.server.control.add_jobs(some_jobs(MOST))
    busy.until_jobs_end()
    busy.until_workers_end()
    assert busy.terminate() == 0
    judge(busy, local_batch_jobs(busy), jobs=MOST, max_workers=MOST)


def test_workers_that_are_all_gone_at_once_are_not_replaced_at_once(busy: Site):
    (busy.directory / "resource" / DENIES).touch()
    busy.until(lambda: "vanished at once; no new ones for 15 minutes" in explanation(busy), "the queue doubts it")
    nothing_is_submitted(busy)
    assert busy.terminate() == 0
