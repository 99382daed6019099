"""A service that is stuck mails an alarm, stops or is killed as `[watcher]` says, and loses nothing by it.

It is stuck because somebody else holds the write lock of its database, as a backup may that hangs.
"""

import signal
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from mail_server import ACCOUNT, SEALED_PASSWORD, SEALED_USER, Receiver, receiving_in_secret
from system_harness.judges import judge, local_batch_jobs
from system_harness.queues import MAX_WORKERS, QUEUE, local_push, some_jobs
from system_harness.site import Row, Sections, Site

pytestmark = pytest.mark.system

JOBS = 8
TOO_LONG = 8
"""Seconds: more than any part needs on a busy machine when all is well."""
TESTS = Path(__file__).parents[1]


def watched(**keys: object) -> Sections:
    return {"watcher": {"checkInterval": 1, "sleepTime": 1, "maxStalled": TOO_LONG, "maxDuration": TOO_LONG, **keys}}


@contextmanager
def locked(site: Site) -> Iterator[None]:
    """Nobody else can write into the database meanwhile."""
    with closing(sqlite3.connect(site.database, isolation_level=None, timeout=30)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def begun(site: Site, queue: Row, sections: Sections) -> None:
    """The service has work, of which some has been done."""
    site.configure({QUEUE: queue}, sections)
    site.server.control.add_jobs(some_jobs(JOBS))
    site.start()
    site.until_running(1)


def finish(site: Site) -> None:
    site.until_jobs_end()
    site.until_workers_end()
    assert site.terminate() == 0
    judge(site, local_batch_jobs(site), jobs=JOBS, max_workers=MAX_WORKERS)


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ({"maxDuration": 0}, "it has done nothing for"),
        ({"maxStalled": 0}, "work has waited for it for"),
    ],
)
def test_an_alarm_is_mailed(site: Site, rule: Mapping[str, object], says: str):
    receiver = Receiver()
    with receiving_in_secret(receiver, site.directory / "ca.pem") as port:
        to_mail = {
            "actions": "email",
            "mailServer": "127.0.0.1",
            "mailPort": port,
            "mailUseSSL": True,
            "mailUser": SEALED_USER,
            "mailPassword": SEALED_PASSWORD,
            "mailFrom": "harvester@edge.example.org",
            "mailTo": "operator@example.org, shift@example.org",
        }
        site.environment["HARVESTER_WATCHER_PASSPHRASE"] = "phrase"
        site.environment["SSL_CERT_FILE"] = str(site.directory / "ca.pem")
        begun(site, local_push(site), watched(**to_mail, **rule))
        with locked(site):
            site.until(lambda: bool(receiver.mails), "an alarm is mailed")
        site.until_logged("part of the service works again")
        finish(site)
    mail = receiver.mails[0]
    assert (mail["Subject"], mail["From"]) == ("Harvester Alarm", "harvester@edge.example.org")
    assert mail["To"] == "operator@example.org, shift@example.org"
    assert f"Harvester {site.instance} on " in mail.get_content()
    assert says in mail.get_content()
    assert receiver.logins[0] == ACCOUNT


def test_a_stuck_service_stops_and_whoever_starts_it_again_goes_on(site: Site):
    begun(site, local_push(site), watched(actions="terminate"))
    with locked(site):
        site.until_logged("this process is ended by [watcher] actions")
        assert site.await_end() == 1, "what restarts the service on failure must see one"
    site.start()
    finish(site)


def test_one_that_does_not_stop_is_killed(site: Site):
    site.add_plugins(TESTS)
    queue = local_push(site)
    submitter = queue["submitter"]
    assert isinstance(submitter, dict)
    settings = {key: value for key, value in submitter.items() if key != "plugin"}
    clings: Row = {**settings, "module": "system_harness.clinging", "name": "LetsGoOfNoProcess"}
    begun(site, {**queue, "submitter": clings}, watched(actions="kill"))
    with locked(site):
        site.until_logged("this process is ended by [watcher] actions")
    assert site.await_end() == -signal.SIGKILL
    site.start()
    finish(site)
