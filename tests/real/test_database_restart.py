"""A database server that is restarted in the middle of the work: what was acknowledged is there, and work goes on."""

import os
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harvester.store import history, migrate
from harvester.store.engine import Database, StoreUnavailableError, server_url
from harvester.store.history import Event, Kind
from real_services import DatabaseServer, new_mariadb, new_postgresql, require_mysqlclient, running
from waiting import until

pytestmark = pytest.mark.real

SCRIPTS = Path(__file__).parent / "services"
RESTARTS = 2
WRITERS = 3
NOW = datetime(2026, 3, 1, tzinfo=UTC)
DURABLE = {"MARIADB_FLUSH_LOG_AT_COMMIT": "1", "POSTGRESQL_FSYNC": "on"}


class Server:
    """A database server of its own, which can be restarted."""

    def __init__(self, service: str, place: Path) -> None:
        self._script, self._place = SCRIPTS / f"{service}.sh", place

    def restart(self) -> None:
        for word in ("stop", "start"):
            subprocess.run([self._script, word, self._place], env={**os.environ, **DURABLE}, timeout=120, check=True)


@pytest.fixture(params=["mariadb", "mariadb-mysqldb", "postgresql"])
def restartable(request: pytest.FixtureRequest) -> Iterator[tuple[Server, Database]]:
    """A server and a database with tables on it, seen as the service sees it."""
    engine: str = request.param
    if engine == "mariadb-mysqldb":
        require_mysqlclient()
    service = engine.partition("-")[0]
    with running(service, **DURABLE) as place:
        server = DatabaseServer.of(place)
        new = new_postgresql(server) if service == "postgresql" else new_mariadb(server, place / "socket")
        db = Database(
            server_url(engine, host=new.host, port=new.port, user=new.user, password=new.password, schema=new.name)
        )
        migrate.upgrade(db)
        yield Server(service, place), db
        db.close()


def test_nothing_that_was_acknowledged_is_lost(restartable: tuple[Server, Database]):
    server, db = restartable
    acknowledged: list[int] = []
    troubles: list[str] = []
    over = threading.Event()

    def write(first: int) -> None:
        for number in range(first, first + 10**6):
            if over.is_set():
                return
            event = Event(Kind.WORKER, number, NOW, None, "x", "because", "test")
            try:
                db.transact(lambda connection, told=event: history.record(connection, [told]))
                acknowledged.append(number)
            except StoreUnavailableError as error:
                troubles.append(str(error))
                over.wait(0.05)  # the server is away, and needs the processor to come back

    writers = [threading.Thread(target=write, args=(each * 10**6 + 1,)) for each in range(WRITERS)]
    for writer in writers:
        writer.start()
    try:
        for _ in range(RESTARTS):
            await_more(acknowledged)
            server.restart()
            await_more(acknowledged)
    finally:
        over.set()
        for writer in writers:
            writer.join()
    assert troubles
    with db.read() as connection:
        missing = [each for each in acknowledged if not history.of(connection, Kind.WORKER, each)]
        doubled = [each for each in acknowledged if len(history.of(connection, Kind.WORKER, each)) > 1]
    assert (missing, doubled) == ([], [])


def await_more(acknowledged: list[int]) -> None:
    """Work goes on."""
    before = len(acknowledged)
    until(lambda: len(acknowledged) >= before + 20, what="twenty more writings")
