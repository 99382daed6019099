"""Databases for benchmarks: a file, or a server of its own that syncs every commit as a site's does."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

ENGINES = ("sqlite", "mariadb", "mariadb-mysqldb", "postgresql")
"""With the two drivers for MariaDB: mysql-connector-python and mysqlclient."""
_SCRIPTS = Path(__file__).parents[1] / "tests" / "real" / "services"
_DURABLE = {"MARIADB_FLUSH_LOG_AT_COMMIT": "1", "POSTGRESQL_FSYNC": "on"}
_START_SECONDS = 120

Section = Mapping[str, str]
"""The `[db]` section of panda_harvester.cfg."""


@dataclass(frozen=True, slots=True)
class DatabaseServer:
    """A server of its own in a directory of its own."""

    engine: str
    place: Path

    @property
    def section(self) -> Section:
        """How Harvester reaches its database."""
        facts = self._facts
        return {
            "engine": self.server,
            "useMySQLdb": str(self.engine == "mariadb-mysqldb"),
            "host": facts["HOST"],
            "port": facts["PORT"],
            "user": facts["USER"],
            "password": facts["PASSWORD"],
            "schema": "harvester",
        }

    @property
    def server(self) -> str:
        """The program, whatever talks to it."""
        return self.engine.partition("-")[0]

    def start(self) -> None:
        """Start it, after a kill too.

        Raises:
            SystemExit: it is not installed or does not start; its script has said why.
        """
        environment = {**os.environ, **_DURABLE}
        started = subprocess.run(
            [self._script, "start", self.place], env=environment, timeout=_START_SECONDS, check=False
        )
        if started.returncode:
            raise SystemExit(f"the {self.server} server for this benchmark did not start")

    def stop(self) -> None:
        """Stop it in order."""
        subprocess.run([self._script, "stop", self.place], timeout=_START_SECONDS, check=False)

    def kill(self) -> None:
        """SIGKILL for the process that its script started and for all of that process's children."""
        pid = int((self.place / f"{self.server}.process").read_text().split()[0])
        server = psutil.Process(pid)
        processes = [server, *server.children(recursive=True)]
        for each in processes:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        psutil.wait_procs(processes, timeout=_START_SECONDS)

    def make_schema(self) -> None:
        """Make the empty database."""
        sql, facts = "create database harvester", self._facts
        if self.server == "mariadb":
            command = ["mariadb", "--no-defaults", "--user=root", f"--socket={self.place}/socket", f"--execute={sql}"]
        else:
            where = [f"--host={facts['HOST']}", f"--port={facts['PORT']}", f"--username={facts['USER']}"]
            command = ["psql", "--no-psqlrc", "--quiet", *where, "--dbname=postgres", f"--command={sql}"]
        environment = {**os.environ, "PGPASSWORD": facts["PASSWORD"]}
        subprocess.run(command, env=environment, timeout=_START_SECONDS, check=True)

    @property
    def _script(self) -> Path:
        return _SCRIPTS / f"{self.server}.sh"

    @property
    def _facts(self) -> Mapping[str, str]:
        return dict(line.split("=", 1) for line in (self.place / "env").read_text().splitlines())


@contextmanager
def running_server_of(engine: str) -> Iterator[DatabaseServer]:
    """A server with an empty database; it is stopped afterwards, and nothing of it is left.

    Raises:
        SystemExit: it is not installed or does not start; its script has said why.
    """
    server = DatabaseServer(engine, Path(tempfile.mkdtemp(prefix=f"harvester-{engine}-")))
    try:
        server.start()
        server.make_schema()
        yield server
    finally:
        server.stop()
        shutil.rmtree(server.place, ignore_errors=True)


@contextmanager
def running_database(engine: str, folder: Path) -> Iterator[Section]:
    """An empty database of the engine; a server is started for it and stopped afterwards.

    Raises:
        SystemExit: the server is not installed or does not start; its script has said why.
    """
    if engine == "sqlite":
        yield sqlite_section(folder)
        return
    with running_server_of(engine) as server:
        yield server.section


def sqlite_section(folder: Path) -> Section:
    """A file in the folder."""
    return {"engine": "sqlite", "database_filename": f"{folder}/harvester.db"}
