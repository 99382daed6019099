"""A start that cannot be is told or can be ended, and leaves nothing behind for those that come after it."""

import logging
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from harvester.config.remote import RemoteError
from harvester.core.clock import utc_now
from harvester.core.errors import HarvesterError
from harvester.service import open_database
from harvester.startup.loading import Configuration, load
from harvester.startup.orders import Order
from harvester.startup.starting import OrderedError, StartError, start
from harvester.startup.states import State
from harvester.store import belonging, duties
from harvester.store.engine import Database

Configure = Callable[[str], Configuration]
LINE = "[cacher]\ndata =\n  queues_config_file||file:/nowhere/queues.json\n"


@pytest.fixture
def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configure:
    """A configuration with further sections; it has no queue file."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PANDA_HOME", raising=False)

    def make(more: str) -> Configuration:
        file = tmp_path / "panda_harvester.cfg"
        file.write_text(
            f"[master]\nharvester_id = failing\nworkDir = {tmp_path}/work\n[pandacon]\n"
            f"server_api_url_ssl = http://127.0.0.1:9/api/v1\n[qconf]\nconfigFromCacher = True\n{more}"
        )
        return load([file], None)

    return make


def go_on(_seconds: float) -> Order | None:
    """No order comes."""
    return None


def stop(_seconds: float) -> Order | None:
    """The order to stop comes."""
    return Order.STOP


def hear(_state: State) -> None:
    """Nobody wants to know."""


def owners(configuration: Configuration) -> int:
    with closing(sqlite3.connect(configuration.settings.db.database_filename)) as db:
        (number,) = db.execute("SELECT count(*) FROM owners").fetchone()
        return int(number)


def hold_cacher(configuration: Configuration) -> Database:
    """Another process is about to fetch, for an hour."""
    db = open_database(configuration.settings)
    with db.write() as connection:
        now = utc_now()
        assert duties.take(connection, "cacher", 1, now=now, until=now + timedelta(hours=1))
    return db


def test_the_files_of_a_start_are_those_that_are_there_and_the_address(
    configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HARVESTER_QUEUE_CONFIG_URL", "https://me:HUSH@pool.example.org/queues.json?token=HUSH")
    main, remote = (
        f"{tmp_path}/panda_harvester.cfg",
        "https://pool.example.org/queues.json (HARVESTER_QUEUE_CONFIG_URL)",
    )
    assert configure("").files == (main, remote)
    (tmp_path / "panda_queueconfig.json").write_text("{}")
    assert configure("").files == (main, f"{tmp_path}/panda_queueconfig.json", remote)


def test_without_a_line_that_says_where_queues_are_it_is_told_at_once(configure: Configure):
    with pytest.raises(RemoteError, match=r"no usable line of .cacher. data is for queues_config_file; add one"):
        start(configure("[cacher]\ndata =\n  queues_config_file||gopher:/x\n"), go_on, hear)


def test_who_waits_for_another_process_is_told_in_the_end(configure: Configure, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("harvester.service._FIRST_FETCH", 0.0)
    configuration = configure(LINE)
    with closing(hold_cacher(configuration)), pytest.raises(RemoteError, match="no copy of it yet: no process did so"):
        start(configuration, go_on, hear)


def test_who_waits_for_another_process_heeds_orders(configure: Configure):
    configuration = configure(LINE)
    with closing(hold_cacher(configuration)), pytest.raises(OrderedError):
        start(configuration, stop, hear)
    assert owners(configuration) == 0


@pytest.mark.parametrize("more", [LINE, "", "[db]\nsyncMaxWorkerID = True\n"])
def test_what_failed_is_undone_however_often_it_is_tried(configure: Configure, more: str):
    configuration = configure(more)
    before = logging.getLogger("harvester").handlers[:], threading.active_count(), open_files(configuration)
    for _ in range(3):
        with pytest.raises(HarvesterError):
            start(configuration, go_on, hear)
    after = logging.getLogger("harvester").handlers[:], threading.active_count(), open_files(configuration)
    assert after == before
    assert owners(configuration) == 0


def test_a_database_that_cannot_be_used_is_closed_before_that_is_told(configure: Configure):
    configuration = configure(LINE)
    with closing(open_database(configuration.settings)) as db, db.write() as connection:
        belonging.rename(connection, "failing", "other")
    with pytest.raises(StartError, match="instance other") as told:
        start(configuration, go_on, hear)
    assert open_files(configuration) == 0, told


def open_files(configuration: Configuration) -> int:
    """How often this process has the database open."""
    files = [str(each.readlink()) for each in Path("/proc/self/fd").iterdir() if each.is_symlink()]
    return sum(file.startswith(str(Path(configuration.settings.db.database_filename).resolve())) for file in files)
