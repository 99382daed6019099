"""Configuration at an address that is slow, gone or wrong: what works goes on, and what stands where is told."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from system_harness.config_server import Answer, ConfigServer, written
from system_harness.judges import judge_batch_jobs, judge_jobs, local_batch_jobs
from system_harness.queues import QUEUE, local_push, some_jobs
from system_harness.site import Row, Site

pytestmark = pytest.mark.system

QUEUES_AT, INSTANCE_AT = "HARVESTER_QUEUE_CONFIG_URL", "HARVESTER_INSTANCE_CONFIG_URL"
TAKEN_OVER = "queue configuration taken over"
QUICK = {"qconf": {"checkInterval": 1}, "cacher": {"refreshInterval": 0, "sleepTime": 0.5}}
A_WHILE = "--hash-chain 700000"
PAGE = Answer(b"<!DOCTYPE html><html><body>Log in</body></html>")
BAD = {
    "server gone": None,
    "page": PAGE,
    "half a file": Answer(b'{"TEST_QUEUE": {"maxWorkers":'),
    "broken off": Answer(b'{"TEST_QUEUE": {', length=5000),
    "list": Answer(b"[1, 2]"),
    "nothing": Answer(b"{}"),
    "error": Answer(b"oops", status=503),
}


@pytest.fixture(params=["http", "https"])
def remote(request: pytest.FixtureRequest, site: Site, tmp_path: Path) -> Iterator[ConfigServer]:
    """A server of configurations that the site believes."""
    authority = trustme.CA() if request.param == "https" else None
    if authority:
        site.environment["SSL_CERT_FILE"] = str(written(authority, tmp_path))
    with ConfigServer(authority) as server:
        yield server


@pytest.fixture
def plain() -> Iterator[ConfigServer]:
    with ConfigServer() as server:
        yield server


def spoil(server: ConfigServer, answer: Answer | None) -> None:
    """Let it give a bad answer, or none at all."""
    if answer is None:
        server.go_away()
    else:
        server.answer = answer
        server.come_back()


def until_told_again(site: Site, told: int, what: str) -> None:
    site.until(lambda: site.log.count("cannot be fetched") > told, f"the log tells of: {what}")


def with_remote_queues(site: Site, remote: ConfigServer, queues: Row, local: Row | None = None) -> None:
    site.configure(local or {}, QUICK)
    site.environment[QUEUES_AT] = f"{remote.url}?token=PLANTED"
    remote.give(queues)


def judge_everything(site: Site) -> None:
    judge_jobs(site, site.server.control.jobs())
    judge_batch_jobs(site, local_batch_jobs(site))
    assert "PLANTED" not in site.log


def test_queues_of_an_address_are_served_removed_and_come_back_while_workers_run(site: Site, remote: ConfigServer):
    queue = local_push(site, max_workers=2, nQueueLimitJob=2)
    with_remote_queues(site, remote, {QUEUE: queue})
    site.server.control.add_jobs(some_jobs(8, jobPars=A_WHILE))
    site.start()
    site.until_running(2)
    remote.give({"OTHER": {**queue, "nQueueLimitJob": 0}})
    site.until_logged(TAKEN_OVER, "removed", QUEUE)
    site.until_workers_end()
    assert any(job["status"] not in {"finished", "failed"} for job in site.server.control.jobs())
    remote.give({QUEUE: queue})
    site.until_jobs_end()
    site.until_workers_end()
    assert site.terminate() == 0
    judge_everything(site)


def test_whatever_comes_instead_the_last_good_copy_serves_on(site: Site, plain: ConfigServer):
    with_remote_queues(site, plain, {QUEUE: local_push(site)})
    site.start()
    site.until_logged(TAKEN_OVER, QUEUE)
    for what, answer in BAD.items():
        told = site.log.count("cannot be fetched")
        spoil(plain, answer)
        until_told_again(site, told, what)
    plain.come_back()
    assert plain.url in site.told_by("status")
    assert "HTTP 503" in site.told_by("status")
    site.kill()
    site.server.control.add_jobs(some_jobs(4))
    site.start()
    site.until_jobs_end()
    site.until_workers_end()
    assert site.terminate() == 0
    judge_everything(site)


def test_a_slow_server_holds_nobody_up(site: Site, plain: ConfigServer):
    with_remote_queues(site, plain, {QUEUE: local_push(site)})
    site.start()
    site.until_logged(TAKEN_OVER, QUEUE)
    gate = threading.Event()
    plain.answer = Answer(b"{}", pause=gate)
    seen = plain.fetches
    site.until(lambda: plain.fetches > seen, "the slow server is asked")
    site.server.control.add_jobs(some_jobs(4))
    site.until_jobs_end()
    gate.set()
    assert site.terminate() == 0


def test_local_keys_win_and_secrets_of_others_do_not_count(site: Site, plain: ConfigServer):
    queue = local_push(site, max_workers=7)
    planted = {**queue, "submitter": {**as_row(queue["submitter"]), "token": "PLANTED", "env": "https://u:PLANTED@h"}}
    with_remote_queues(site, plain, {QUEUE: planted}, {QUEUE: {"maxWorkers": 1}})
    told = site.call("check")
    assert f"{QUEUE}.submitter.token: is a secret" in told.stdout
    assert "config.json (HARVESTER_QUEUE_CONFIG_URL):" in told.stdout
    site.server.control.add_jobs(some_jobs(3))
    site.start()
    site.until_logged("cannot be taken or kept as it is", f"{QUEUE}.submitter.token")
    site.until_jobs_end()
    explained = site.told_by("queue", "explain", QUEUE)
    assert site.terminate() == 0
    everything = [
        told.stdout,
        told.stderr,
        site.log,
        explained,
        site.told_by("status"),
        site.told_by("status", "--json"),
    ]
    assert not any("PLANTED" in each for each in everything)
    assert b"PLANTED" not in site.database.read_bytes()
    ran = local_batch_jobs(site)
    assert len(ran) == 3


def as_row(value: object) -> Row:
    assert isinstance(value, dict)
    return value


def test_two_processes_share_one_fetch(site: Site, plain: ConfigServer):
    with_remote_queues(site, plain, {QUEUE: local_push(site)})
    slowly = {"qconf": {"checkInterval": 1}}
    site.configure({}, slowly)
    site.start()
    site.until_logged(TAKEN_OVER, QUEUE)
    site.start_another()
    site.until(lambda: site.log.count("started instance") >= 2, "both have started")
    site.server.control.add_jobs(some_jobs(4))
    site.until_jobs_end()
    assert plain.fetches == 1


@pytest.mark.parametrize("what", ["server gone", "page", "half a file"])
def test_a_first_start_without_any_copy_says_what_to_do(site: Site, plain: ConfigServer, what: str):
    with_remote_queues(site, plain, {})
    spoil(plain, BAD[what])
    site.start()
    assert site.await_end() == 1
    (line,) = [each for each in site.log.splitlines() if "there is no copy of it yet" in each]
    assert "http://localhost" in line
    assert "or unset HARVESTER_QUEUE_CONFIG_URL" in line
    assert "PLANTED" not in site.log
    told = site.call("check")
    assert told.exit_code == 1
    assert "so none can start" in told.stdout


def test_without_a_local_file_all_queues_are_those_of_the_address(site: Site, plain: ConfigServer):
    with_remote_queues(site, plain, {QUEUE: local_push(site)})
    site.queue_file.unlink()
    site.server.control.add_jobs(some_jobs(2))
    site.start(queues=False)
    site.until_jobs_end()
    assert site.terminate() == 0
    assert site.call("check").exit_code == 0


# ---- the main configuration ------------------------------------------------------------------------------------------


def with_remote_instance(site: Site, remote: ConfigServer, tmp_path: Path) -> Row:
    """Leave only what is secret or of this host in the local file; the rest stands at the address."""
    site.configure({QUEUE: local_push(site)})
    site.environment |= {INSTANCE_AT: remote.url, "PANDA_SERVER_HERE": site.server.url, "HOME": str(tmp_path / "home")}
    site.configuration.write_text(
        f"[master]\nworkDir = {site.directory}/work\n[db]\ndatabase_filename = {site.database}\n"
        f"[submitter]\nlookupTime = 1\n"
    )
    document: Row = {
        "master": {"harvester_id": site.instance},
        "pandacon": {"server_api_url_ssl": "$PANDA_SERVER_HERE", "timeout": 5},
        "qconf": {"configFile": str(site.queue_file)},
        "jobfetcher": {"lookupTime": 1},
        "monitor": {"checkInterval": 2},
        "submitter": {"lookupTime": 600, "checkInterval": 1},
    }
    remote.give(document)
    return document


def copies(site: Site) -> list[Path]:
    return list((site.directory / "work" / "remote").glob("instance-*.json"))


def test_a_main_configuration_of_an_address_starts_the_service_again_without_it(
    site: Site, remote: ConfigServer, tmp_path: Path
):
    document = with_remote_instance(site, remote, tmp_path)
    remote.give({**document, "watcher": {"mailPassword": "PLANTED", "mailTo": "me"}})
    told = site.call("check")
    assert "watcher.mailPassword: is a secret" in told.stdout
    assert copies(site) == []
    remote.give(document)
    site.start()
    site.until_logged("started instance", site.instance)
    (copy,) = copies(site)
    assert copy.stat().st_mode & 0o777 == 0o600
    assert site.terminate() == 0
    for what, answer in BAD.items():
        spoil(remote, answer)
        told = site.call("check")
        assert told.exit_code == 0, what
        assert "the last good copy is used, of " in told.stdout, what
    remote.go_away()
    site.server.control.add_jobs(some_jobs(2))
    site.start()
    site.until_logged("the last good copy is used", INSTANCE_AT)
    site.until_jobs_end()
    site.until(lambda: "which could not be fetched" in site.told_by("status"), "status tells of the copy")
    assert site.terminate() == 0
    assert "PLANTED" not in site.log + copy.read_text()


def test_no_copy_and_no_server_is_an_error_that_says_what_to_do(site: Site, plain: ConfigServer, tmp_path: Path):
    with_remote_instance(site, plain, tmp_path)
    plain.answer = PAGE
    site.start()
    assert site.await_end() == 1
    assert site.has_logged("this host has no copy of it yet", "HTML page", f"or unset {INSTANCE_AT}")


def test_a_redirect_away_from_tls_is_not_followed(site: Site, plain: ConfigServer, tmp_path: Path):
    authority = trustme.CA()
    site.environment["SSL_CERT_FILE"] = str(written(authority, tmp_path))
    with ConfigServer(authority) as secure:
        document = with_remote_instance(site, secure, tmp_path)
        plain.give(document)
        secure.answer = Answer(location=plain.url)
        told = site.call("check")
    assert told.exit_code == 1
    assert "refers to an address without TLS" in told.stdout
    assert plain.fetches == 0


def test_an_unknown_authority_is_not_believed(site: Site, tmp_path: Path):
    authority = trustme.CA()
    with ConfigServer(authority) as secure:
        with_remote_instance(site, secure, tmp_path)
        refused = site.call("check")
        local = site.configuration.read_text()
        site.configuration.write_text(f"{local}[pandacon]\nca_cert = {written(authority, tmp_path)}\n")
        believed = site.call("check")
    assert refused.exit_code == 1
    assert "certificate" in refused.stdout
    assert believed.exit_code == 0
