"""Starts and stops real services for tests, each in a directory of its own and on free ports.

A service that is not installed skips its tests, or fails them if `HARVESTER_TEST_REQUIRE` (a list with commas) names
it. `real/services/NAME.sh install` installs it.
"""

import importlib.util
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

_SCRIPTS = Path(__file__).parent / "real" / "services"
_NOT_INSTALLED = 3
_START_SECONDS = 120


@contextmanager
def running(service: str, **options: str) -> Iterator[Path]:
    """A running service in a directory of its own, which the accounts of daemons can enter."""
    script = _SCRIPTS / f"{service}.sh"
    directory = Path(tempfile.mkdtemp(prefix=f"harvester-{service}-"))
    try:
        _start(service, script, directory, options)
        yield directory
    finally:
        subprocess.run([script, "stop", directory], timeout=_START_SECONDS, check=False)
        shutil.rmtree(directory, ignore_errors=True)


def _start(service: str, script: Path, directory: Path, options: Mapping[str, str]) -> None:
    with (directory / "start.log").open("w+") as log:
        command = [script, "start", directory]
        done = subprocess.run(
            command, env={**os.environ, **options}, stdout=log, stderr=log, timeout=_START_SECONDS, check=False
        )
        log.seek(0)
        text = log.read().strip()
    if done.returncode == _NOT_INSTALLED:
        _do_without(service, text)
    if done.returncode:
        pytest.fail(f"{service} did not start: {text}", pytrace=False)


def require_mysqlclient() -> None:
    """Skip the test, or fail it likewise, if mysqlclient is not installed."""
    if not importlib.util.find_spec("MySQLdb"):
        _do_without("mysqlclient", "mysqlclient is not installed; pip install 'harvester[mysqlclient]'")


def _do_without(name: str, told: str) -> NoReturn:
    if name in os.environ.get("HARVESTER_TEST_REQUIRE", "").split(","):
        pytest.fail(f"{told} (HARVESTER_TEST_REQUIRE names {name})", pytrace=False)
    pytest.skip(told)


def facts(directory: Path) -> dict[str, str]:
    """What a running service tells its clients."""
    pairs = (line.partition("=") for line in (directory / "env").read_text().splitlines())
    return {name: value for name, _, value in pairs}


@dataclass(frozen=True, slots=True)
class DatabaseServer:
    """Where a database server listens, and an account that may do everything there."""

    host: str
    port: int
    user: str
    password: str

    @classmethod
    def of(cls, directory: Path) -> "DatabaseServer":
        """The server that runs in a directory."""
        told = facts(directory)
        return cls(told["HOST"], int(told["PORT"]), told["USER"], told["PASSWORD"])


@dataclass(frozen=True, slots=True)
class EmptyDatabase(DatabaseServer):
    """A fresh database of a server."""

    name: str


def new_mariadb(server: DatabaseServer, socket: Path) -> EmptyDatabase:
    """Make a database; root needs no password on the socket."""
    name = _fresh_name()
    command = ["mariadb", "--no-defaults", "--user=root", f"--socket={socket}", f"--execute=create database {name}"]
    subprocess.run(command, timeout=60, check=True)
    return EmptyDatabase(server.host, server.port, server.user, server.password, name)


def new_postgresql(server: DatabaseServer) -> EmptyDatabase:
    """Make a database."""
    name = _fresh_name()
    where = [f"--host={server.host}", f"--port={server.port}", f"--username={server.user}", "--dbname=postgres"]
    command = ["psql", "--no-psqlrc", "--quiet", *where, f"--command=create database {name}"]
    subprocess.run(command, env={**os.environ, "PGPASSWORD": server.password}, timeout=60, check=True)
    return EmptyDatabase(server.host, server.port, server.user, server.password, name)


def _fresh_name() -> str:
    return f"harvester_{uuid.uuid4().hex[:12]}"
