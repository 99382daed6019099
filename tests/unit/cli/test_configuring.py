"""The configuration as it counts, with where each value comes from and without secrets."""

import json

import pytest
from cli_tools import MAIN, NOW, QUEUE, CommandLine
from sqlalchemy import Engine, event

from harvester.cli.admin import make_parser
from harvester.cli.choosing import NotThereError
from harvester.config.versions import digest_of
from harvester.core.jobs import Job, JobStatus, JobSubstatus
from harvester.startup.loading import load
from harvester.store import jobs, queue_versions
from harvester.store.engine import Database
from harvester.store.queue_versions import QueueVersion

SECRET = "hunter2-secret"
QUEUES = """{
  "T": {"isTemplateQueue": true, "maxWorkers": 7, "mapType": "NoJob",
    "submitter": {"plugin": "local", "command": ["/bin/true"], "environment": {"API_TOKEN": "%s"}}},
  "Q": {"templateQueueName": "T", "maxWorkers": 9,
    "messenger": {"plugin": "shared_file", "accessPoint": "/w/${workerID}"}}
}"""


@pytest.fixture(autouse=True)
def _configured(call: CommandLine) -> None:
    password = f"[db]\ndatabase_filename = {call.place}/harvester.db\npassword = {SECRET}"
    main = MAIN.format(place=call.place)
    call.config.write_text(main.replace(f"[db]\ndatabase_filename = {call.place}/harvester.db", password))
    call.queues.write_text(QUEUES % SECRET)


def test_each_value_of_a_queue_has_its_origin(call: CommandLine):
    told = json.loads(call("queue", "config", "Q", "--json").stdout)
    assert told["queue"] == "Q"
    assert told["served"] == "yes"
    assert told["config"]["maxWorkers"] == 9
    assert told["config"]["submitter"]["command"] == ["/bin/true"]
    assert told["config"]["stager"]["plugin"] == "dummy"
    assert told["origins"]["maxWorkers"] == f"{call.queues}:4"
    assert told["origins"]["submitter.command"] == f"{call.queues}:3"
    assert told["origins"]["stager.plugin"] == "default"
    assert told["origins"]["nQueueLimitJob"] == "default"


def test_it_can_be_read_by_people(call: CommandLine):
    shown = call("queue", "config", "Q").stdout
    assert "queue Q, served yes" in shown
    assert f"{call.queues}:4" in shown
    assert "default" not in call("queue", "config", "Q", "--written").stdout


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize(
    "command",
    [("queue", "config", "Q"), ("queue", "config", "Q", "--json"), ("config", "show"), ("config", "show", "--json")],
)
def test_no_secret_is_shown(call: CommandLine, command: tuple[str, ...]):
    shown = call(*command).stdout
    assert "(hidden)" in shown
    assert SECRET not in shown


def test_a_queue_with_an_error_is_shown_as_it_is_written(call: CommandLine):
    call.queues.write_text('{"Q": {"mapType": "NoJob", "maxWorkers": "many"}}')
    told = json.loads(call("queue", "config", "Q", "--json").stdout)
    assert told["config"]["maxWorkers"] == "many"
    error = f"\n  {call.queues}:1: Q.maxWorkers: must be a whole number, not 'many'; write digits only"
    assert error in told["served"]
    shown = call("queue", "config", "Q").stdout
    assert "served no: its configuration has an error:\n" in shown
    assert error in shown


def test_each_value_of_the_instance_has_its_origin(call: CommandLine):
    told = json.loads(call("config", "show", "--json").stdout)
    assert told["config"]["master"]["harvester_id"] == "unit"
    assert told["origins"]["master.harvester_id"] == f"{call.config}:2"
    assert told["config"]["monitor"]["sleepTime"] > 0
    assert told["origins"]["monitor.sleepTime"] == "default"
    only = json.loads(call("config", "show", "db", "--written", "--json").stdout)
    assert only["config"] == {"db": {"database_filename": f"{call.place}/harvester.db", "password": "(hidden)"}}


def test_versions_are_kept_and_shown(call: CommandLine, db: Database):
    stored = {"mapType": "NoJob", "submitter": {"plugin": "local", "password": "(not stored)"}}
    with db.write() as connection:
        numbers = queue_versions.register(connection, [QueueVersion("OLD", "d", stored)], NOW)
        job = Job(7, "OLD", JobStatus.STARTING, JobSubstatus.FETCHED, config_version=numbers["OLD"])
        jobs.insert_fetched(connection, [jobs.NewJob(job, {})], NOW)
    number = str(numbers["OLD"])
    (kept,) = json.loads(call("queue", "versions", "OLD", "--json").stdout)
    assert (kept["number"], kept["jobs"], kept["workers"]) == (numbers["OLD"], 1, 0)
    assert "OLD" in call("queue", "versions").stdout
    assert json.loads(call("queue", "config", "--id", number, "--json").stdout)["config"] == stored
    assert "submitter.plugin" in call("queue", "config", "OLD", "--id", number).stdout
    assert f"--id {number}" in call("queue", "config", "OLD").stderr
    assert "is of queue OLD, not of Q" in call("queue", "config", "Q", "--id", number).stderr


def test_the_present_version_is_named(call: CommandLine, db: Database):
    queue = load([call.config], None).queues.queues["Q"]
    with db.write() as connection:
        numbers = queue_versions.register(connection, [QueueVersion("Q", digest_of(queue), {})], NOW)
    assert json.loads(call("queue", "config", "Q", "--json").stdout)["version"] == numbers["Q"]


def dump(call: CommandLine, capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, dict[str, object]]:
    """What `harvester-admin qconf dump -J` prints."""
    read = make_parser().parse_args(["--config", str(call.config), "qconf", "dump", "-J", *arguments])
    read.command(read)
    dumped: dict[str, dict[str, object]] = json.loads(capsys.readouterr().out)
    return dumped


def test_however_many_queues_are_dumped_the_database_is_asked_once(
    call: CommandLine, db: Database, capsys: pytest.CaptureFixture[str]
):
    call.queues.write_text(json.dumps({name: json.loads(QUEUE) for name in ("A", "B", "C")}))
    queues = load([call.config], None).queues.queues
    with db.write() as connection:
        known = [QueueVersion(name, digest_of(queues[name]), {"maxWorkers": 3}) for name in ("A", "B")]
        numbers = queue_versions.register(connection, known, NOW)
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        present = dump(call, capsys, "-a")
        kept = dump(call, capsys, "-i", str(numbers["B"]), str(numbers["A"]))
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert {name: each["configID"] for name, each in present.items()} == {**numbers, "C": None}
    assert {name: each["configID"] for name, each in kept.items()} == numbers
    assert {each["maxWorkers"] for each in kept.values()} == {3}
    assert sum("queue_versions" in statement for statement in asked) == 2


def test_a_version_that_is_not_kept_is_named(call: CommandLine, db: Database, capsys: pytest.CaptureFixture[str]):
    with db.write() as connection:
        number = queue_versions.register(connection, [QueueVersion("Q", "d", {})], NOW)["Q"]
    with pytest.raises(NotThereError, match="no version 4711 is kept"):
        dump(call, capsys, "-i", str(number), "4711")


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize(
    ("command", "says"),
    [
        (("queue", "config", "QQ"), "there is no queue QQ; did you mean Q?"),
        (("queue", "config"), "name a queue"),
        (("queue", "config", "--id", "99"), "no version 99 is kept"),
        (("config", "show", "monitr"), "there is no section monitr; did you mean monitor?"),
    ],
)
def test_what_is_not_there_is_told(call: CommandLine, command: tuple[str, ...], says: str):
    refused = call(*command)
    assert refused.exit_code == 1
    assert says in refused.stderr
