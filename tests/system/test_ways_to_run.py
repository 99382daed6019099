"""`harvester run` as service managers use it: several processes, daemon, pid file, reload, and nothing left over."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx2
import psutil
import pytest

from harvester.plugins.local.processes import birth_of
from loopback import free_port
from system_harness.judges import judge, local_batch_jobs
from system_harness.queues import MAX_WORKERS, QUEUE, local_push, some_jobs
from system_harness.site import COMMAND, STOPS_WITHIN, Site

pytestmark = pytest.mark.system

JOBS = 8


def children(site: Site) -> list[psutil.Process]:
    """The processes that do the work."""
    try:
        all_below = psutil.Process(site.pid).children()
    except psutil.NoSuchProcess:
        return []
    return [each for each in all_below if "--parent-line" in each.cmdline()]


def lives(pid: int) -> bool:
    """Whether it is there, and no zombie that nobody cares for."""
    return birth_of(pid) is not None


def until_started(site: Site, times: int) -> None:
    site.until(lambda: site.log.count(" started instance=") >= times, f"{times} processes started")


class TestSeveralProcesses:
    def test_work_together_and_a_killed_one_is_replaced(self, site: Site):
        site.configure({QUEUE: local_push(site)})
        site.server.control.add_jobs(some_jobs(JOBS))
        site.start("--processes", "2")
        until_started(site, 2)
        site.until_running(1)
        victim = children(site)[0]
        victim.kill()
        site.until_logged("a process of the service died and is replaced", f"pid={victim.pid}")
        until_started(site, 3)
        site.until_jobs_end()
        site.until_workers_end()
        working = children(site)
        assert len(working) == 2
        assert site.terminate() == 0
        assert not any(lives(each.pid) for each in working)
        judge(site, local_batch_jobs(site), jobs=JOBS, max_workers=MAX_WORKERS)

    def test_none_is_left_over_when_the_parent_is_killed(self, site: Site):
        site.configure({})
        site.start("--processes", "2")
        until_started(site, 2)
        working = children(site)
        site.kill()
        assert len(working) == 2
        site.until(lambda: not any(lives(each.pid) for each in working), "both have ended", STOPS_WITHIN)

    def test_what_none_of_them_can_start_with_ends_the_service(self, site: Site):
        site.configure({}, {"db": {"database_filename": site.directory / "no_database"}})
        (site.directory / "no_database").write_text("this is no database, whatever its name says " * 50)
        site.start("--processes", "2")
        assert site.await_end() == 1
        assert "the database cannot be used" in site.log


class TestReload:
    @pytest.mark.parametrize("processes", ["1", "2"])
    def test_takes_over_the_main_configuration_twice(self, site: Site, processes: str):
        site.configure({QUEUE: local_push(site)})
        pid_file = site.directory / "harvester.pid"
        site.start("--processes", processes, "--pid-file", str(pid_file))
        until_started(site, int(processes))
        for times in (2, 3):
            site.configure({QUEUE: local_push(site)}, {"master": {"workDir": site.directory / f"work{times}"}})
            site.reload()
            until_started(site, times * int(processes))
            assert (site.directory / f"work{times}").is_dir()
            assert int(pid_file.read_text()) == site.pid
        assert site.terminate() == 0
        assert not pid_file.exists()

    def test_a_mistake_leaves_the_service_as_it_is(self, site: Site):
        site.configure({QUEUE: local_push(site)})
        site.start()
        until_started(site, 1)
        good = site.configuration.read_text()
        site.configuration.write_text("[master]\n")
        site.reload()
        site.until_logged("not reloaded, the service goes on as it is", "harvester_id")
        site.configuration.write_text(good)
        site.reload()
        until_started(site, 2)
        assert site.terminate() == 0


def run(site: Site, *options: str) -> subprocess.CompletedProcess[str]:
    """A `harvester run` that ends soon."""
    command = [*COMMAND, "run", "--config", str(site.configuration), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)


class TestDaemon:
    def test_ends_well_when_the_service_runs_and_the_service_heeds_the_earlier_signals(self, site: Site):
        site.configure({})
        pid_file, name_file = site.directory / "harvester.pid", site.directory / "hostname"
        options = ("--daemon", "--pid", str(pid_file), "--hostname_file", str(name_file))
        pid_file.write_text("4194304999\n")
        started = run(site, *options)
        assert (started.returncode, started.stderr) == (0, "")
        service = psutil.Process(int(pid_file.read_text()))
        try:
            again = run(site, *options)
            assert again.returncode == 1
            assert f"Harvester runs already with the pid {service.pid}, says {pid_file}" in again.stderr
            assert name_file.read_text().strip() == socket.getfqdn()
            assert os.getsid(service.pid) != os.getsid(0)
            log = site.directory / "work" / "panda_harvester_stderr.log"
            assert " started instance=" in log.read_text()
            service.send_signal(signal.SIGUSR2)
            site.until(lambda: not lives(service.pid), "the service has ended", STOPS_WITHIN)
            assert not pid_file.exists()
        finally:
            if lives(service.pid):
                service.kill()

    def test_tells_why_it_cannot_start(self, site: Site):
        site.configure({}, {"master": {"workDir": "/dev/null/work"}})
        failed = run(site, "--daemon", "--pid-file", str(site.directory / "harvester.pid"))
        assert failed.returncode == 1
        assert "workDir: /dev/null/work cannot be made" in failed.stderr
        assert not (site.directory / "harvester.pid").exists()


def test_a_single_pass_ends_by_itself(site: Site):
    site.configure({QUEUE: local_push(site)})
    site.server.control.add_jobs(some_jobs(1))
    assert run(site, "--single").returncode == 0


def test_old_logs_are_put_aside(site: Site):
    logs = site.directory / "logs"
    logs.mkdir()
    (site.directory / "panda_common.cfg").write_text(f"[logger]\nlogdir = {logs}\nrotating_backup_count = 2\n")
    for name, text in {"panda-master.log": "young\n", "panda-master.log.1": "old\n", "other.log": "not ours\n"}.items():
        (logs / name).write_text(text)
    site.configure({})
    assert run(site, "--single", "--rotate-log").returncode == 0
    assert "young" not in (logs / "panda-master.log").read_text()
    kept = {path.name: path.read_text() for path in logs.iterdir() if path.name != "panda-master.log"}
    assert {name: kept[name] for name in ("panda-master.log.1", "panda-master.log.2", "other.log")} == {
        "panda-master.log.1": "young\n", "panda-master.log.2": "old\n", "other.log": "not ours\n",
    }  # fmt: skip


def test_the_version_is_told_as_before(site: Site):
    assert run(site, "--version").stdout.startswith("harvester ")


def test_where_it_is_can_be_seen(site: Site):
    site.configure({})
    site.start()
    until_started(site, 1)
    psutil.Process(site.pid).send_signal(signal.SIGUSR1)
    site.until_logged("Current thread")
    assert site.terminate() == 0


class TestTheServiceManager:
    @pytest.fixture
    def manager(self, site: Site, tmp_path: Path) -> Iterator[socket.socket]:
        """Hears what a service says that has started and been told to reload."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(str(tmp_path / "notify"))
            manager.settimeout(60)
            site.environment["NOTIFY_SOCKET"] = str(tmp_path / "notify")
            site.configure({})
            site.start()
            assert b"READY=1" in manager.recv(4096)
            site.reload()
            assert b"RELOADING=1" in manager.recv(4096)
            yield manager

    def test_hears_that_it_is_ready(self, site: Site, manager: socket.socket):
        assert b"READY=1" in manager.recv(4096)
        assert b"WATCHDOG=1" in manager.recv(4096)
        assert site.terminate() == 0
        assert b"STOPPING=1" in manager.recv(4096)

    def test_hears_that_a_stop_during_a_reload_is_heeded(self, site: Site, manager: socket.socket):
        assert site.terminate() == 0
        assert b"STOPPING=1" in manager.recv(4096)


class TestTheBuiltInDoor:
    @staticmethod
    def open_door(site: Site, port: int, address: str = "127.0.0.1", **more: str) -> None:
        door = {"enable": True, "address": address, "portNumber": port, "authEnable": False, **more}
        site.configure({}, {"frontend": door})

    @staticmethod
    def answers(port: int, address: str = "127.0.0.1") -> bool:
        call = {"methodName": "test", "workerID": 123, "data": "none"}
        try:
            answer = httpx2.post(f"http://{address}:{port}/entry", json=call, timeout=60)
        except httpx2.TransportError:
            return False
        return "workerID=123 not found in DB" in answer.text

    @staticmethod
    def refuses(port: int) -> bool:
        """Whether nobody listens; a request that came at the very end of a process may go unanswered."""
        try:
            httpx2.get(f"http://127.0.0.1:{port}/entry", timeout=60)
        except httpx2.ConnectError:
            return True
        except httpx2.TransportError:
            pass
        return False

    @pytest.mark.parametrize("processes", ["1", "2"])
    def test_is_shared_by_all_processes_and_nobody_is_refused_while_they_reload(self, site: Site, processes: str):
        port = free_port()
        self.open_door(site, port)
        site.start("--processes", processes)
        until_started(site, int(processes))
        site.until(lambda: self.answers(port), "an answer")
        refused = []

        def is_reloaded(times: int) -> bool:
            refused.append(self.refuses(port))
            return site.log.count(" started instance=") >= times * int(processes)

        for times in (2, 3):
            site.reload()
            site.until(partial(is_reloaded, times), "a reload")
        assert not any(refused)
        assert site.terminate() == 0
        assert not self.answers(port)

    def test_moves_to_another_port_on_reload(self, site: Site):
        old, new = free_port(), free_port()
        self.open_door(site, old)
        site.start()
        site.until(lambda: self.answers(old), "an answer")
        self.open_door(site, new)
        site.reload()
        site.until(lambda: self.answers(new), "an answer")
        assert not self.answers(old)
        assert site.terminate() == 0

    def test_stays_where_it_is_if_somebody_has_the_other_port(self, site: Site):
        old, new = free_port(), free_port()
        self.open_door(site, old)
        site.start()
        site.until(lambda: self.answers(old), "an answer")
        with socket.create_server(("127.0.0.1", 0)) as other:
            taken = other.getsockname()[1]
            self.open_door(site, taken)
            site.reload()
            site.until_logged("not reloaded", f"port {taken} cannot be had: Address already in use")
            assert self.answers(old)
        for port in (new, old):
            self.open_door(site, port)
            site.reload()
            site.until(lambda port=port: self.answers(port), "an answer")
        assert not self.answers(new)
        assert site.terminate() == 0

    def test_moves_to_another_address_with_the_same_port(self, site: Site):
        port = free_port()
        self.open_door(site, port)
        site.start()
        site.until(lambda: self.answers(port), "an answer")
        self.open_door(site, port, address="127.0.0.2")
        site.reload()
        site.until(lambda: self.answers(port, "127.0.0.2"), "an answer")
        assert not self.answers(port)
        self.open_door(site, port, address="192.0.2.1", trustedNetworks="192.0.2.0/24")
        site.reload()
        site.until_logged("not reloaded", "[frontend] address: 192.0.2.1 cannot be used: Cannot assign requested")
        assert self.answers(port, "127.0.0.2")
        assert site.terminate() == 0

    def test_stays_where_it_is_as_long_as_several_processes_share_it(self, site: Site):
        old = free_port()
        self.open_door(site, old)
        site.start("--processes", "2")
        until_started(site, 2)
        self.open_door(site, free_port())
        site.reload()
        site.until_logged("not reloaded", "another port", "stop and start the service")
        assert self.answers(old)
        assert site.terminate() == 0

    def test_a_port_that_somebody_has_is_told(self, site: Site):
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            self.open_door(site, port)
            failed = run(site)
        assert failed.returncode == 1
        assert f"portNumber: 127.0.0.1, port {port} cannot be had: Address already in use" in failed.stderr
