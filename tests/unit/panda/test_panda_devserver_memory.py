import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harvester.panda import Credentials, PandaClient
from harvester.panda.devserver import DevControl, DevServer
from harvester.panda.messages import JobReport, WorkerReport

PROGRAM = """
import sys
from pathlib import Path
from harvester.panda.devserver import run_dev_server
run_dev_server(port=0, state_file=Path(sys.argv[1]), on_ready=lambda url: print(url, flush=True))
"""


@contextmanager
def dev_server_process(state_file: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-c", PROGRAM, str(state_file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def test_what_was_acknowledged_outlives_a_kill(tmp_path: Path):
    state_file = tmp_path / "panda.db"
    with (
        dev_server_process(state_file) as (process, url),
        DevControl(url) as control,
        PandaClient(url, Credentials(), "h", timeout=10) as client,
    ):
        ids = control.add_jobs([{"site": "S"}] * 3)
        client.acquire_jobs(site="S", node="n", label="managed", n_jobs=2, computing_element="n")
        client.update_jobs([JobReport(ids[0], "running", "running", 1, "S", "harvester-h")])
        client.update_workers([WorkerReport(1, "running", job_ids=(ids[0],))])
        control.order("h", "KILL_WORKERS", {})
        before = [control.job(job_id) for job_id in ids], list(control.journal()), control.workers()
        process.kill()
    with DevServer(state_file=state_file) as server, DevControl(server.url) as control:
        assert ([control.job(job_id) for job_id in ids], list(control.journal()), control.workers()) == before
        assert control.job_counts() == {"running": 1, "sent": 1, "activated": 1}
        assert [row["state"] for row in control.commands()] == ["new"]
        assert control.add_jobs([{"site": "S"}]) == [max(ids) + 1]


def test_a_closing_job_is_closed_after_a_restart(tmp_path: Path):
    state_file = tmp_path / "panda.db"
    with DevServer(state_file=state_file, adder_delay=0.0) as server, DevControl(server.url) as control:
        (job_id,) = control.add_jobs([{"site": "S"}])
        with PandaClient(server.url, Credentials(), "h", timeout=10) as client:
            client.acquire_jobs(site="S", node="n", label="managed", n_jobs=2, computing_element="n")
            client.update_jobs([JobReport(job_id, "finished", "done", 1, "S", "harvester-h")])
    with DevServer(state_file=state_file, adder_delay=0.0) as server, DevControl(server.url) as control:
        assert control.job(job_id)["status"] == "finished"


def test_it_ends_cleanly_when_told(tmp_path: Path):
    with dev_server_process(tmp_path / "panda.db") as (process, url):
        assert url.startswith("http://127.0.0.1:")
        process.terminate()
        assert process.wait(timeout=30) == 0
