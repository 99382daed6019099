"""Workers are listed and killed by what they are and where."""

import json
from datetime import timedelta

import pytest
from cli_tools import CommandLine
from typer.testing import CliRunner

from harvester.cli.main import app
from harvester.core.clock import utc_now
from harvester.core.workers import MapType, Worker, WorkerStatus
from harvester.store import history, queues, views, workers
from harvester.store.engine import Database


@pytest.fixture(autouse=True)
def _workers(db: Database) -> None:
    """Two of a queue at different elements, one of another, made two hours ago."""
    now = utc_now()
    made = [
        Worker(1, "Q", WorkerStatus.PENDING, "unit-1", MapType.NO_JOB, computing_element="ce1", submission_host="h1"),
        Worker(2, "Q", WorkerStatus.PENDING, "unit-2", MapType.NO_JOB, computing_element="ce2", submission_host="h1"),
        Worker(3, "P", WorkerStatus.PENDING, "unit-3", MapType.NO_JOB, computing_element="ce1", submission_host="h2"),
    ]
    with db.write() as connection:
        queues.activate(connection, ["Q", "P"], now)
        workers.insert_intents(connection, made[:2], now)
        workers.insert_intents(connection, made[2:], now - timedelta(hours=2))


def condemned(db: Database) -> list[int]:
    with db.read() as connection:
        found = {number: views.worker(connection, number) for number in (1, 2, 3)}
    return [number for number, view in found.items() if view and view.kill_due]


CHOICES = [
    (["--queue", "Q"], [1, 2]),
    (["--queue", "*"], [1, 2, 3]),
    (["--queue", "Q", "--queue", "P", "--ce", "ce1"], [1, 3]),
    (["--host", "h2"], [3]),
    (["--older-than", "1h"], [3]),
    (["--older-than", "90d"], []),
    (["--status", "pending", "--status", "running", "--ce", "ce2"], [2]),
    (["--status", "running"], []),
]


@pytest.mark.parametrize(("options", "meant"), CHOICES)
def test_those_are_listed_that_all_conditions_hold_for(call: CommandLine, options: list[str], meant: list[int]):
    told = json.loads(call("worker", "ls", "--json", *options).stdout)
    assert sorted(each["worker_id"] for each in told) == meant


@pytest.mark.parametrize(("options", "meant"), [*CHOICES, (["2", "3", "99"], [2, 3]), (["2", "--queue", "P"], [])])
def test_those_are_killed_and_no_others(call: CommandLine, db: Database, options: list[str], meant: list[int]):
    told = json.loads(call("worker", "kill", "--yes", "--json", *options).stdout)
    assert (told["found"], told["marked"]) == (len(meant), meant)
    assert condemned(db) == meant


def test_it_is_said_where_they_are_before_it_is_asked(call: CommandLine, db: Database):
    arguments = ["worker", "kill", "--queue", "Q", "--reason", "the element is dead", "--config", str(call.config)]
    refused = CliRunner().invoke(app, arguments, input="n\n")
    assert refused.exit_code == 1
    assert "ce2" in refused.stdout
    assert condemned(db) == []
    done = CliRunner().invoke(app, arguments, input="y\n")
    assert done.exit_code == 0
    assert "2 workers will be killed" in done.stdout
    assert "No process of this instance runs" in done.stdout
    with db.read() as connection:
        (event,) = history.of(connection, history.Kind.WORKER, 1)
    assert event.cause.startswith("killed by ")
    assert event.cause.endswith(": the element is dead")


def test_numbers_that_no_worker_has_are_told_and_the_others_killed(call: CommandLine, db: Database):
    none = call("worker", "kill", "1700", "1800", "--yes")
    assert "nothing is known of worker 1700, 1800" in none.stderr
    assert condemned(db) == []
    one = call("worker", "kill", "1", "1800", "--yes")
    assert "nothing is known of worker 1800" in one.stderr
    assert condemned(db) == [1]
    assert "nothing is known" not in call("worker", "kill", "1", "--yes").stderr


def test_a_dry_run_kills_nobody(call: CommandLine, db: Database):
    told = json.loads(call("worker", "kill", "--queue", "Q", "--dry-run", "--json").stdout)
    assert (told["found"], told["marked"], told["dry_run"]) == (2, [], True)
    assert condemned(db) == []


def test_who_is_to_be_killed_already_is_not_counted_twice(call: CommandLine):
    call("worker", "kill", "1", "--yes")
    told = call("worker", "kill", "--queue", "Q", "--yes").stdout
    assert "1 worker will be killed, 1 were to be killed already" in told


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "say which workers"),
        (["--status", "finished"], "workers that have ended cannot be killed"),
        (["--queue", "QQ"], "there is no queue QQ; did you mean Q?"),
        (["--older-than", "yesterday"], "--older-than yesterday: write a time as"),
    ],
)
def test_what_makes_no_sense_kills_nobody(call: CommandLine, db: Database, options: list[str], says: str):
    refused = call("worker", "kill", "--yes", *options)
    assert refused.exit_code == (1 if "QQ" in options else 2)
    assert says in refused.stderr
    assert condemned(db) == []
