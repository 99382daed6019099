"""Harvester in Apache and uWSGI, started by the shipped files: agents run, late-bound jobs are done, none is left."""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from harvester.setup_files import PLACES
from loopback import free_port
from real_services import running
from system_harness.home import Home
from system_harness.judges import judge, local_batch_jobs
from system_harness.queues import MAX_WORKERS, QUEUE, local_push, some_jobs

pytestmark = pytest.mark.real

JOBS = 6
TEST_CALL = json.dumps({"methodName": "test", "workerID": 123, "data": "none"})


@dataclass(frozen=True)
class WayIn:
    """How a service is started, and where workers find it."""

    script: str
    url: str


@pytest.fixture
def apache(home: Home) -> Iterator[WayIn]:
    with running("apache"):
        port = free_port()
        home.set_variables(APACHE_PORT=f"127.0.0.1:{port}")
        yield WayIn("init-apachectl.sh", f"http://127.0.0.1:{port}")


@pytest.fixture
def uwsgi_with_router(home: Home) -> Iterator[WayIn]:
    with running("uwsgi"):
        port = free_port()
        home.set_variables(uwsgiSocket=f"127.0.0.1:{free_port()}", httpRouter=f"127.0.0.1:{port}")
        yield WayIn("init-uwsgi.sh", f"http://127.0.0.1:{port}")


@pytest.fixture
def uwsgi_behind_nginx(home: Home) -> Iterator[WayIn]:
    with running("uwsgi"):
        port, inner = free_port(), free_port()
        home.set_variables(uwsgiSocket=f"127.0.0.1:{inner}")
        site = home.directory / "etc/panda/panda_harvester-nginx.conf"
        text = (
            site.read_text()
            .replace("listen 8000", f"listen 127.0.0.1:{port}")
            .replace("127.0.0.1:3334", f"127.0.0.1:{inner}")
            .replace("/var/log/nginx", str(home.directory))
        )
        site.write_text(text)
        with running("nginx", NGINX_SITE=str(site)):
            yield WayIn("init-uwsgi.sh", f"http://127.0.0.1:{port}")


def serve_late_bound(home: Home, url: str) -> None:
    """The queue's workers come without a job, and ask for it, and tell of it, by HTTP alone."""
    command = [*home.pilot_command, "--url", url, "--ask", "1", "--wait", "30", "--most-jobs", "1"]
    queue = local_push(home, command=command, useJobLateBinding=True)
    queue["messenger"] = {"plugin": "http", "accessPoint": f"{home.directory}/access/${{workerID}}"}
    home.configure({QUEUE: queue}, {"frontend": {"url": url}})
    home.hand_over()


def ask(url: str) -> str:
    """What the documented test of the door answers."""
    command = ["curl", "-s", "-H", "Content-Type: application/json", "-d", TEST_CALL, f"{url}/entry"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout


def rotate_logs(home: Home) -> None:
    """As the system does every day: also where root has started the service, its logs are those of its account."""
    shipped = home.directory / PLACES["logrotate-service"].path
    os.chown(shipped, os.geteuid(), os.getegid())
    with tempfile.TemporaryDirectory() as state:
        subprocess.run(["logrotate", "--force", "--state", f"{state}/state", shipped], check=True)
    logs = list(home.values.log_dir.iterdir())
    assert len(logs) > len({each.name.partition("-20")[0] for each in logs}), "something was rotated"
    assert {each.owner() for each in logs} == {home.values.user}


def test_apache_is_not_started_for_root(home: Home, apache: WayIn):
    serve_late_bound(home, apache.url)
    home.set_variables(userName="root")
    assert "userName is root" in home.act(apache.script, "start", 1)


def test_a_uwsgi_that_dies_at_once_has_not_been_started(home: Home, uwsgi_with_router: WayIn):
    serve_late_bound(home, uwsgi_with_router.url)
    shipped = home.directory / PLACES["uwsgi.ini"].path
    shipped.write_text(shipped.read_text().replace("harvester.wsgi", "harvester.nowhere"))
    assert "could not be started; see" in home.act(uwsgi_with_router.script, "start", 1)
    assert home.processes() == []


@pytest.mark.parametrize("way", ["apache", "uwsgi_with_router", "uwsgi_behind_nginx"])
def test_agents_run_workers_are_answered_and_nothing_is_left_over(home: Home, way: str, request: pytest.FixtureRequest):
    into: WayIn = request.getfixturevalue(way)
    serve_late_bound(home, into.url)
    home.server.control.add_jobs(some_jobs(JOBS))

    def until_answered() -> None:
        home.until(lambda: "workerID=123 not found in DB" in ask(into.url), "an answer")

    home.act(into.script, "status", 3)
    home.act(into.script, "start")
    assert "workerID=123 not found in DB" in ask(into.url), "a service that has started works"
    home.act(into.script, "start")
    assert "runs, pid" in home.act(into.script, "status")
    before = home.until_working(2)
    until_answered()
    home.until_jobs_end()
    home.until_workers_end()
    for _ in range(2):
        home.act(into.script, "reload")
        before = home.until_working(2, but=before)
        until_answered()
    rotate_logs(home)
    for _ in range(2):
        home.act(into.script, "stop")
        home.act(into.script, "status", 3)
    assert home.processes() == []
    assert home.working() == set(), "claims were given back"
    judge(home, local_batch_jobs(home), jobs=JOBS, max_workers=MAX_WORKERS)
