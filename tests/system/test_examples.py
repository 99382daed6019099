"""The example configurations do what they are for, on this machine: only places and addresses are replaced."""

import json
from collections import Counter

import pytest

from system_harness.examples import EXAMPLES, adopt
from system_harness.judges import judge_jobs
from system_harness.queues import push_command, some_jobs
from system_harness.site import PILOT_COMMAND, Row, Site

pytestmark = pytest.mark.system

CRIC_URL = "https://atlas-cric.cern.ch/cache/schedconfig/pandaqueues.json"
QUICK = {"cacher": {"sleepTime": 1, "refreshInterval": 0}}


def pilot(site: Site, *words: str) -> str:
    """A script in the place of the site's pilot."""
    script = site.directory / "run.sh"
    script.write_text("#!/bin/sh\nexec " + " ".join(f"'{word}'" for word in words) + "\n")
    script.chmod(0o755)
    return str(script)


def pulling_pilot(site: Site, queue: str) -> str:
    asks = ["--server", site.server.url, "--queue", queue, "--wait", "3", "--output-dir", str(site.storage)]
    return pilot(site, *PILOT_COMMAND, *asks, "--journal", str(site.journal))


def cric(site: Site, *queues: Row) -> str:
    """A document of the information system."""
    path = site.directory / "cric.json"
    path.write_text(json.dumps({str(each["nickname"]): each for each in queues}))
    return f"file:{path}"


def of_this_instance(site: Site, name: str, **more: object) -> Row:
    known: Row = {
        "nickname": name,
        "panda_resource": name,
        "status": "online",
        "type": "production",
        "pilot_manager": "Harvester",
        "harvester": site.instance,
        "corecount": 1,
        "maxrss": 2000,
    }
    return {**known, **more}  # type: ignore[dict-item]  # JSON


def test_the_least_configuration(site: Site):
    script = pilot(site, *push_command(site))
    adopt(site, "minimal", {"/opt/pilot/run.sh": script, "/tmp/harvester": str(site.directory / "access")})
    site.server.control.add_jobs(some_jobs(4, queue="MY_QUEUE"))
    site.start()
    site.until_jobs_end()
    site.until_workers_end()
    assert site.terminate() == 0
    judge_jobs(site, site.server.control.jobs())


def test_a_grid_queue_whose_pilots_fetch_their_jobs(site: Site):
    places = {
        "/opt/pilot/run.sh": pulling_pilot(site, "GRID_SITE"),
        "/var/harvester/workers": str(site.directory / "access"),
        CRIC_URL: cric(site, of_this_instance(site, "GRID_SITE")),
    }
    adopt(site, "grid", places, QUICK)
    site.server.control.add_jobs(some_jobs(6, queue="GRID_SITE"))
    site.start()
    site.until_jobs_end()
    site.until_workers_end()
    assert site.terminate() == 0
    judge_jobs(site, site.server.control.jobs())
    assert len(site.server.control.workers()) >= 4, "two pilots for three jobs"


def test_a_unified_queue_gets_the_workers_that_the_server_orders(site: Site):
    site.server.control.add_jobs([*some_jobs(2, queue="UNIFIED"), *some_jobs(1, queue="UNIFIED", coreCount=4)])
    places = {
        "/opt/pilot/run.sh": pulling_pilot(site, "UNIFIED"),
        "/var/harvester/workers": str(site.directory / "access"),
        CRIC_URL: cric(
            site,
            of_this_instance(site, "UNIFIED", workflow="pull_ups", capability="ucore", corecount=4, maxrss=8000),
            of_this_instance(site, "OF_OTHERS", workflow="pull_ups", harvester="somebody_else"),
        ),
    }
    adopt(site, "unified", places, QUICK)
    site.start()
    site.until_logged("queue", "UNIFIED")
    site.server.control.order(site.instance, "SET_N_WORKERS_JOBTYPE:UNIFIED", {"managed": {"SCORE": 2, "MCORE": 1}})
    site.until(lambda: len(site.server.control.workers()) == 3, "three workers")
    site.until_workers_end()
    assert site.terminate() == 0
    kinds = Counter(fields(each)["resourceType"] for each in site.server.control.workers())
    assert kinds == {"SCORE": 2, "MCORE": 1}


def fields(worker: Row) -> Row:
    found = worker["fields"]
    assert isinstance(found, dict)
    return found


def test_examples_are_all_tried():
    examples = {path.name for path in EXAMPLES.iterdir()}
    assert examples == {"minimal", "grid", "unified", "slurm", "hpc"}, "the last two are tried on a real Slurm"
