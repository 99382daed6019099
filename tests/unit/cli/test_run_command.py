import json
import os
import pwd
import queue
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from cli_tools import NOW, CommandLine
from sqlalchemy import text
from typer.testing import CliRunner

from harvester.cli.main import app
from harvester.config.remote import INSTANCE_URL
from harvester.config.service import load_settings
from harvester.remote_instance import RemoteInstance
from harvester.startup import launch
from harvester.store.engine import Database


@pytest.mark.usefixtures("no_handlers")
class TestThatCannotStart:
    def test_an_unusable_configuration(self, call: CommandLine):
        call.config.write_text("[master]\nharvester_id = unit\n[pandacon]\n")
        result = call("run")
        assert result.exit_code == 1
        assert "no address of the PanDA server" in result.stderr

    def test_a_missing_queue_file(self, call: CommandLine):
        call.queues.unlink()
        result = call("run")
        assert result.exit_code == 1
        assert "panda_queueconfig.json" in result.stderr

    def test_a_directory_that_cannot_be_made(self, call: CommandLine):
        (call.place / "work").write_text("a file")
        result = call("run")
        assert result.exit_code == 1
        assert f"{call.config}:3: master.workDir: {call.place}/work cannot be made: " in result.stderr

    def test_a_credential_that_cannot_be_read(self, call: CommandLine):
        settings = call.config.read_text().replace("http:", "https:")
        call.config.write_text(f"{settings}cert_file = /nonexistent/proxy\nkey_file = /nonexistent/proxy\n")
        result = call("run")
        assert result.exit_code == 1
        line = call.config.read_text().splitlines().index("cert_file = /nonexistent/proxy") + 1
        assert f"{call.config}:{line}: pandacon.cert_file: /nonexistent/proxy" in result.stderr

    def test_a_file_that_is_no_database(self, call: CommandLine):
        (call.place / "harvester.db").write_text("this is no database, whatever its name says " * 50)
        result = call("run")
        assert result.exit_code == 1
        assert "the database cannot be used" in result.stderr

    def test_tables_that_a_newer_version_has_changed(self, call: CommandLine, db: Database):
        with db.write() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        result = call("run")
        assert result.exit_code == 1
        assert "are at 9999, which is newer than" in result.stderr
        assert "restore the backup from before the upgrade" in result.stderr


def spoil(call: CommandLine, kind: str) -> str:
    """Take away something that a start needs; what it is told to be."""
    place, text = call.place, call.config.read_text()
    port = "portNumber = 1\n"
    match kind:
        case "name":
            text = text.replace("harvester_id = unit", "harvester_id = other")
            told = "[master] harvester_id: the database belongs to the former name"
        case "certificate":
            (place / "bad.pem").write_text("no certificate")
            text += f"[frontend]\nenable = True\nauthEnable = False\n{port}certFile = {place}/bad.pem\n"
            told = f"[frontend] certFile: {place}/bad.pem and its key cannot be used"
        case "no key":
            text += f"[frontend]\nenable = True\n{port}secretFile = {place}/door.key\n"
            told = f"{place}/door.key is not there"
        case "key for all":
            (place / "door.key").write_text("k" * 40)
            (place / "door.key").chmod(0o644)
            text += f"[frontend]\nenable = True\n{port}secretFile = {place}/door.key\n"
            told = f"{place}/door.key has mode 644"
        case "place":
            (place / "logs").write_text("a file")
            text = text.replace(f"{place}/work", f"{place}/logs/here")
            told = f"master.workDir: {place}/logs/here cannot be made"
        case "credential":
            text = f"{text.replace('http:', 'https:')}cert_file = {place}/proxy\nkey_file = {place}/proxy\n"
            told = f"pandacon.cert_file: {place}/proxy"
        case _:
            text += f"[frontend]\nenable = True\naddress = no.such.host.invalid\n{port}authEnable = False\n"
            text += "trustedNetworks = 127.0.0.0/8\n"
            told = "Name or service not known"
    call.config.write_text(text)
    return told


SPOILT = ("certificate", "no key", "key for all", "place", "credential")


@pytest.mark.usefixtures("no_handlers")
@pytest.mark.parametrize("kind", SPOILT)
@pytest.mark.parametrize("options", [(), ("--check",)])
def test_a_start_and_its_check_tell_the_same(call: CommandLine, kind: str, options: tuple[str, ...]):
    told = spoil(call, kind)
    result = call("run", *options)
    assert result.exit_code == 1
    assert told in result.stderr
    assert not (call.place / "harvester.db").exists()


@pytest.mark.usefixtures("no_handlers")
@pytest.mark.parametrize("options", [(), ("--check",)])
@pytest.mark.parametrize("frontend", ["type = apache", "type = simple\nportNumber = 1"])
@pytest.mark.parametrize("file", ["door.key", ""])
def test_whoever_serves_the_door_needs_keys_for_the_workers_that_come(
    call: CommandLine, options: tuple[str, ...], frontend: str, file: str
):
    key = f"secretFile = {call.place}/{file}\n" if file else ""
    call.config.write_text(f"{call.config.read_text()}[frontend]\n{frontend}\n{key}")
    assert call("run", "--check").exit_code == 0
    call.queues.write_text(call.queues.read_text().replace('"shared_file"', '"http"'))
    result = call("run", *options)
    problem = f"{call.place}/door.key is not there" if file else "it is not set"
    assert result.exit_code == 1
    assert f"[frontend] secretFile: {problem}" in result.stderr
    assert not (call.place / "harvester.db").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_root_does_not_stay_root_for_a_copy_that_another_account_can_change(
    call: CommandLine, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(INSTANCE_URL, "http://127.0.0.1:9/instance.json")
    remote = RemoteInstance(os.environ)
    load_settings([call.config], os.environ, remote=remote)
    assert remote.place
    remote.place.parent.mkdir(parents=True)
    copy = {"fetched_at": NOW.isoformat(), "text": '{"monitor": {"sleepTime": 7}}'}
    remote.place.write_text(json.dumps(copy))
    assert call("run", "--check").exit_code == 0
    os.chown(remote.place, pwd.getpwnam("nobody").pw_uid, 0)
    refused, checked = call("run", "--check"), call("check")
    assert refused.exit_code == checked.exit_code == 1
    says = "master.uname: is not set, and others than root may change this file"
    assert f"{remote.place}: {says}" in refused.stderr
    assert f"{remote.place}: error: {says}" in checked.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("is_named", [False, True])
def test_root_does_not_stay_root_for_queues_that_another_account_can_change(call: CommandLine, *, is_named: bool):
    named = call.place / "queues.json"
    named.write_text(call.queues.read_text())
    options = ("--queues", str(named)) if is_named else ()
    theirs = named if is_named else call.queues
    assert call("run", "--check", *options).exit_code == call("check", *options).exit_code == 0
    os.chown(theirs, pwd.getpwnam("nobody").pw_uid, 0)
    refused, checked = call("run", "--check", *options), call("check", *options)
    assert refused.exit_code == checked.exit_code == 1
    says = "master.uname: is not set, and others than root may change this file"
    assert f"{theirs}: {says}" in refused.stderr
    assert f"{theirs}: error: {says}" in checked.stdout


def test_what_could_start_passes_the_check(call: CommandLine):
    assert call("run", "--check").exit_code == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--daemon", "--foreground"), "exclude each other"),
        (("--single", "--processes", "2"), "for one process"),
    ],
)
def test_what_cannot_be_together(call: CommandLine, words: tuple[str, ...], says: str):
    result = call("run", *words)
    assert result.exit_code == 2
    assert says in result.stderr


def test_all_paths_are_those_of_the_caller_s_directory(call: CommandLine, monkeypatch: pytest.MonkeyPatch):
    """A daemon leaves it."""
    asked: list[launch.Launch] = []
    monkeypatch.setattr(launch, "launch", lambda each, _orders: asked.append(each))
    monkeypatch.setattr("harvester.startup.orders.Orders", object)
    monkeypatch.chdir(call.place)
    words = ("--config", "a.cfg", "--queues", "b.json", "--pid-file", "c.pid", "--hostname-file", "d.name")
    assert CliRunner().invoke(app, ["run", *words]).exit_code == 0
    (each,) = asked
    names = [*each.config, each.queues, each.pid_file, each.hostname_file]
    assert names == [call.place / name for name in words[1::2]]


class Running:
    """`harvester run` as a process, whose lines can be waited for."""

    def __init__(self, call: CommandLine, *options: str) -> None:
        command = [sys.executable, "-P", "-m", "harvester", "run", "--config", str(call.config), *options]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self._lines.put(line)

    def wait_for(self, word: str) -> str:
        while word not in (line := self._lines.get(timeout=60)):
            pass
        return line

    def end(self) -> int:
        self.process.terminate()
        try:
            return self.process.wait(60)
        finally:
            self.process.kill()
            self._reader.join()
            assert self.process.stderr
            self.process.stderr.close()


@pytest.mark.system
def test_a_database_that_is_away_is_waited_for_until_the_order_to_stop(call: CommandLine):
    Path(call.place / "harvester.db").mkdir()
    running = Running(call)
    assert "retry_seconds" in running.wait_for("not started yet")
    assert running.end() == 0


@pytest.mark.system
def test_a_service_that_waits_goes_on_waiting_if_it_could_not_start_with_what_has_changed(call: CommandLine):
    database = Path(call.place / "harvester.db")
    database.mkdir()
    running = Running(call)
    running.wait_for("not started yet")
    good = call.config.read_text()
    told = spoil(call, "address")
    running.process.send_signal(signal.SIGHUP)
    assert told in running.wait_for("not reloaded, the service goes on as it is")
    call.config.write_text(good)
    database.rmdir()
    running.wait_for("started")
    assert running.end() == 0


@pytest.mark.system
def test_a_bad_queue_does_not_keep_the_service_from_running_and_sigterm_ends_it_cleanly(call: CommandLine):
    good = call.queues.read_text().removesuffix("}")
    call.queues.write_text(f'{good}, "BAD": {{"mapType": "NoJob"}}}}')
    running = Running(call)
    first = running.wait_for("starting")
    for each in (call.config, call.queues, call.place / "work", call.place / "harvester.db", "127.0.0.1:9", "version="):
        assert str(each) in first
    running.wait_for("BAD")
    assert "queues=1" in running.wait_for("started")
    assert running.end() == 0


@pytest.mark.system
@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_service_does_not_give_way_to_one_that_could_not_start(call: CommandLine, processes: str):
    running = Running(call, "--processes", processes)
    for _ in range(int(processes)):
        running.wait_for("started")
    good = call.config.read_text()
    for kind in (*SPOILT, "address", "name"):
        told = spoil(call, kind)
        running.process.send_signal(signal.SIGHUP)
        assert told in running.wait_for("not reloaded, the service goes on as it is")
        call.config.write_text(good)
    running.process.send_signal(signal.SIGHUP)
    for _ in range(int(processes)):
        running.wait_for("started")
    assert running.end() == 0


@pytest.mark.system
def test_a_second_process_on_one_sqlite_database_is_warned_of(call: CommandLine):
    first = Running(call)
    first.wait_for("started")
    second = Running(call)
    assert f"pid={first.process.pid}" in second.wait_for("another process of this instance")
    assert second.end() == 0
    assert first.end() == 0


def test_a_port_in_use_is_said_with_what_to_do():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        result = CliRunner().invoke(app, ["dev-server", "--port", port])
    assert result.exit_code == 1
    says = f"cannot listen on 127.0.0.1:{port}: Address already in use; choose another --port"
    assert result.stderr == f"harvester: the development server {says}\n"
