import json
import os
import socket
from dataclasses import replace
from datetime import timedelta

import pytest
from cli_tools import NOW, CommandLine
from sqlalchemy import text, update
from typer.testing import CliRunner

from harvester.cli.main import app
from harvester.core.clock import utc_now
from harvester.core.files import File, FileKind, FileStatus
from harvester.core.jobs import Job, JobStatus, JobSubstatus
from harvester.core.workers import MapType, Worker, WorkerStatus
from harvester.plugins.local.processes import birth_of
from harvester.store import cache, credentials, files, history, jobs, leases, measurements, queues, schema, workers
from harvester.store.cache import Attempt, CacheKey
from harvester.store.credentials import CredentialRecord
from harvester.store.engine import Database

JOB = Job(4711, "Q", JobStatus.STARTING, JobSubstatus.FETCHED, task_id=3)
WORKER = Worker(17, "Q", WorkerStatus.PENDING, "unit-17", MapType.ONE_TO_ONE, job_ids=(4711,))
REASON = "5 of 5 workers are queued"


@pytest.fixture
def filled(db: Database) -> Database:
    """A queue with two jobs, one of which has a worker."""
    with db.write() as connection:
        queues.activate(connection, ["Q"], NOW)
        note = {"new_workers": 0, "limit": "nQueueLimitWorker", "text": REASON}
        queues.note(connection, "sizer", {"Q": note}, NOW)
        queues.note(
            connection, "monitor", {"Q": {"text": "workers checked", "problem": "report of worker 17 is torn"}}, NOW
        )
        jobs.insert_fetched(connection, [jobs.NewJob(JOB, {}), jobs.NewJob(replace(JOB, job_id=4712), {})], NOW)
        workers.insert_intents(connection, [WORKER], NOW)
        history.record(connection, [history.Event(history.Kind.WORKER, 17, NOW, None, "pending", REASON, "sizer")])
        history.record(
            connection, [history.Event(history.Kind.JOB, 4711, NOW, None, "fetched", "room for 2", "job fetcher")]
        )
    return db


@pytest.mark.usefixtures("filled")
class TestOfAFilledDatabase:
    def test_status_counts_and_tells_problems(self, call: CommandLine):
        shown = call("status").stdout
        assert "2 starting" in shown
        assert "1 pending" in shown
        assert REASON in shown
        assert "report of worker 17 is torn" in shown
        assert "No process of this instance runs" in shown

    def test_status_for_programs(self, call: CommandLine):
        told = json.loads(call("status", "--json").stdout)
        assert told["queues"][0]["name"] == "Q"
        assert told["queues"][0]["jobs"] == {"starting": 2}
        assert told["queues"][0]["workers"] == {"pending": 1}

    def test_status_tells_how_long_credentials_last(self, call: CommandLine, filled: Database):
        now = utc_now()
        good = CredentialRecord("here", "/good", "pilot", now + timedelta(hours=50), now, now, "")
        bad = replace(good, name="/bad", valid_until=now + timedelta(hours=4), problem="the VOMS server is down")
        with filled.write() as connection:
            credentials.replace(connection, "here", [good, bad])
        shown = call("status").stdout
        assert "hours left" in shown
        assert "/bad on here: lasts 4.0 more hours; the VOMS server is down" in shown
        told = json.loads(call("status", "--json").stdout)
        assert [each["problem"] for each in told["credentials"]] == ["the VOMS server is down", ""]

    def test_of_hundreds_of_tokens_status_shows_those_that_need_somebody(self, call: CommandLine, filled: Database):
        now = utc_now()
        first = CredentialRecord("here", "/token/000", "ces", now + timedelta(hours=100), now, now, "")
        lasting = [replace(first, name=f"/token/{n:03}", valid_until=now + timedelta(hours=100 + n)) for n in range(30)]
        refused = replace(
            first, name="/token/refused", valid_until=now + timedelta(hours=999), problem="no such audience"
        )
        with filled.write() as connection:
            credentials.replace(connection, "here", [*lasting, refused, replace(first, name="/proxy", setup="pilot")])
        shown = call("status").stdout
        assert "21 more of ces on here last longer" in shown
        named = [line.split()[0] for line in shown.splitlines() if line.startswith(("/token", "/proxy"))]
        assert named == ["/proxy", *(f"/token/{n:03}" for n in range(9)), "/token/refused", "/token/refused"]
        assert len(json.loads(call("status", "--json").stdout)["credentials"]) == 32

    def test_status_tells_what_was_measured(self, call: CommandLine, filled: Database):
        with filled.write() as connection:
            measurements.add(connection, "here", {"rss_mib": 310.5, "cert_lifetime": {"/p": 5}}, NOW)
        assert "measured on here at 2026-03-01 12:00:00: rss_mib 310.5\n" in call("status").stdout
        (told,) = json.loads(call("status", "--json").stdout)["measurements"]
        assert told["metrics"] == {"rss_mib": 310.5, "cert_lifetime": {"/p": 5}}

    def test_a_problem_is_told_whoever_has_it(self, call: CommandLine, filled: Database):
        with filled.write() as connection:
            note = {"text": "it is tried again after a rest", "problem": "PanDA does not answer"}
            queues.note(connection, "job fetcher", {"Q": note}, NOW)
        for command in (("status",), ("queue", "explain", "Q"), ("queue", "show", "Q")):
            assert "PanDA does not answer" in call(*command).stdout

    def test_documents_that_are_not_new_are_told_with_what_is_used_instead(self, call: CommandLine, filled: Database):
        with filled.write() as connection:
            cache.note(connection, [Attempt(CacheKey("a.json"), [1]), Attempt(CacheKey("b", "x"), problem="gone")], NOW)
            cache.note(connection, [Attempt(CacheKey("a.json"), problem="HTTP 500")], NOW + timedelta(hours=1))
        shown = call("status").stdout
        used = "the one of 2026-03-01 12:00:00 is used; asked for again at 2026-03-01 13:00:00: HTTP 500"
        assert f"cached a.json: {used}" in shown
        assert "cached b|x: it never came" in shown
        told = json.loads(call("status", "--json").stdout)["documents"]
        assert [each["problem"] for each in told] == ["HTTP 500", "gone"]

    def test_queues_are_listed_and_shown(self, call: CommandLine):
        assert json.loads(call("queue", "ls", "--json").stdout)[0]["active"] is True
        assert json.loads(call("queue", "show", "Q", "--json").stdout)["jobs_by_phase"] == {"prepare": 2}
        assert "nobody" not in call("queue", "show", "Q").stdout
        assert REASON in call("queue", "show", "Q").stdout

    def test_a_queue_is_explained_by_the_limit_that_decided(self, call: CommandLine):
        words = call("queue", "explain", "Q").stdout
        assert (
            f"no new ones in the last decision; {REASON}; limited by nQueueLimitWorker (since 2026-03-01 12:00:00)"
            in words
        )
        assert "1 live worker (1 pending)" in words

    def test_workers_are_filtered(self, call: CommandLine):
        assert "unit" not in call("worker", "ls", "--status", "running").stdout
        assert [each["worker_id"] for each in json.loads(call("worker", "ls", "--queue", "Q", "--json").stdout)] == [17]
        assert json.loads(call("worker", "ls", "--status", "running", "--json").stdout) == []

    def test_the_newest_jobs_come_first_and_are_limited(self, call: CommandLine):
        told = json.loads(call("job", "ls", "--limit", "1", "--json").stdout)
        assert [each["job_id"] for each in told] == [4712]

    def test_a_worker_is_shown_and_explained(self, call: CommandLine):
        assert json.loads(call("worker", "show", "17", "--json").stdout)["worker"]["marker"] == "unit-17"
        assert "marker" in call("worker", "show", "17").stdout
        words = call("worker", "explain", "17").stdout
        assert "It waits for its submission; the resource was not asked yet" in words
        assert f"2026-03-01 12:00:00  pending: {REASON} (sizer)" in words

    def test_a_job_is_shown_and_explained(self, call: CommandLine):
        assert json.loads(call("job", "show", "4711", "--json").stdout)["worker_ids"] == [17]
        assert "4711" in call("job", "show", "4711").stdout
        words = call("job", "explain", "4711").stdout
        assert "It waits for its input files, which the preparator brings" in words
        assert "fetched: room for 2 (job fetcher)" in words

    def test_no_word_of_a_worker_or_server_steers_the_terminal(self, call: CommandLine, filled: Database):
        steering = "\x1b]0;mine\x07"
        told = {f"{steering}attribute": {steering: steering}}
        lost = File(0, 4711, f"{steering}name", FileKind.OUTPUT, FileStatus.DEFINED, path=f"/{steering}")
        with filled.write() as connection:
            connection.execute(update(schema.jobs).values(attributes=told))
            files.insert_new(connection, [lost])
        for command in (("job", "show", "4711"), ("job", "explain", "4711")):
            shown = call(*command).stdout
            assert shown
            assert steering not in shown

    def test_explanations_for_programs_hold_words_and_facts(self, call: CommandLine):
        for command in (("queue", "explain", "Q"), ("worker", "explain", "17"), ("job", "explain", "4711")):
            told = json.loads(call(*command, "--json").stdout)
            assert told["explanation"]
            assert told["facts"]

    @pytest.mark.parametrize(
        ("command", "says"),
        [
            (("queue", "show", "QQ"), "there is no queue QQ; did you mean Q?"),
            (("worker", "ls", "--queue", "QQ"), "there is no queue QQ; did you mean Q?"),
            (("job", "ls", "--queue", "QQ"), "there is no queue QQ; did you mean Q?"),
            (("worker", "explain", "99"), "worker 99 is not in the database"),
            (("job", "show", "99"), "job 99 is not in the database"),
        ],
    )
    def test_what_is_not_there_is_said(self, call: CommandLine, command: tuple[str, ...], says: str):
        result = call(*command)
        assert result.exit_code == 1
        assert says in result.stderr
        assert result.stdout == ""


def register(db: Database, host: str, pid: int, birth: str) -> None:
    now = utc_now()
    with db.write() as connection:
        leases.register_owner(connection, host, pid, birth, now=now, expires_at=now + timedelta(seconds=20))


class TestOfProcesses:
    def test_one_that_lives_runs(self, call: CommandLine, db: Database):
        register(db, socket.gethostname(), os.getpid(), birth_of(os.getpid()) or "")
        assert f"process {os.getpid()} on {socket.gethostname()} runs" in call("status").stdout

    def test_one_that_was_killed_on_this_host_does_not_run_although_its_record_lives(
        self, call: CommandLine, db: Database
    ):
        register(db, socket.gethostname(), os.getpid(), "another birth")
        shown = call("status").stdout
        assert f"process {os.getpid()} on {socket.gethostname()} is dead" in shown
        assert "No process of this instance runs" in shown

    def test_one_of_another_host_is_believed(self, call: CommandLine, db: Database):
        register(db, "elsewhere", 1, "birth")
        assert "process 1 on elsewhere runs" in call("status").stdout


class TestOfQueuesWithAnError:
    @pytest.fixture(autouse=True)
    def _bad(self, call: CommandLine) -> None:
        call.queues.write_text('{"Q": {"mapType": "NoJob"}}')

    @pytest.mark.usefixtures("db")
    def test_one_that_was_never_served(self, call: CommandLine):
        assert "the configuration of queue Q has an error" in call("queue", "explain", "Q").stderr
        assert "the configuration of queue Q has an error" in call("status").stdout

    @pytest.mark.usefixtures("filled")
    def test_one_that_has_workers(self, call: CommandLine):
        for command in (("queue", "explain", "Q"), ("worker", "explain", "17")):
            assert "But the configuration of queue Q has an error" in call(*command).stdout

    @pytest.mark.usefixtures("filled")
    def test_the_error_itself_is_told(self, call: CommandLine):
        assert f"  {call.queues}:1: Q.submitter: " in call("queue", "explain", "Q").stdout

    @pytest.mark.usefixtures("db")
    def test_the_error_of_an_entry_without_its_template_is_told(self, call: CommandLine):
        call.queues.write_text('{"Q": {"templateQueueName": "NOPE"}}')
        assert "Q.templateQueueName: there is no template NOPE" in call("queue", "explain", "Q").stderr

    @pytest.mark.usefixtures("filled")
    def test_that_nothing_runs_is_told_first(self, call: CommandLine):
        assert call("queue", "explain", "Q").stdout.startswith("No process of this instance runs")


@pytest.mark.usefixtures("db")
class TestOfQueuesThatWereNeverServed:
    @pytest.mark.parametrize("command", [("queue", "explain", "Q"), ("worker", "ls", "--queue", "Q")])
    def test_no_service_has_started_with_it(self, call: CommandLine, command: tuple[str, ...]):
        told = call(*command)
        assert told.exit_code == 1
        assert (
            "queue Q is configured, but no service has started with it yet; start one with `harvester run`"
            in told.stderr
        )

    def test_a_service_runs_and_has_not_seen_it(self, call: CommandLine, db: Database):
        register(db, socket.gethostname(), os.getpid(), birth_of(os.getpid()) or "")
        told = call("queue", "explain", "Q").stderr
        assert "the service that runs has not begun to serve it" in told
        assert "[qconf] checkInterval" in told

    def test_it_is_not_to_be_served(self, call: CommandLine):
        call.queues.write_text(
            call.queues.read_text().replace('"maxWorkers"', '"queueStatus": "offline", "maxWorkers"')
        )
        assert "queue Q was never served: its queueStatus is offline" in call("queue", "explain", "Q").stderr

    def test_the_configuration_cannot_be_read(self, call: CommandLine):
        call.queues.unlink()
        assert "the configuration cannot be read; see `harvester check`" in call("queue", "explain", "Q").stderr

    def test_a_name_like_it_is_proposed(self, call: CommandLine):
        assert "there is no queue QQ; did you mean Q?" in call("queue", "explain", "QQ").stderr

    def test_it_cannot_be_paused_yet(self, call: CommandLine):
        assert "no service has started with it yet" in call("queue", "pause", "Q", "--reason", "x").stderr


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (("worker", "show", "abc"), "'WORKER_ID': must be a whole number; see `"),
        (("worker", "ls", "--status", "bad"), "'bad' is not one of 'pending'"),
        (("job", "ls", "--limit", "0"), "must be at least 1"),
        (("queu", "ls"), "No such command 'queu', did you mean 'queue'; see `"),
        (("test", "databse"), "No such command 'databse', did you mean 'database'; see `"),
        (("status", "--healt"), "No such option: --healt"),
        (("--healt",), "No such option: --healt"),
    ],
)
def test_a_command_line_that_cannot_be_read_is_one_line(call: CommandLine, command: tuple[str, ...], says: str):
    result = call(*command)
    assert result.exit_code == 2
    assert says in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_group_without_a_command_shows_its_help():
    shown = CliRunner().invoke(app, ["queue"])
    assert "Usage: " in shown.output
    assert "explain" in shown.output


@pytest.mark.usefixtures("db")
def test_that_there_is_nothing_is_told_by_what_was_asked(call: CommandLine):
    assert call("job", "ls").stderr == "no jobs\n"
    assert call("job", "ls", "--status", "failed").stderr == "no such jobs\n"
    assert call("worker", "ls").stderr == "no workers\n"
    assert call("worker", "ls", "--status", "failed").stderr == "no such workers\n"


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("command", [("status",), ("job", "ls"), ("worker", "ls"), ("db", "status")])
def test_no_line_of_a_table_ends_with_blanks(call: CommandLine, command: tuple[str, ...]):
    lines = call(*command).stdout.splitlines()
    assert lines == [line.rstrip() for line in lines]


def test_without_a_database_none_is_made(call: CommandLine):
    result = call("status")
    assert result.exit_code == 1
    assert "there is no database" in result.stderr
    assert not (call.place / "harvester.db").exists()


def test_a_database_without_tables_is_said(call: CommandLine):
    (call.place / "harvester.db").touch()
    result = call("status")
    assert result.exit_code == 1
    assert "no tables of Harvester yet; `harvester run` makes them, or wait a moment" in result.stderr


def test_tables_of_another_version_are_not_read(call: CommandLine, db: Database):
    with db.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    result = call("status")
    assert result.exit_code == 1
    assert "bring them up to date with `harvester db upgrade`" in result.stderr


def test_a_file_that_is_no_database_is_said(call: CommandLine):
    (call.place / "harvester.db").write_text("this is no database, whatever its name says " * 50)
    result = call("status")
    assert result.exit_code == 1
    assert "the database cannot be used" in result.stderr


def test_an_unusable_configuration_is_said(call: CommandLine):
    call.config.write_text("[master]\n")
    result = call("status")
    assert result.exit_code == 1
    assert "the configuration cannot be used" in result.stderr
    assert "harvester_id" in result.stderr
