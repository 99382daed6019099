"""The server says how many workers a queue has, and ends some of them, over the wire."""

import pytest

from system_harness.judges import judge, local_batch_jobs
from system_harness.orders import order, patient
from system_harness.queues import MAX_WORKERS, QUEUE, some_jobs
from system_harness.site import Row, Site

pytestmark = pytest.mark.system


def workers(site: Site, status: str) -> list[Row]:
    return [each for each in site.server.control.workers() if each["status"] == status]


def test_workers_come_and_go_as_the_server_says(site: Site):
    site.configure({QUEUE: patient(site)}, {"commandmanager": {"sleepTime": 1}})
    site.start()
    site.until(lambda: bool(site.server.control.instances()), "the server knows the instance")
    order(site, 2)
    site.until(lambda: len(workers(site, "running")) == 2, "the ordered workers run")
    everywhere: Row = {"computingElement": "ALL", "submissionHost": "ALL"}
    site.server.control.order(site.instance, "KILL_WORKERS", {**everywhere, "status": "ALL", "computingSite": [QUEUE]})
    site.until(lambda: len(workers(site, "cancelled")) == 2, "both workers are killed")
    site.survive(3)
    assert len(site.server.control.workers()) == 2
    order(site, 10 * MAX_WORKERS)
    site.until(lambda: len(workers(site, "running")) == MAX_WORKERS, "as many run as the queue may have")
    order(site, 0)
    site.until(lambda: {each["state"] for each in site.server.control.commands()} == {"retrieved"}, "all is obeyed")
    site.server.control.add_jobs(some_jobs(MAX_WORKERS))
    site.until_jobs_end()
    site.until_workers_end()
    assert site.terminate() == 0
    judge(site, local_batch_jobs(site), jobs=MAX_WORKERS, max_workers=MAX_WORKERS)
