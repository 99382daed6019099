import queue
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from cli_tools import CommandLine
from sqlalchemy import text
from typer.testing import CliRunner

from harvester.cli.main import app
from harvester.store.engine import Database


@pytest.mark.usefixtures("own_logging")
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
        assert f"{call.config}:{line}: pandacon.cert_file: cert_file /nonexistent/proxy" in result.stderr

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


class Running:
    """`harvester run` as a process, whose lines can be waited for."""

    def __init__(self, call: CommandLine) -> None:
        command = [sys.executable, "-P", "-m", "harvester", "run", "--config", str(call.config)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
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
