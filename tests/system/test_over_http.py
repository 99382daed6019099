"""Workers that talk HTTP with a Harvester that runs as its users run it."""

import json
import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from pydantic import JsonValue

from harvester.cli import pilot
from harvester.plugins.tools.worker_tokens import read_keys
from system_harness.door import door_section, with_door
from system_harness.judges import judge, local_batch_jobs
from system_harness.queues import MAX_WORKERS, QUEUE, local_push, push_command, some_jobs
from system_harness.site import Row, Site

pytestmark = pytest.mark.system

JOBS = 6


def over_http(site: Site, map_type: str, **keys: JsonValue) -> Row:
    """A queue whose pilots ask for their jobs at the door: nothing tells them of files but where the token is."""
    command = [*push_command(site), "--ask", "1", "--wait", "20", "--most-jobs", "1"]
    queue = local_push(site, command=command, mapType=map_type, useJobLateBinding=True, **keys)
    return with_door(queue)


@pytest.mark.parametrize("map_type", ["OneToOne", "ManyToOne"])
def test_workers_run_late_bound_jobs_over_http(site: Site, map_type: str):
    section = door_section(site)
    site.configure({QUEUE: over_http(site, map_type)}, {"frontend": {**section, "verbose": True}})
    site.server.control.add_jobs(some_jobs(JOBS, taskID=7))
    site.start()
    site.until_jobs_end()
    site.until_workers_end()
    assert site.terminate() == 0
    judge(site, local_batch_jobs(site), jobs=JOBS, max_workers=MAX_WORKERS)
    for method in ("requestJobs", "getJobs", "updateJobs", "uploadEventOutputDump", "heartbeat"):
        assert site.has_logged(f"method={method}", "status=200"), f"nobody said {method} at the door"
    secret = read_keys(Path(str(section["secretFile"])))[0].secret.hex()
    assert "eyJ" not in site.log, "a token is in the log"
    assert secret not in site.log


def test_the_door_answers_the_installer_s_question(site: Site):
    section = door_section(site)
    site.configure({QUEUE: over_http(site, "OneToOne")}, {"frontend": section})
    site.start()
    site.until_logged("the door is open")
    request = urllib.request.Request(
        f"http://127.0.0.1:{section['portNumber']}/entry",
        json.dumps({"methodName": "test", "workerID": 123, "data": "none"}).encode(),
        {"Content-Type": "application/json"},
    )
    with pytest.raises(urllib.error.HTTPError) as answer:
        urllib.request.urlopen(request, timeout=20)
    assert (answer.value.code, answer.value.read()) == (400, b"workerID=123 not found in DB")
    answer.value.close()
    assert site.terminate() == 0


@pytest.mark.parametrize("processes", ["1", "2"])
def test_the_door_opens_for_a_queue_that_comes_while_the_service_runs(site: Site, processes: str):
    queue = over_http(site, "OneToOne")
    site.configure({}, {"frontend": door_section(site), "qconf": {"checkInterval": 1}})
    site.start("--processes", processes)
    site.until_logged("no queue is served")
    site.server.control.add_jobs(some_jobs(JOBS))
    site.configure_queues({QUEUE: queue})
    site.until_logged("the door is open")
    site.until_jobs_end()
    site.until_workers_end()
    if processes == "1":
        site.reload()
        site.until(lambda: site.log.count("the door is open") > 1, "a reload")
    else:
        site.until_logged("the door is open in this process alone")
        site.until_logged("INFO", "nothing is amiss if another process of this service has the door")
        assert not site.has_logged("ERROR", "door")
        site.reload()
        site.until_logged("not reloaded", "[frontend]", "stop and start the service")
    assert site.terminate() == 0
    judge(site, local_batch_jobs(site), jobs=JOBS, max_workers=MAX_WORKERS)


def test_what_keeps_the_door_shut_for_a_queue_that_has_come_is_told(site: Site):
    section = door_section(site)
    site.configure({}, {"frontend": section, "qconf": {"checkInterval": 1}})
    site.start()
    site.until_logged("no queue is served")
    with socket.create_server(("127.0.0.1", int(str(section["portNumber"])))):
        site.configure_queues({QUEUE: over_http(site, "OneToOne")})
        site.until_logged("the door is shut; it is tried again", f"port {section['portNumber']} cannot be had")
    site.until_logged("the door is open")
    assert site.terminate() == 0


def test_the_pilot_says_why_it_is_not_let_in(site: Site, tmp_path: Path):
    token = tmp_path / "token"
    token.write_text("no token")
    door = pilot.Door(site.server.url, 7, token, 0)
    with pytest.raises(pilot.ServerError, match="refuses: status 40"):
        door.call("getJobs", None, 0)
