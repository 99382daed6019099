"""The database server goes away in the middle of a run: all jobs finish, none is lost, none is doubled."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

import real_services
from real_services import DatabaseServer, EmptyDatabase, new_mariadb, new_postgresql, running
from system_harness.judges import judge, local_batch_jobs
from system_harness.queues import QUEUE, local_push, some_jobs
from system_harness.site import Site

pytestmark = [pytest.mark.system, pytest.mark.real]

MAX_WORKERS = 8
AWAY_SECONDS = float(os.environ.get("HARVESTER_TEST_AWAY_SECONDS", "6"))
"""How long the database is away; 30 and more in the long version of the run."""
_SCRIPTS = Path(real_services.__file__).parent / "real" / "services"


@dataclass(frozen=True, slots=True)
class PrivateServer:
    """A database server that a test may stop and start."""

    engine: str
    directory: Path
    database: EmptyDatabase

    def stop(self) -> None:
        self._order("stop")

    def start(self) -> None:
        self._order("start")

    def _order(self, verb: str) -> None:
        with (self.directory / "again.log").open("ab") as log:
            command = [_SCRIPTS / f"{self.engine}.sh", verb, self.directory]
            subprocess.run(command, stdout=log, stderr=log, timeout=120, check=True)

    @property
    def section(self) -> dict[str, object]:
        """`[db]` of the configuration."""
        where = self.database
        login = {"user": where.user, "password": where.password, "schema": where.name}
        return {"engine": self.engine, "host": where.host, "port": where.port, **login}


@contextmanager
def _private(engine: str) -> Iterator[PrivateServer]:
    with running(engine) as directory:
        server = DatabaseServer.of(directory)
        database = new_mariadb(server, directory / "socket") if engine == "mariadb" else new_postgresql(server)
        yield PrivateServer(engine, directory, database)


@pytest.fixture(params=["mariadb", "postgresql"])
def server(request: pytest.FixtureRequest) -> Iterator[PrivateServer]:
    with _private(request.param) as private:
        yield private


def test_away_for_a_while(site: Site, server: PrivateServer):
    site.configure({QUEUE: local_push(site, max_workers=MAX_WORKERS)}, {"db": server.section})
    site.server.control.add_jobs(some_jobs(100))
    site.start()
    site.until_running(30)
    server.stop()
    site.survive(AWAY_SECONDS)
    server.start()
    site.until_jobs_end(AWAY_SECONDS + 180)
    site.until_workers_end()
    assert site.terminate() == 0
    judge(site, local_batch_jobs(site), jobs=100, max_workers=MAX_WORKERS)
    assert site.has_logged("the database", server.database.name, "cannot be used")
    assert server.database.password not in site.log.replace(server.database.user, "")


def test_away_at_the_start_and_the_order_to_stop(site: Site, server: PrivateServer):
    site.configure({QUEUE: local_push(site)}, {"db": server.section})
    site.server.control.add_jobs(some_jobs(2))
    server.stop()
    site.start()
    site.until_logged("not started yet", "the database")
    assert site.terminate() == 0
    site.start()
    server.start()
    site.until_jobs_end()
    site.until_workers_end()
    assert site.terminate() == 0
    judge(site, local_batch_jobs(site), jobs=2, max_workers=MAX_WORKERS)
