"""The commands that hold queues back and let them go on."""

import json

import pytest
from cli_tools import NOW, CommandLine

from harvester.core.clock import utc_now
from harvester.core.holds import HoldMode
from harvester.store import holds, queues
from harvester.store.engine import Database


@pytest.fixture(autouse=True)
def _served(db: Database) -> None:
    with db.write() as connection:
        queues.activate(connection, ["Q"], NOW)


def test_a_pause_is_visible_everywhere(call: CommandLine):
    told = call("queue", "pause", "Q", "--reason", "the roof leaks", "--until", "2h").stdout
    assert "queue Q is paused by" in told
    for command in (("status",), ("queue", "show", "Q"), ("queue", "explain", "Q")):
        assert "the roof leaks" in call(*command).stdout, command
    assert "paused" in call("queue", "ls").stdout
    assert json.loads(call("queue", "ls", "--json").stdout)[0]["held"]["mode"] == "pause"


def test_who_resumes_it_ends_it(call: CommandLine, db: Database):
    call("queue", "drain", "Q", "--reason", "the roof leaks")
    assert "queue Q goes on" in call("queue", "resume", "Q").stdout
    assert "was not held back" in call("queue", "resume", "Q").stdout
    with db.read() as connection:
        assert holds.present(connection) == []


def test_a_queue_stays_paused_with_all_others(call: CommandLine):
    call("queue", "pause", "*", "--reason", "power cut")
    refused = call("queue", "resume", "Q")
    assert refused.exit_code == 1
    assert "still paused with all queues" in refused.stderr
    assert "its own hold" not in refused.stderr
    call("queue", "pause", "Q", "--reason", "its disk")
    assert "its own hold was lifted, but queue Q is still paused" in call("queue", "resume", "Q").stderr
    assert "the instance goes on" in call("queue", "resume", "*").stdout


@pytest.mark.parametrize(("text", "hours"), [("90m", 1.5), ("2h", 2), ("+1d", 24)])
def test_spans_count_from_now(call: CommandLine, db: Database, text: str, hours: float):
    call("queue", "pause", "Q", "--reason", "x", "--until", text)
    with db.read() as connection:
        (hold,) = holds.present(connection)
    assert hold.mode is HoldMode.PAUSE
    assert hold.until
    assert abs((hold.until - utc_now()).total_seconds() - hours * 3600) < 60


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("QQ", "--reason", "x"), "there is no queue QQ; did you mean Q?"),
        (("Q", "--reason", "  "), "say why with --reason"),
        (("Q", "--reason", "x", "--until", "soon"), "--until soon: write a time as"),
        (("Q", "--reason", "x", "--until", "2020-01-01"), "is over already"),
    ],
)
def test_what_makes_no_sense_is_refused(call: CommandLine, db: Database, arguments: tuple[str, ...], says: str):
    result = call("queue", "pause", *arguments)
    assert result.exit_code == (1 if "QQ" in arguments else 2)
    assert says in result.stderr
    with db.read() as connection:
        assert holds.present(connection) == []
