"""Logs of workers are brought to the server, by a Harvester that may be killed meanwhile, and read there again."""

import sys

import httpx2
import pytest

from system_harness.queues import QUEUE, local_push, some_jobs
from system_harness.site import Row, Site

pytestmark = pytest.mark.system

JOBS = 3
PILOT = """
import json, os, pathlib, sys
print("the log of", os.environ["HARVESTER_WORKER_ID"])
pathlib.Path("worker_attributes.json").write_text(json.dumps({"jobStatus": "finished"}))
"""


def logging_queue(site: Site) -> Row:
    queue = local_push(site, command=[sys.executable, "-c", PILOT])
    submitter = queue["submitter"]
    assert isinstance(submitter, dict)
    return {**queue, "submitter": {**submitter, "uploadLog": True}}


def logs_known(site: Site) -> dict[int, str]:
    """The addresses of logs that the server has been told, by worker."""
    found = {each["worker_id"]: each["fields"].get("stdOut") for each in site.server.control.workers()}
    return {worker: url for worker, url in found.items() if url is not None}


@pytest.mark.shows("block submitter.uploadLog", "pandacon.pandaCacheURL_R")
@pytest.mark.parametrize("point", ["", "log uploader.before_commit", "log uploader.after_commit"])
def test_the_log_of_each_worker_is_read_at_the_address_that_is_reported(site: Site, point: str):
    origin = site.server.url.removesuffix("/api/v1")
    site.configure({QUEUE: logging_queue(site)}, {"pandacon": {"pandaCacheURL_R": f"{origin}/cache"}})
    site.server.control.add_jobs(some_jobs(JOBS))
    if point:
        site.die_and_come_back(point)
    else:
        site.start()
    site.until_jobs_end()
    site.until_workers_end()
    site.until(lambda: len(logs_known(site)) == JOBS, "all logs are known")
    assert site.terminate() == 0
    for worker, url in logs_known(site).items():
        assert url == f"{origin}/cache/jedilog/{site.instance}__{worker}.out"
        answer = httpx2.get(url)
        assert (answer.status_code, answer.text) == (200, f"the log of {worker}\n")
