"""The shipped files do what operators expect of such files, with the programs that they are for."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from harvester.setup_files import PLACES, render
from real_services import running
from system_harness.home import Home
from system_harness.judges import judge, local_batch_jobs
from system_harness.queues import MAX_WORKERS, some_jobs

pytestmark = pytest.mark.real

JOBS = 6


class TestTheInitScript:
    def test_starts_reloads_and_stops_twice_with_the_right_codes(self, home: Home):
        home.hand_over()
        home.server.control.add_jobs(some_jobs(JOBS))
        script = "init-plain.sh"
        home.act(script, "reload", 7)
        for _ in range(2):
            home.act(script, "status", 3)
            home.act(script, "start")
            assert "runs already" in home.act(script, "start")
            assert "runs, pid" in home.act(script, "status")
            before = home.until_working(2)
            for _ in range(2):
                home.act(script, "reload")
                before = home.until_working(2, but=before)
            accounts = {each.username() for each in home.processes()}
            assert accounts == {home.values.user}
            home.until_jobs_end()
            home.until_workers_end()
            home.act(script, "stop")
            assert "does not run" in home.act(script, "stop")
            assert home.processes() == []
            assert home.working() == set()
        judge(home, local_batch_jobs(home), jobs=JOBS, max_workers=MAX_WORKERS)

    def test_tells_how_it_died_and_starts_again(self, home: Home):
        home.hand_over()
        script = "init-plain.sh"
        home.act(script, "start")
        pid_file, lock_file = (home.values.run_dir / f"panda_harvester.{kind}" for kind in ("pid", "lock"))
        os.kill(int(pid_file.read_text()), signal.SIGKILL)
        home.until(lambda: home.processes() == [], "the processes notice that their parent is gone")
        assert str(pid_file) in home.act(script, "status", 1)
        pid_file.unlink()
        assert str(lock_file) in home.act(script, "status", 2)
        home.act(script, "restart")
        home.act(script, "condrestart")
        home.act(script, "stop")
        home.act(script, "condrestart")
        home.act(script, "status", 3)

    def test_says_why_it_cannot_start(self, home: Home):
        home.configure({}, {"master": {"workDir": "/proc/work"}})
        home.hand_over()
        assert "master.workDir: /proc/work cannot be made" in home.act("init-plain.sh", "start", 1)
        home.act("init-plain.sh", "status", 3)


class TestSupervisord:
    @pytest.fixture
    def control(self, home: Home) -> Iterator[list[str]]:
        """supervisord runs with the shipped file; the command that gives it orders."""
        home.hand_over()
        programs = Path(sys.executable).parent
        shipped = home.directory / PLACES["supervisord.cfg"].path
        with (home.directory / "supervisord.out").open("w") as output:
            supervisor = subprocess.Popen([programs / "supervisord", "-n", "-c", shipped], stdout=output, stderr=output)
        yield [str(programs / "supervisorctl"), "-c", str(shipped)]
        supervisor.terminate()
        supervisor.wait(60)

    def test_restarts_what_was_killed(self, home: Home, control: list[str]):
        def order(*words: str) -> str:
            return subprocess.run([*control, *words], capture_output=True, text=True, timeout=90, check=False).stdout

        def parents() -> list[psutil.Process]:
            return [each for each in home.processes() if "--foreground" in each.cmdline()]

        before = home.until_working(2)
        (parent,) = parents()
        parent.kill()
        before = home.until_working(2, but=before)
        assert parents() != [parent]
        home.until(lambda: "RUNNING" in order("status"), "supervisord takes it for running")
        assert "stopped" in order("stop", "panda-harvester")
        assert parents() == []
        assert home.working() == set()
        assert "started" in order("start", "panda-harvester")
        home.until_working(2, but=before)


@pytest.fixture(scope="module")
def programs() -> Iterator[None]:
    with running("servicefiles"):
        yield


class TestOtherPrograms:
    @pytest.mark.usefixtures("programs")
    @pytest.mark.parametrize("name", ["systemd-plain.service", "systemd-uwsgi.service"])
    def test_systemd_takes_the_unit(self, home: Home, name: str, tmp_path: Path):
        environment = tmp_path / "environment"
        (environment / "bin").mkdir(parents=True)
        for program in ("harvester", "uwsgi"):
            (environment / "bin" / program).symlink_to(sys.executable)
        unit = tmp_path / Path(PLACES[name].path).name
        unit.write_text(render(name, replace(home.values, virtual_env=environment, user="root", group="root")))
        done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")

    @pytest.mark.usefixtures("programs")
    def test_logs_are_rotated_without_a_restart(self, home: Home):
        home.hand_over()
        home.act("init-plain.sh", "start")
        home.until_working(2)
        log = home.values.log_dir / "panda-master.log"
        with tempfile.TemporaryDirectory() as state:
            for name in ("logrotate", "logrotate-service"):
                shipped = home.directory / PLACES[name].path
                os.chown(shipped, 0, 0)
                subprocess.run(["logrotate", "--force", "--state", f"{state}/{name}", shipped], check=True)
        assert not log.exists()
        home.act("init-plain.sh", "reload")
        home.until(log.exists, "a new log is begun")
        home.act("init-plain.sh", "stop")
