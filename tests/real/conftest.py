"""Real services for tests: each is started once per test process, on free ports, and stopped at its end.

A service that is not installed skips its tests, or fails them if `HARVESTER_TEST_REQUIRE` (a list with commas) names
it. `services/NAME.sh install` installs it.
"""

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

_SERVICES = Path(__file__).parent / "services"
_NOT_INSTALLED = 3
_START_SECONDS = 120


@dataclass(frozen=True, slots=True)
class SlurmCluster:
    """A running cluster; the account of the tests submits to it."""

    conf: Path
    accounting: bool

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "SLURM_CONF": str(self.conf)}

    def run(self, *command: str) -> str:
        """What a Slurm command prints."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60, check=True)
        return done.stdout


@dataclass(frozen=True, slots=True)
class DatabaseServer:
    """Where a database server listens, and an account that may do everything there."""

    host: str
    port: int
    user: str
    password: str


@dataclass(frozen=True, slots=True)
class Database(DatabaseServer):
    """An empty database of a server."""

    name: str


StartSlurm = Callable[..., SlurmCluster]


@contextmanager
def _service(service: str, **options: str) -> Iterator[Path]:
    """A running service in a directory of its own, which the accounts of daemons can enter."""
    script = _SERVICES / f"{service}.sh"
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
    if done.returncode == _NOT_INSTALLED and service not in os.environ.get("HARVESTER_TEST_REQUIRE", "").split(","):
        pytest.skip(text)
    if done.returncode:
        pytest.fail(f"{service} did not start: {text}", pytrace=False)


def _facts(directory: Path) -> dict[str, str]:
    pairs = (line.partition("=") for line in (directory / "env").read_text().splitlines())
    return {name: value for name, _, value in pairs}


# ---- Slurm -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def start_slurm() -> Iterator[StartSlurm]:
    """Starts further clusters: `start_slurm(accounting=True, min_job_age=5)`."""
    with ExitStack() as clusters:

        def start(*, accounting: bool = False, min_job_age: int = 300, cpus: int = 16) -> SlurmCluster:
            options = {
                "SLURM_ACCOUNTING": str(int(accounting)),
                "SLURM_MIN_JOB_AGE": str(min_job_age),
                "SLURM_CPUS": str(cpus),
            }
            directory = clusters.enter_context(_service("slurm", **options))
            return SlurmCluster(Path(_facts(directory)["SLURM_CONF"]), accounting)

        yield start


@pytest.fixture(scope="session")
def slurm(start_slurm: StartSlurm) -> SlurmCluster:
    """A cluster without accounting."""
    return start_slurm()


@pytest.fixture(scope="session")
def slurm_with_accounting(start_slurm: StartSlurm) -> SlurmCluster:
    """A cluster with an accounting database."""
    return start_slurm(accounting=True)


# ---- databases -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[tuple[DatabaseServer, Path]]:
    """A MariaDB server, and the socket where root needs no password."""
    with _service("mariadb") as directory:
        yield _server(directory), directory / "socket"


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[DatabaseServer]:
    """A PostgreSQL server."""
    with _service("postgresql") as directory:
        yield _server(directory)


@pytest.fixture(scope="module")
def mariadb(mariadb_server: tuple[DatabaseServer, Path]) -> Database:
    """A fresh MariaDB database for a test module."""
    server, socket = mariadb_server
    name = _fresh_name()
    command = ["mariadb", "--no-defaults", "--user=root", f"--socket={socket}", f"--execute=create database {name}"]
    subprocess.run(command, timeout=60, check=True)
    return Database(server.host, server.port, server.user, server.password, name)


@pytest.fixture(scope="module")
def postgresql(postgresql_server: DatabaseServer) -> Database:
    """A fresh PostgreSQL database for a test module."""
    server = postgresql_server
    name = _fresh_name()
    where = [f"--host={server.host}", f"--port={server.port}", f"--username={server.user}", "--dbname=postgres"]
    command = ["psql", "--no-psqlrc", "--quiet", *where, f"--command=create database {name}"]
    subprocess.run(command, env={**os.environ, "PGPASSWORD": server.password}, timeout=60, check=True)
    return Database(server.host, server.port, server.user, server.password, name)


def _server(directory: Path) -> DatabaseServer:
    facts = _facts(directory)
    return DatabaseServer(facts["HOST"], int(facts["PORT"]), facts["USER"], facts["PASSWORD"])


def _fresh_name() -> str:
    return f"harvester_{uuid.uuid4().hex[:12]}"
