"""A backup has every row of one moment, and brings them back into any engine, or changes nothing."""

import gzip
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import URL, Connection, event, inspect, text
from store_tools import ENGINES, NOW, fetch, find_one, intend

from harvester.store import backup, census, history, leases, migrate, portable, rows, worker_ids
from harvester.store.engine import Database, StoreUnavailableError
from harvester.store.portable import BackupError, Heading, Rows
from harvester.store.restore import NotEmptyError, open_backup, restore
from harvester.store.schema import metadata

UrlOf = Callable[[str], URL]
Content = Mapping[str, Sequence[tuple[Any, ...]]]


def nobody_minds(_connection: Connection) -> None:
    """Nothing is in the way."""


def fill(db: Database) -> None:
    """Rows with everything that engines treat differently."""
    with db.write() as connection:
        owner = leases.register_owner(connection, "host", 7, "birth", now=NOW, expires_at=NOW)
        leases.release_owner(connection, owner.owner_id, NOW)
        worker_ids.allocate(connection, 3)
        intend(connection, 1, 2, diagnostics="back\\slash, 'single', \"double\", 😀\nline \t\x01\x1f\x7f %s :x '$[0]'")
        intend(connection, *range(10, 1700), queue="Zürich")
        fetch(connection, 2**60, *range(100, 130))
        history.record(connection, [history.Event(history.Kind.WORKER, 1, NOW, None, "x", "because", "test")])


def content(db: Database) -> Content:
    """All rows but the counters: that of worker ids is not brought back as it was."""
    with db.read() as connection:
        tables = [table for table in rows.tables_of(connection) if table.name != "counters"]
        return {
            table.name: [tuple(row) for page in rows.pages_of(connection, table) for row in page] for table in tables
        }


@pytest.fixture
def filled(new_url: Callable[[], URL]) -> Iterator[Database]:
    database = Database(new_url())
    migrate.upgrade(database)
    fill(database)
    yield database
    database.close()


@pytest.fixture(params=ENGINES)
def target(request: pytest.FixtureRequest, url_of: UrlOf) -> Iterator[Database]:
    """An empty database without tables, of each engine."""
    database = Database(url_of(request.param))
    yield database
    database.close()


@pytest.fixture
def made(filled: Database, tmp_path: Path) -> Path:
    return backup.back_up(filled, tmp_path, "unit", NOW, keep=0).path


def test_every_row_comes_back_in_every_engine(filled: Database, made: Path, target: Database):
    counted = restore(target, open_backup(made), replace=False, may_begin=nobody_minds)
    assert content(target) == content(filled)
    assert counted["workers"] == 1692
    assert find_one(target, 1).worker.diagnostics == find_one(filled, 1).worker.diagnostics
    with target.read() as connection:
        assert migrate.current(connection) == migrate.newest()
        assert set(inspect(connection).get_table_names()) - {"sqlite_sequence"} == {*metadata.tables, "alembic_version"}


def test_numbers_that_were_given_are_never_given_again(made: Path, target: Database):
    restore(target, open_backup(made), replace=False, may_begin=nobody_minds)
    with target.write() as connection:
        again = leases.register_owner(connection, "host", 8, "birth", now=NOW, expires_at=NOW)
        history.record(connection, [history.Event(history.Kind.WORKER, 2, NOW, None, "x", "because", "test")])
        assert again.owner_id == 2


def test_ids_of_workers_that_were_given_after_the_backup_are_not_given_again(
    filled: Database, made: Path, target: Database
):
    with filled.write() as connection:
        since = worker_ids.allocate(connection, 500_000)
    restore(target, open_backup(made), replace=False, may_begin=nobody_minds)
    with target.write() as connection:
        first = worker_ids.allocate(connection, 2)[0]
        assert first > since[-1]
        assert worker_ids.may_be_known_elsewhere(connection)
        worker_ids.go_on_after(connection, first)
        assert list(worker_ids.allocate(connection, 1)) == [first + 2]
        worker_ids.go_on_after(connection, 2_000_000)
        assert list(worker_ids.allocate(connection, 1)) == [2_000_001]
        assert not worker_ids.may_be_known_elsewhere(connection)


def test_an_instance_whose_backup_has_no_workers_may_have_made_some_since(new_url: Callable[[], URL], tmp_path: Path):
    db = Database(new_url())
    migrate.upgrade(db)
    made = backup.back_up(db, tmp_path, "unit", NOW, keep=0)
    restore(db, open_backup(made.path), replace=True, may_begin=nobody_minds)
    with db.write() as connection:
        assert worker_ids.allocate(connection, 1)[0] > 500_000
    db.close()


def test_a_backup_of_older_tables_comes_back_as_new_ones(new_url: Callable[[], URL], target: Database, tmp_path: Path):
    older = Database(new_url())
    with older.write() as connection:
        migrate.bring_to(connection, "0003")
        connection.execute(text("INSERT INTO counters (name, value) VALUES ('worker_id', 41)"))
    made = backup.back_up(older, tmp_path, "unit", NOW, keep=0)
    older.close()
    restore(target, open_backup(made.path), replace=False, may_begin=nobody_minds)
    with target.write() as connection:
        assert migrate.current(connection) == migrate.newest()
        assert worker_ids.allocate(connection, 1)[0] > 41


def test_rows_that_are_there_are_replaced_only_if_that_is_wanted(filled: Database, made: Path):
    before = content(filled)
    with filled.write() as connection:
        intend(connection, 5000)
    with pytest.raises(NotEmptyError, match=r"workers.*--replace"):
        restore(filled, open_backup(made), replace=False, may_begin=nobody_minds)
    assert find_one(filled, 5000).worker.worker_id == 5000
    restore(filled, open_backup(made), replace=True, may_begin=nobody_minds)
    assert content(filled) == before


def test_what_is_in_the_way_is_heeded(filled: Database, made: Path):
    def in_the_way(_connection: Connection) -> None:
        raise RuntimeError("somebody works")

    before = content(filled)
    with pytest.raises(RuntimeError, match="somebody works"):
        restore(filled, open_backup(made), replace=True, may_begin=in_the_way)
    assert content(filled) == before


class DiedError(Exception):
    """Somebody dies."""


def test_whoever_dies_on_the_way_leaves_the_old_rows_or_says_that_they_are_half(filled: Database, made: Path):
    before = content(filled)

    def die(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("INSERT INTO workers"):
            raise DiedError

    event.listen(filled.engine, "before_cursor_execute", die)
    with pytest.raises(DiedError):
        restore(filled, open_backup(made), replace=True, may_begin=nobody_minds)
    event.remove(filled.engine, "before_cursor_execute", die)
    if filled.dialect == "mysql":
        with pytest.raises(migrate.UnfinishedRestoreError, match="do it again"):
            migrate.upgrade(filled)
        with filled.read() as connection, pytest.raises(migrate.UnfinishedRestoreError):
            census.take(connection)
    else:
        assert content(filled) == before
    restore(filled, open_backup(made), replace=True, may_begin=nobody_minds)
    assert content(filled) == before


def test_a_backup_shows_one_moment_though_others_write(filled: Database, tmp_path: Path):
    """A worker and its history are made together; neither is ever without the other."""
    over = threading.Event()

    def write() -> None:
        number = 10_000
        while not over.is_set():
            number += 1
            with filled.write() as connection:
                intend(connection, number)
                story = history.Event(history.Kind.WORKER, number, NOW, None, "x", "because", "test")
                history.record(connection, [story])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        paths = [backup.back_up(filled, tmp_path / str(each), "unit", NOW, keep=0).path for each in range(3)]
    finally:
        over.set()
        writer.join()
    for path in paths:
        found: dict[str, set[int]] = {"workers": set(), "history": set()}
        for batch in open_backup(path).batches():
            if batch.table in found:
                place = list(batch.columns).index("worker_id" if batch.table == "workers" else "subject")
                found[batch.table] |= {int(str(row[place])) for row in batch.values}
        assert {each for each in found["workers"] if each > 10_000} == {
            each for each in found["history"] if each > 10_000
        }


def test_so_many_of_the_newest_are_kept_and_others_have_theirs(filled: Database, tmp_path: Path):
    (tmp_path / "unit-notes.txt").write_text("mine")
    made = [backup.back_up(filled, tmp_path, "unit", NOW + timedelta(days=day), keep=2) for day in range(4)]
    other = backup.back_up(filled, tmp_path, "unit-2", NOW, keep=2)
    assert {each for each in tmp_path.iterdir() if "unit-notes" not in each.name} == {
        made[2].path,
        made[3].path,
        other.path,
    }
    assert made[3].removed == (made[1].path,)
    assert {each.stat().st_mode & 0o777 for each in (made[3].path, other.path)} == {0o600}


def test_drafts_of_backups_that_were_killed_go_and_others_stay(filled: Database, tmp_path: Path):
    moment, long_ago = "20260101T000000.sqlite", time.time() - 100_000
    dead, its_journal = tmp_path / f".unit-{moment}.77", tmp_path / f".unit-{moment}.77-journal"
    at_work, of_others = tmp_path / f".unit-{moment}.78", tmp_path / f".unit-2-{moment}.79"
    for path in (dead, its_journal, at_work, of_others):
        path.touch()
    for path in (dead, its_journal, of_others):
        os.utime(path, (long_ago, long_ago))
    made = backup.back_up(filled, tmp_path, "unit", NOW, keep=1)
    assert set(tmp_path.iterdir()) == {at_work, of_others, made.path}


def test_a_damaged_database_gives_no_backup(tmp_path: Path, url_of: UrlOf):
    db = Database(url_of("sqlite"))
    migrate.upgrade(db)
    fill(db)
    db.close()
    path = Path(str(db.engine.url.database))
    damaged = bytearray(path.read_bytes())
    damaged[40_000:60_000] = bytes(20_000)
    path.write_bytes(damaged)
    with pytest.raises(BackupError, match=r"cannot be copied|is damaged"):
        backup.back_up(db, tmp_path / "backups", "unit", NOW, keep=0)
    assert list((tmp_path / "backups").iterdir()) == []


# ---- the portable form -----------------------------------------------------------------------------------------------

VALUES = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.text(st.characters(exclude_categories=["Cs"])))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tables=st.dictionaries(st.text(min_size=1), st.lists(st.tuples(VALUES, VALUES), max_size=5), max_size=4))
def test_every_value_comes_back(tables: dict[str, list[tuple[Any, Any]]], tmp_path: Path):
    path = tmp_path / "any.jsonl.gz"
    with path.open("wb") as file:
        portable.write(
            file, Heading("0001", {"a": 3}, "now"), [Rows(name, ("x", "y"), each) for name, each in tables.items()]
        )
    read = portable.PortableBackup(path)
    assert read.heading == Heading("0001", {"a": 3}, "now")
    found: dict[str, list[tuple[Any, ...]]] = {}
    for batch in read.batches():
        found.setdefault(batch.table, []).extend(tuple(row) for row in batch.values)
    assert found == {name: each for name, each in tables.items() if each}


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    path = tmp_path / "whole.jsonl.gz"
    with path.open("wb") as file:
        lines = [(number, "x" * 50) for number in range(200)]
        portable.write(file, Heading("0001", {}, "now"), [Rows("counters", ("value", "name"), lines)])
    return path


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_backup_that_breaks_off_is_refused_before_anything_is_changed(whole: Path, share: float, url_of: UrlOf):
    text = whole.read_bytes()
    whole.write_bytes(text[: int(len(text) * share)])
    db = Database(url_of("sqlite"))
    with pytest.raises(BackupError):
        restore(db, open_backup(whole), replace=False, may_begin=nobody_minds)
    assert not Path(str(db.engine.url.database)).exists()
    db.close()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda lines: lines[:-1], "lost its end"),
        (lambda lines: [*lines[:5], *lines[6:]], "lost its end"),
        (lambda lines: [*lines, lines[-1]], "lost its end"),
        (lambda lines: [*lines[:5], b"{nonsense", *lines[5:]], "damaged"),
        (lambda lines: [lines[0].replace(b'"form":1', b'"form":2'), *lines[1:]], "newer version"),
        (lambda lines: [lines[0].replace(b'"version":"0001"', b'"version":"9999"'), *lines[1:]], "does not know"),
        (lambda _: [b"something else"], "no backup"),
    ],
)
def test_a_backup_that_was_changed_is_refused(
    whole: Path, change: Callable[[list[bytes]], list[bytes]], says: str, url_of: UrlOf
):
    lines = change(gzip.decompress(whole.read_bytes()).splitlines())
    whole.write_bytes(gzip.compress(b"\n".join(lines)))
    db = Database(url_of("sqlite"))
    with pytest.raises(BackupError, match=says):
        restore(db, open_backup(whole), replace=False, may_begin=nobody_minds)
    db.close()


@pytest.mark.parametrize("text", [b"", b"some text", b"SQLite format 3\0 but not really"])
def test_a_file_that_is_no_backup_is_refused(text: bytes, tmp_path: Path):
    (tmp_path / "file").write_bytes(text)
    with pytest.raises(BackupError):
        open_backup(tmp_path / "file")


def test_rows_that_do_not_fit_change_nothing(whole: Path, url_of: UrlOf):
    lines = gzip.decompress(whole.read_bytes()).splitlines()
    twice = [*lines[:3], lines[2], *lines[3:-1], lines[-1].replace(b"200", b"201")]
    whole.write_bytes(gzip.compress(b"\n".join(twice)))
    db = Database(url_of("sqlite"))
    with pytest.raises(BackupError, match="table counters do not fit"):
        restore(db, open_backup(whole), replace=False, may_begin=nobody_minds)
    with db.read() as connection:
        assert rows.tables_of(connection) == []
    db.close()


@pytest.fixture
def of_other_columns(tmp_path: Path) -> Path:
    path = tmp_path / "other_columns.jsonl.gz"
    with path.open("wb") as file:
        portable.write(file, Heading("0001", {}, "now"), [Rows("counters", ("value", "nonsense"), [(1, "x")])])
    return path


def test_whatever_an_engine_complains_of_is_told_with_the_table(of_other_columns: Path, target: Database):
    with pytest.raises(BackupError, match=r"rows of table counters do not fit into this database: .*nonsense"):
        restore(target, open_backup(of_other_columns), replace=False, may_begin=nobody_minds)


@pytest.fixture(params=[each for each in ENGINES if each != "sqlite"])
def server(request: pytest.FixtureRequest, url_of: UrlOf) -> Iterator[Database]:
    """An empty database without tables, of each engine that is a server."""
    database = Database(url_of(request.param))
    yield database
    database.close()


def test_a_connection_that_is_lost_is_no_fault_of_the_backup(whole: Path, server: Database):
    ask, end = {
        "mysql": ("SELECT connection_id()", "KILL {}"),
        "postgresql": ("SELECT pg_backend_pid()", "SELECT pg_terminate_backend({})"),
    }[server.dialect]
    other = Database(server.engine.url)

    def cut(_connection: object, cursor: Any, statement: str, *_: object) -> None:  # noqa: ANN401 (of any driver)
        if statement.startswith("INSERT INTO counters"):
            cursor.execute(ask)
            with other.write() as connection:
                connection.exec_driver_sql(end.format(cursor.fetchone()[0]))

    event.listen(server.engine, "before_cursor_execute", cut)
    with pytest.raises(StoreUnavailableError):
        restore(server, open_backup(whole), replace=False, may_begin=nobody_minds)
    other.close()


# ---- foreign and newer tables ----------------------------------------------------------------------------------------


def test_tables_of_somebody_else_are_neither_used_nor_removed(made: Path, target: Database):
    with target.write() as connection:
        connection.execute(text("CREATE TABLE queues (mine INTEGER)"))
    with pytest.raises(migrate.ForeignTablesError, match="somebody else under the names queues"):
        migrate.upgrade(target)
    with pytest.raises(migrate.ForeignTablesError):
        restore(target, open_backup(made), replace=True, may_begin=nobody_minds)
    with target.read() as connection:
        assert inspect(connection).get_table_names() == ["queues"]


def test_other_tables_of_somebody_else_do_not_matter(target: Database):
    with target.write() as connection:
        connection.execute(text("CREATE TABLE job_table (mine INTEGER)"))
    migrate.upgrade(target)
    with target.read() as connection:
        assert "job_table" in inspect(connection).get_table_names()
        assert "job_table" not in census.take(connection).rows


@pytest.mark.parametrize(
    ("version", "error", "says"),
    [
        ("9999", migrate.NewerTablesError, "start the newer version, or restore the backup"),
        ("1a2b3c4d5e6f", migrate.ForeignTablesError, "none of Harvester's"),
    ],
)
def test_tables_of_another_version(filled: Database, version: str, error: type[Exception], says: str):
    with filled.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :version"), {"version": version})
    with pytest.raises(error, match=says):
        migrate.upgrade(filled)


def test_a_census_counts(filled: Database):
    with filled.read() as connection:
        found = census.take(connection)
    assert found.rows["workers"] == 1692
    assert found.rows["dialogs"] == 0
    assert found.tables == migrate.newest()
    assert found.size > 50_000
    assert found.server[0].isdigit()
