"""Every command of `harvester-admin`, against one instance that runs."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection

from harvester.core.workers import WorkerStatus
from harvester.store import queues, worker_choice
from harvester.store.engine import Database, sqlite_url
from harvester.store.worker_choice import WorkerChoice
from system_harness.queues import QUEUE, local_push, some_jobs
from system_harness.site import Site

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("admin tool")]

ADMIN = (sys.executable, "-c", "from harvester.cli.admin import main; main()")
LONG, GONE = "LONG", "GONE"
JOBS = 3


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An instance that has run some jobs, and holds two workers of LONG that do not end by themselves."""
    directory = tmp_path_factory.mktemp("site")
    (directory / "document.json").write_text('{"a": 1}')
    with Site(directory) as made:
        sleeping = {**local_push(made, max_workers=2, command=["/bin/sleep", "600"]), "mapType": "NoJob"}
        entries = {QUEUE: local_push(made), LONG: sleeping, GONE: {**local_push(made), "queueStatus": "offline"}}
        cacher = {"cacher": {"data": f"\n  document.json||file:{directory}/document.json"}}
        made.configure(entries, cacher)
        made.server.control.add_jobs(some_jobs(JOBS))
        made.start()
        made.until_jobs_end()
        made.until(lambda: len(live(made)) == 2, "two workers of LONG")
        made.told_by("queue", "pause", LONG, "--reason", "it is to get no others")
        yield made


@contextmanager
def reading(site: Site) -> Iterator[Connection]:
    """Its database, once there is one."""
    db = Database(sqlite_url(site.database))
    try:
        with db.read() as connection:
            yield connection
    finally:
        db.close()


def live(site: Site) -> list[int]:
    """The workers of LONG that run."""
    with reading(site) as connection:
        return worker_choice.live(connection, WorkerChoice(queues=[LONG], statuses=[WorkerStatus.RUNNING]))


def is_served(site: Site, queue: str) -> bool:
    with reading(site) as connection:
        return any(each.active and each.name == queue for each in queues.states(connection))


def admin(site: Site, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Call the tool."""
    command = [*ADMIN, "--config", str(site.configuration), *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done


def test_it_says_what_it_can_do(site: Site):
    assert "usage: harvester-admin" in admin(site, code=1).stdout
    assert "workers" in admin(site, "kill", "--help").stdout


def test_messages_of_each_level(site: Site):
    quiet = admin(site, "test")
    assert quiet.stdout == "Harvester Admin Tool: test\n"
    assert re.findall(r"test (\w+)$", quiet.stderr, re.MULTILINE) == ["CRITICAL", "ERROR", "WARNING"]
    loud = admin(site, "--debug", "test").stderr
    assert "test INFO" in loud
    assert "test DEBUG" in loud
    assert "result: None; it took" in loud


def test_attributes(site: Site):
    assert admin(site, "get", "harvesterID").stdout.strip() == site.instance
    assert re.match(r"\d+\.\d+", admin(site, "get", "version").stdout)
    assert admin(site, "get", "commit_info").stdout.strip()
    config = json.loads(admin(site, "get", "harvester_config").stdout)
    assert config["master"]["harvester_id"] == site.instance
    admin(site, "get", "nothing", code=2)


@pytest.mark.parametrize(
    "command", [("benchmark", "-n", "5", "-t", "2"), ("repopulate", "monitor"), ("repopulate", "ALL")]
)
def test_what_has_replaced_the_fifos(site: Site, command: tuple[str, ...]):
    assert "there are no FIFOs" in admin(site, "fifo", *command).stdout


def test_documents_are_fetched_at_once(site: Site):
    (site.directory / "document.json").write_text('{"a": 2}')
    before = json.loads(site.told_by("cache", "ls", "--json"))[0]["digest"]
    admin(site, "cacher", "refresh")
    after = json.loads(site.told_by("cache", "ls", "--json"))[0]
    assert after["digest"] != before
    assert after["problem"] == ""


def test_queues_are_listed(site: Site):
    assert admin(site, "qconf", "list").stdout.split() == sorted([QUEUE, LONG])
    head, line, *rows = admin(site, "qconf", "list", "-a").stdout.splitlines()
    assert head == "configID : queue name"
    assert line == "--------- ------------"
    assert {row.partition(" : ")[2] for row in rows} == {QUEUE, LONG, GONE}


def test_configurations_are_dumped(site: Site):
    present = json.loads(admin(site, "qconf", "dump", "-J", QUEUE).stdout)[QUEUE]
    assert present["queueName"] == QUEUE
    assert present["submitter"]["plugin"] == "local"
    number = str(present["configID"])
    kept = json.loads(admin(site, "qconf", "dump", "-J", "-i", number).stdout)[QUEUE]
    assert kept["submitter"] == present["submitter"]
    assert set(json.loads(admin(site, "qconf", "dump", "-aJ").stdout)) == {QUEUE, LONG}
    assert "queueName : " in admin(site, "qconf", "dump", QUEUE).stdout
    assert "no queue" in admin(site, "qconf", "dump", "NOBODY", code=1).stderr.lower()
    assert "name a queue" in admin(site, "qconf", "dump", code=1).stderr


def test_all_processes_read_again(site: Site):
    words = "queue configuration read again, as it was ordered"
    before = site.log.count(words)
    admin(site, "qconf", "refresh", "-R")
    site.until(lambda: site.log.count(words) > before, "it was read again")


def test_numbers_of_workers_and_jobs(site: Site):
    found = json.loads(admin(site, "query", "workers", LONG).stdout)
    assert total(found[LONG]) == 2
    jobs = json.loads(admin(site, "query", "jobs", "-a").stdout)
    assert jobs[LONG] == {}
    assert total(jobs[QUEUE]) == JOBS
    admin(site, "query", "workers", code=1)


def total(kinds: dict[str, dict[str, dict[str, int]]]) -> int:
    """All numbers of a queue, by job type, resource type and status."""
    return sum(number for by_type in kinds.values() for each in by_type.values() for number in each.values())


def test_workers_are_killed_by_where_they_are(site: Site):
    everywhere = ("--ces", "ALL", "--submissionhosts", "ALL")
    admin(site, "kill", "workers", "--sites", LONG, code=2)
    nobody = admin(site, "kill", "workers", "--sites", "OTHER", "ELSEWHERE", *everywhere).stdout
    assert nobody.startswith(
        "Sweeper will soon kill 0 workers, with status in ['submitted'], computingSite in ['OTHER',"
    )
    would = admin(site, "kill", "workers", "--status", "ALL", "--sites", LONG, *everywhere, "--dry-run").stdout
    assert would.startswith("Sweeper would kill 2 workers")
    assert len(live(site)) == 2
    did = admin(site, "-v", "kill", "workers", "--status", "running", "submitted", "--sites", LONG, *everywhere)
    assert did.stdout.startswith("Sweeper will soon kill 2 workers, with status in ['running', 'submitted']")
    assert "result: 2" in did.stderr
    site.until(lambda: live(site) == [], "they have ended")


def test_a_queue_is_purged_once_nobody_serves_it(site: Site):
    assert f"queue {QUEUE} is configured" in admin(site, "qconf", "purge", QUEUE, code=1).stderr
    entries = json.loads(site.queue_file.read_text())
    site.configure_queues({**entries, GONE: {**entries[GONE], "queueStatus": "online", "nQueueLimitJob": 0}})
    site.until(lambda: is_served(site, GONE), "it is served")
    site.configure_queues({name: each for name, each in entries.items() if name != GONE})
    site.until(lambda: not is_served(site, GONE), "it is not served any more")
    assert admin(site, "qconf", "purge", GONE, "--dry-run").stdout == "GONE has 0 workers and 0 jobs\n"
    assert admin(site, "qconf", "purge", GONE).stdout == f"Purged {GONE} from harvester DB\n"
    with reading(site) as connection:
        assert GONE not in {each.name for each in queues.states(connection)}
