"""The server says how many workers a queue has, and ends some of them, over the wire."""

import pytest

from system_harness.judges import judge, local_batch_jobs
from system_harness.queues import MAX_WORKERS, QUEUE, local_pull, some_jobs
from system_harness.site import Row, Site

pytestmark = pytest.mark.system


def ordered(site: Site, number: int) -> None:
    """The server orders so many more workers."""
    params: Row = {"managed": {"SCORE": number}}
    site.server.control.order(site.instance, f"SET_N_WORKERS_JOBTYPE:{QUEUE}", params)


def workers(site: Site, status: str) -> list[Row]:
    return [each for each in site.server.control.workers() if each["status"] == status]


def patient(site: Site) -> Row:
    """A queue in slave mode whose pilots wait until they get a job."""
    queue = local_pull(site, runMode="slave")
    submitter = queue["submitter"]
    assert isinstance(submitter, dict)
    command = submitter["command"]
    assert isinstance(command, list)
    place = command.index("--wait") + 1
    return {**queue, "submitter": {**submitter, "command": [*command[:place], "600", *command[place + 1 :]]}}


def test_workers_come_and_go_as_the_server_says(site: Site):
    site.configure({QUEUE: patient(site)}, {"commandmanager": {"sleepTime": 1}})
    site.start()
    site.until(lambda: bool(site.server.control.instances()), "the server knows the instance")
    ordered(site, 2)
    site.until(lambda: len(workers(site, "running")) == 2, "the ordered workers run")
    everywhere: Row = {"computingElement": "ALL", "submissionHost": "ALL"}
    site.server.control.order(site.instance, "KILL_WORKERS", {**everywhere, "status": "ALL", "computingSite": [QUEUE]})
    site.until(lambda: len(workers(site, "cancelled")) == 2, "both workers are killed")
    site.survive(3)
    assert len(site.server.control.workers()) == 2
    ordered(site, 10 * MAX_WORKERS)
    site.until(lambda: len(workers(site, "running")) == MAX_WORKERS, "as many run as the queue may have")
    ordered(site, 0)
    site.until(lambda: {each["state"] for each in site.server.control.commands()} == {"retrieved"}, "all is obeyed")
    site.server.control.add_jobs(some_jobs(MAX_WORKERS))
    site.until_jobs_end()
    site.until_workers_end()
    assert site.terminate() == 0
    judge(site, local_batch_jobs(site), jobs=MAX_WORKERS, max_workers=MAX_WORKERS)
