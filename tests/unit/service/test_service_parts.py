"""What the composition root makes of the main configuration."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from sqlalchemy import text

from harvester.clients import panda_client
from harvester.config.queue_loader import QueueLoader
from harvester.config.queues import LoadedQueues
from harvester.config.service import Settings
from harvester.core.clock import utc_now
from harvester.panda import Credentials, PandaClient
from harvester.panda.devserver import Access, DevServer
from harvester.panda.errors import CredentialError
from harvester.panda.reports import WorkerReport
from harvester.service import Harvester, WorkerIdsError, database_url, open_database, plugin_context
from harvester.startup.loading import load
from harvester.store import worker_ids
from harvester.store.backup import back_up
from harvester.store.engine import Database
from harvester.store.restore import open_backup, restore


def settings_with(**sections: object) -> Settings:
    panda = {"server_api_url_ssl": "https://127.0.0.1:1/api/v1"}
    return Settings.model_validate({"master": {"harvester_id": "test"}, "pandacon": panda, **sections})


@pytest.mark.shows("db.engine", "db.host", "db.port", "db.user", "db.password", "db.schema")
@pytest.mark.parametrize(("engine", "port"), [("mariadb", 3306), ("postgresql", 5432)])
def test_a_database_server_is_reached_as_the_configuration_says(engine: str, port: int):
    section = {"engine": engine, "host": "db.example.org", "user": "harry", "password": "secret", "schema": "HARVESTER"}
    url = database_url(settings_with(db=section))
    assert (url.host, url.port, url.username, url.password, url.database) == (
        "db.example.org", port, "harry", "secret", "HARVESTER",
    )  # fmt: skip
    assert database_url(settings_with(db={**section, "port": 7})).port == 7


@pytest.mark.shows("db.database_filename", "db.nConnections")
def test_the_embedded_database_is_one_file_with_so_many_connections(tmp_path: Path):
    section = {"engine": "sqlite", "database_filename": str(tmp_path / "deep" / "h.db"), "nConnections": 2}
    db = open_database(settings_with(db=section))
    with db.read() as first, db.read() as second:
        assert first.scalar(text("SELECT 1")) == second.scalar(text("SELECT 1"))
    assert (tmp_path / "deep" / "h.db").is_file()
    db.close()


@pytest.mark.shows("master.workDir", "master.harvester_id")
def test_plugins_keep_their_state_below_the_work_directory(tmp_path: Path):
    settings = settings_with(master={"harvester_id": "here", "workDir": str(tmp_path)})
    context = plugin_context(settings, utc_now)("Q")
    assert (context.instance, context.queue) == ("here", "Q")
    assert context.state_dir.is_dir()
    assert tmp_path in context.state_dir.parents


@pytest.mark.shows(
    "pandacon.cert_file", "pandacon.key_file", "pandacon.ca_cert", "pandacon.auth_token", "pandacon.auth_type",
    "pandacon.auth_origin", "pandacon.multihost_auth_config",
)  # fmt: skip
@pytest.mark.parametrize(
    ("section", "named"),
    [
        ({"cert_file": "/no/cert", "key_file": "/no/cert"}, "/no/cert"),
        ({"cert_file": "/no/cert", "key_file": "/no/key"}, "/no/"),
        ({"ca_cert": "/no/ca"}, "/no/ca"),
        ({"auth_type": "oidc", "auth_token": "file:/no/token", "auth_origin": "vo"}, "/no/token"),
        ({"auth_type": "oidc", "auth_token": "x"}, "auth_origin"),
        ({"multihost_auth_config": "/no/table"}, "/no/table"),
    ],
)
def test_credentials_that_cannot_be_used_are_named(section: dict[str, str], named: str):
    with pytest.raises(CredentialError, match=named):
        panda_client(settings_with(pandacon={"server_api_url_ssl": "https://127.0.0.1:1/api/v1", **section}))


def made(directory: Path, **sections: Mapping[str, object]) -> Harvester:
    """A service without queues."""
    master = {"harvester_id": "test", "workDir": str(directory)}
    db = {"database_filename": str(directory / "harvester.db"), **sections.pop("db", {})}
    settings = settings_with(master=master, db=db, **sections)
    queues = directory / "queues.json"
    queues.write_text("{}")
    return Harvester(settings, LoadedQueues({}, frozenset(), ()), QueueLoader(queues, settings.qconf, directory))


def periods(directory: Path, **sections: Mapping[str, object]) -> dict[str, float]:
    """What is done again and again, and how often."""
    service = made(directory, **sections)
    found = {each.name: each.period for each in (*service._loops, *service._duties)}
    service.panda.close()
    service.db.close()
    return found


@pytest.mark.shows(
    "commandmanager.sleepTime", "cacher.sleepTime", "monitor.eventBasedCheckInterval", "credmanager.sleepTime",
    "file_syncer.sleepTime", "qconf.checkInterval", "service_monitor.sleepTime", "service_monitor.active",
    "watcher.sleepTime",
)  # fmt: skip
@pytest.mark.parametrize(
    ("name", "section", "keys"),
    [
        ("command manager", "commandmanager", {"sleepTime": 77}),
        ("cacher", "cacher", {"sleepTime": 77}),
        ("change watcher", "monitor", {"eventBasedEnable": True, "eventBasedCheckInterval": 77}),
        ("cred manager", "credmanager", {"sleepTime": 77}),
        ("file syncer", "file_syncer", {"sleepTime": 77}),
        ("queue configuration", "qconf", {"checkInterval": 77}),
        ("service monitor", "service_monitor", {"active": True, "sleepTime": 77}),
        ("watcher", "watcher", {"sleepTime": 77}),
    ],
)
def test_rounds_have_the_period_of_their_section(tmp_path: Path, name: str, section: str, keys: dict[str, object]):
    found = periods(tmp_path, **{section: keys})
    assert [period for each, period in found.items() if each.startswith(name)] == [77]


def test_rounds_that_need_not_pause_leave_something_to_others(tmp_path: Path):
    service = made(tmp_path, commandmanager={"sleepTime": 0}, credmanager={"sleepTime": 0})
    pauses = [loop.pause(failed=failed) for loop in service._loops for failed in (True, False)]
    assert min(pauses) == 0.1
    service.panda.close()
    service.db.close()


@pytest.mark.shows("apfmon.active")
def test_a_pilot_factory_monitor_is_told_only_if_that_is_wanted(tmp_path: Path):
    assert "apfmon" not in periods(tmp_path)
    assert "apfmon" in periods(tmp_path, apfmon={"active": True})


@pytest.mark.shows("monitor.eventBasedEnable")
def test_changes_are_watched_only_if_that_is_wanted(tmp_path: Path):
    assert "change watcher" not in periods(tmp_path)


@pytest.mark.shows("zipper.nThreadsForZip")
def test_plugins_may_pack_with_so_many_threads(tmp_path: Path):
    master = {"harvester_id": "here", "workDir": str(tmp_path)}
    context = plugin_context(settings_with(master=master, zipper={"nThreadsForZip": 3}), utc_now)("Q")
    assert context.packing_threads == 3


@pytest.mark.shows("qconf.configFile")
def test_queues_come_from_the_file_that_is_named(tmp_path: Path):
    place = tmp_path / "elsewhere.json"
    place.write_text('{"Q": {"submitter": {"plugin": "dummy"}, "maxWorkers": 1, "nQueueLimitJob": 1}}')
    main = tmp_path / "panda_harvester.cfg"
    main.write_text(
        "[master]\nharvester_id = test\n[pandacon]\nserver_api_url_ssl = https://127.0.0.1:1/api/v1\n"
        f"[qconf]\nconfigFile = {place}\nqueueList = ALL\n"
    )
    assert set(load([main], None).queues.active) == {"Q"}


@pytest.mark.shows("db.syncMaxWorkerID")
@pytest.mark.parametrize(("syncs", "first"), [(True, 42), (False, 1)])
def test_a_new_database_goes_on_after_the_ids_that_the_server_knows(tmp_path: Path, *, syncs: bool, first: int):
    with DevServer() as server, PandaClient(server.url, Credentials(), "test") as panda:
        panda.heartbeat(start_time=utc_now(), version="1", commit="")
        panda.update_workers([WorkerReport(41, "finished", computing_site="Q")])
        service = made(tmp_path, db={"syncMaxWorkerID": syncs}, pandacon={"server_api_url_ssl": server.url})
        service.start()
        with service.db.write() as connection:
            assert worker_ids.allocate(connection, 1)[0] == first
        assert service.stop()


def bring_back(db: Database, tmp_path: Path) -> None:
    """Replace the rows by those of a backup that was made just before."""
    made = back_up(db, tmp_path / "backups", "test", utc_now(), keep=0)
    restore(db, open_backup(made.path), replace=True, may_begin=lambda _: None)


@pytest.mark.parametrize(("known", "first"), [(5_000_042, 5_000_043), (41, 1_000_001)])
def test_a_database_that_was_brought_back_goes_on_after_the_ids_that_may_be_known(
    tmp_path: Path, known: int, first: int
):
    with DevServer() as server, PandaClient(server.url, Credentials(), "test") as panda:
        panda.heartbeat(start_time=utc_now(), version="1", commit="")
        panda.update_workers([WorkerReport(known, "finished", computing_site="Q")])
        service = made(tmp_path, pandacon={"server_api_url_ssl": server.url})
        bring_back(service.db, tmp_path)
        service.start()
        with service.db.write() as connection:
            assert worker_ids.allocate(connection, 1)[0] == first
        assert service.stop()


def test_a_database_that_was_brought_back_waits_for_the_server_to_tell_which_ids_it_knows(tmp_path: Path):
    service = made(tmp_path, pandacon={"server_api_url_ssl": "http://127.0.0.1:1/api/v1"})
    bring_back(service.db, tmp_path)
    with pytest.raises(WorkerIdsError, match="was brought back, and only the server knows"):
        service.start()
    service.abandon()


def test_a_server_that_lets_nobody_in_has_not_said_that_it_knows_no_ids(tmp_path: Path):
    with DevServer(access=Access(is_open=False)) as server:
        service = made(tmp_path, pandacon={"server_api_url_ssl": server.url})
        bring_back(service.db, tmp_path)
        for _ in range(2):
            with pytest.raises(WorkerIdsError, match=r"only the server knows .* SSL secure connection is required"):
                service.start()
        service.abandon()
