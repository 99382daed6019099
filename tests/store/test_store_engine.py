"""Trouble with the database is named, contained to its transaction, and over when the database is back."""

import itertools
import logging
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from cutting import cut_off
from sqlalchemy import URL, Connection, create_engine, insert, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from store_tools import NOW, a_worker, find_one, ids_of, intend, on_servers

from harvester.store import history, migrate, worker_claims, worker_ids, workers
from harvester.store.engine import Database, StoreRefusedError, StoreUnavailableError, server_url, sqlite_url
from harvester.store.leases import ClaimTicket
from harvester.store.schema import job_params
from real_services import require_mysqlclient


def test_a_transaction_that_fails_changes_nothing(db: Database):
    def twice_the_same(connection: Connection) -> None:
        intend(connection, 1)
        intend(connection, 1)

    with pytest.raises(IntegrityError):
        db.transact(twice_the_same)
    with db.read() as connection:
        assert workers.find(connection, [1]) == []
    with db.write() as connection:
        intend(connection, 1)
    assert find_one(db, 1).worker.worker_id == 1


@pytest.mark.parametrize("engine", ["mariadb", "mariadb-mysqldb", "postgresql"])
def test_a_server_that_is_not_there(engine: str):
    if engine == "mariadb-mysqldb":
        require_mysqlclient()
    away = Database(server_url(engine, host="127.0.0.1", port=1, user="u", password="very-secret", schema="s"))
    with pytest.raises(StoreUnavailableError, match=r"127\.0\.0\.1:1") as told, away.read():
        pass
    away.close()
    assert "very-secret" not in str(told.value)


def test_a_directory_that_is_not_there(tmp_path: Path):
    away = Database(sqlite_url(tmp_path / "missing" / "harvester.db"))
    with pytest.raises(StoreUnavailableError, match="missing"), away.write():
        pass
    away.close()


def test_a_wrong_statement_is_no_trouble_of_the_database(db: Database):
    with pytest.raises(DBAPIError), db.read() as connection:
        connection.execute(text("SELECT nothing FROM nowhere"))


def test_no_value_stands_in_an_error_or_a_line_of_the_log(db: Database, caplog: pytest.LogCaptureFixture):
    job = {"job_id": 7, "params": {"secrets": "HUSH"}}
    with (
        caplog.at_level(logging.INFO, "sqlalchemy.engine"),
        pytest.raises(IntegrityError) as raised,
        db.write() as connection,
    ):
        connection.execute(insert(job_params), [job, job])
    assert "INSERT INTO job_params" in str(raised.value)
    assert "INSERT INTO job_params" in caplog.text
    assert "HUSH" not in f"{raised.value} {caplog.text}"


@on_servers
def test_a_lost_connection_is_named_and_the_next_one_works(db: Database, other: Database):
    def lose(connection: Connection) -> None:
        cut_off(connection, db.engine)
        intend(connection, 1)

    with pytest.raises(StoreUnavailableError):
        other.transact(lose)
    with other.write() as connection:
        intend(connection, 1)
    assert find_one(db, 1).worker.worker_id == 1


@on_servers
def test_a_commit_on_a_lost_connection_is_no_error_of_the_program(db: Database, other: Database):
    def lose(connection: Connection) -> None:
        intend(connection, 1)
        cut_off(connection, db.engine)

    with pytest.raises(StoreUnavailableError):
        other.transact(lose)
    assert other.transact(lambda connection: workers.find(connection, [1])) == []


@on_servers
def test_a_password_that_is_wrong_is_a_refusal_that_hides_it(db: Database):
    stranger = Database(db.engine.url.set(password="very-secret"))
    with pytest.raises(StoreRefusedError, match=r"correct \[db\] user and password") as told, stranger.read():
        pass
    stranger.close()
    assert "very-secret" not in str(told.value)


@on_servers
def test_a_database_that_is_not_there_is_a_refusal(db: Database):
    elsewhere = Database(db.engine.url.set(database="nowhere"))
    with pytest.raises(StoreRefusedError, match=r"nowhere.*make the database"), elsewhere.read():
        pass
    elsewhere.close()


@on_servers
def test_a_connection_of_which_the_driver_knows_that_it_is_lost(db: Database, other: Database):
    def lose(connection: Connection) -> None:
        cut_off(connection, db.engine)
        with suppress(Exception):
            connection.connection.rollback()
        intend(connection, 1)

    with pytest.raises(StoreUnavailableError):
        other.transact(lose)
    with other.write() as connection:
        intend(connection, 1)
    assert find_one(db, 1).worker.worker_id == 1


@on_servers
def test_a_deadlock_has_one_victim_and_it_may_try_again(db: Database, other: Database):
    with db.write() as connection:
        intend(connection, 1, 2)
    both_hold_one = threading.Barrier(2)
    victims: list[str] = []

    def change(database: Database, first: int, second: int) -> None:
        try:
            with database.write() as connection:
                workers.mark_unseen(connection, [first], NOW)
                both_hold_one.wait()
                workers.mark_unseen(connection, [second], NOW)
        except StoreUnavailableError as error:
            victims.append(str(error))

    threads = [threading.Thread(target=change, args=each) for each in ((db, 1, 2), (other, 2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(victims) == 1
    assert {find_one(db, each).worker.unseen_since for each in (1, 2)} == {NOW}


@on_servers
def test_the_victim_of_a_deadlock_tries_again_by_itself(db: Database, other: Database):
    with db.write() as connection:
        intend(connection, 1, 2)
    both_hold_one = threading.Barrier(2)
    tries: list[int] = []

    def change(connection: Connection, first: int, second: int) -> None:
        tries.append(first)
        workers.mark_unseen(connection, [first], NOW)
        if tries.count(first) == 1:
            both_hold_one.wait()
        workers.mark_unseen(connection, [second], NOW)

    works = ((db, 1, 2), (other, 2, 1))
    threads = [
        threading.Thread(target=database.transact, args=(partial(change, first=first, second=second),))
        for database, first, second in works
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tries) > 2
    assert {find_one(db, each).worker.unseen_since for each in (1, 2)} == {NOW}


def test_writers_of_sqlite_wait_for_each_other(tmp_path: Path):
    url = sqlite_url(tmp_path / "shared.db")
    one, two = Database(url), Database(url)
    migrate.upgrade(one)

    def count(database: Database) -> None:
        for _ in range(20):
            with database.write() as connection:
                worker_ids.allocate(connection, 1)

    threads = [threading.Thread(target=count, args=(each,)) for each in (one, one, two, two)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with one.write() as connection:
        assert list(worker_ids.allocate(connection, 1)) == [81]
    one.close()
    two.close()


def test_a_file_that_may_not_be_written_is_trouble_that_may_pass(tmp_path: Path):
    path = tmp_path / "harvester.db"
    db = Database(sqlite_url(path))
    migrate.upgrade(db)
    with pytest.raises(StoreUnavailableError, match="readonly"):
        db.transact(lambda connection: [connection.exec_driver_sql("PRAGMA query_only = ON"), intend(connection, 1)])
    db.close()


def test_only_the_account_of_the_service_may_read_the_file(tmp_path: Path):
    path = tmp_path / "harvester.db"
    db = Database(sqlite_url(path))
    migrate.upgrade(db)
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()}
    assert modes == dict.fromkeys(("harvester.db", "harvester.db-wal", "harvester.db-shm"), 0o600)
    db.close()


def test_a_file_that_was_there_keeps_its_mode(tmp_path: Path):
    path = tmp_path / "harvester.db"
    path.touch()
    path.chmod(0o640)
    db = Database(sqlite_url(path))
    migrate.upgrade(db)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    db.close()


# ---- strict or not ---------------------------------------------------------------------------------------------------


@pytest.fixture(
    params=itertools.product(
        ["mariadb", "mariadb-mysqldb"], ["STRICT_TRANS_TABLES", "", "ANSI_QUOTES,NO_BACKSLASH_ESCAPES"]
    ),
    ids=str,
)
def mariadb_of_mode(request: pytest.FixtureRequest, url_of: Callable[[str], URL]) -> Iterator[Database]:
    """A database on a server whose administrator has chosen another SQL mode."""
    engine, mode = request.param
    url = url_of(engine)
    admin = create_engine(url)
    with admin.connect() as connection:
        before = connection.scalar(text("SELECT @@GLOBAL.sql_mode"))
        connection.execute(text("SET GLOBAL sql_mode = :mode"), {"mode": mode})
    db = Database(url)
    migrate.upgrade(db)
    yield db
    db.close()
    with admin.connect() as connection:
        connection.execute(text("SET GLOBAL sql_mode = :mode"), {"mode": before})
    admin.dispose()


def test_nothing_is_silently_cut_whatever_the_servers_mode(mariadb_of_mode: Database):
    with pytest.raises(DBAPIError, match="marker"):
        mariadb_of_mode.transact(lambda connection: intend(connection, 1, marker="m" * 200))
    with pytest.raises(DBAPIError, match="error_code"):
        mariadb_of_mode.transact(lambda connection: intend(connection, 1, error_code=2**40))


def test_workers_are_stored_whatever_the_servers_mode(mariadb_of_mode: Database):
    words = "back\\slash, 'single', \"double\", 😀"
    with mariadb_of_mode.write() as connection:
        workers.insert_intents(connection, [a_worker(1, diagnostics=words), a_worker(2)], NOW)
        found = worker_claims.claim_intents(connection, ClaimTicket(1, NOW, NOW, limit=9))
        assert ids_of(found) == [1, 2]
        workers.settle(connection, [{"worker_id": 2, "diagnostics": words}], 1, {"batch_id": "b"})
        history.record(connection, [history.Event(history.Kind.WORKER, 1, NOW, None, "x", words, "test")])
        assert history.of(connection, history.Kind.WORKER, 1)[0].cause == words
    assert {find_one(mariadb_of_mode, each).worker.diagnostics for each in (1, 2)} == {words}
