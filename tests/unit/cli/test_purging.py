"""A queue that is not configured any more is forgotten, but nothing that may still exist outside is."""

import json
import os
import socket
from datetime import timedelta

import pytest
from cli_tools import NOW, QUEUE, CommandLine
from sqlalchemy import func, select, update
from typer.testing import CliRunner

from harvester.agents.facts import REMOTE_QUEUES
from harvester.cli.main import app
from harvester.core.clock import utc_now
from harvester.core.files import File, FileKind, FileStatus
from harvester.core.jobs import Job, JobStatus, JobSubstatus
from harvester.core.workers import MapType, Worker, WorkerStatus
from harvester.plugins.local.processes import birth_of
from harvester.store import cache, files, history, jobs, leases, queue_versions, queues, schema, workers
from harvester.store.cache import Attempt
from harvester.store.engine import Database
from harvester.store.queue_versions import QueueVersion
from harvester.store.schema import JobPhase, WorkerPhase

TABLES = (schema.workers, schema.jobs, schema.job_params, schema.job_workers, schema.files, schema.queue_versions)


@pytest.fixture(autouse=True)
def _old_queue(db: Database) -> None:
    """The queue OLD with a worker and a job that have ended and are told, and Q likewise."""
    with db.write() as connection:
        queues.activate(connection, ["OLD", "Q"], NOW)
        for number, queue in ((1, "OLD"), (2, "Q")):
            job = Job(number, queue, JobStatus.FINISHED, JobSubstatus.DONE)
            jobs.insert_fetched(connection, [jobs.NewJob(job, {"PandaID": number})], NOW)
            worker = Worker(
                number, queue, WorkerStatus.FINISHED, f"unit-{number}", MapType.ONE_TO_ONE, job_ids=(number,)
            )
            workers.insert_intents(connection, [worker], NOW)
            files.insert_new(connection, [File(0, number, "out", FileKind.OUTPUT, FileStatus.FINISHED)])
            history.record(connection, [history.Event(history.Kind.WORKER, number, NOW, None, "x", "y", "z")])
            queues.note(connection, "sizer", {queue: {"text": "hello"}}, NOW)
            queue_versions.register(connection, [QueueVersion(queue, "d", {})], NOW)
        connection.execute(update(schema.jobs).values(phase=JobPhase.SWEEP, report_due=None))
        connection.execute(update(schema.workers).values(phase=WorkerPhase.SWEEP, report_due=None))
        queues.activate(connection, ["Q"], NOW)


def left(db: Database, queue: str = "OLD") -> set[str]:
    """The tables that have something of a queue."""
    with db.read() as connection:
        by_queue = [each for each in schema.metadata.sorted_tables if "queue" in each.c]
        return {
            each.name
            for each in by_queue
            if connection.scalar(select(func.count()).select_from(each).where(each.c.queue == queue))
        } | ({"queues"} if queue in {each.name for each in queues.states(connection)} else set())


def sizes(db: Database) -> list[int]:
    with db.read() as connection:
        return [connection.scalar(select(func.count()).select_from(each)) or 0 for each in TABLES]


def test_nothing_is_left_of_it_and_everything_of_the_others(call: CommandLine, db: Database):
    assert sizes(db) == [2] * len(TABLES)
    assert "queue OLD is gone: 1 worker, 1 job" in call("queue", "purge", "OLD", "--yes").stdout
    assert left(db) == set()
    assert left(db, "Q") >= {"workers", "jobs", "queues", "queue_notes", "queue_versions"}
    assert sizes(db) == [1] * len(TABLES)
    assert call("queue", "purge", "OLD", "--yes").exit_code == 1


def test_a_dry_run_only_tells(call: CommandLine, db: Database):
    told = json.loads(call("queue", "purge", "OLD", "--dry-run", "--json").stdout)
    assert told["may_go"] is True
    assert (told["found"]["workers"], told["found"]["jobs"], told["found"]["uncleaned"]) == (1, 1, 1)
    assert "access points were not cleaned up" in call("queue", "purge", "OLD", "--dry-run").stdout
    assert "workers" in left(db)


def test_it_asks_first(call: CommandLine, db: Database):
    refused = CliRunner().invoke(app, ["queue", "purge", "OLD", "--config", str(call.config)], input="n\n")
    assert refused.exit_code == 1
    assert "workers" in left(db)


def test_workers_that_may_exist_outside_are_kept_unless_they_are_abandoned(call: CommandLine, db: Database):
    live = Worker(3, "OLD", WorkerStatus.PENDING, "unit-3", MapType.NO_JOB)
    with db.write() as connection:
        workers.insert_intents(connection, [live], NOW)
    refused = call("queue", "purge", "OLD", "--yes")
    assert refused.exit_code == 1
    assert "1 worker that may exist on the resource" in refused.stderr
    assert "harvester worker kill --queue OLD" in refused.stderr
    assert sizes(db)[0] == 3
    assert call("queue", "purge", "OLD", "--yes", "--abandon").exit_code == 0
    assert left(db) == set()


def test_what_the_server_has_to_hear_of_is_kept(call: CommandLine, db: Database):
    with db.write() as connection:
        connection.execute(update(schema.jobs).where(schema.jobs.c.job_id == 1).values(report_due=NOW))
        connection.execute(update(schema.workers).where(schema.workers.c.worker_id == 1).values(report_due=NOW))
    refused = call("queue", "purge", "OLD", "--yes").stderr
    assert "1 job that the server waits for and 1 worker of whose end the server has not heard" in refused


@pytest.mark.parametrize("entry", [QUEUE, '{"mapType": "NoJob"}'])
def test_a_queue_that_is_configured_is_kept(call: CommandLine, db: Database, entry: str):
    call.queues.write_text(f'{{"OLD": {entry}}}')
    refused = call("queue", "purge", "OLD", "--yes", "--abandon")
    assert refused.exit_code == 1
    assert "queue OLD is configured" in refused.stderr
    assert "workers" in left(db)


def test_a_queue_of_the_remote_configuration_is_kept_where_the_shell_knows_no_address(call: CommandLine, db: Database):
    fetched = Attempt(REMOTE_QUEUES, {"OLD": {"mapType": "NoJob"}})
    db.transact(lambda connection: cache.note(connection, [fetched], NOW))
    refused = call("queue", "purge", "OLD", "--yes")
    assert refused.exit_code == 1
    assert "queue OLD stands in the remote queue configuration" in refused.stderr
    assert "workers" in left(db)
    gone = Attempt(REMOTE_QUEUES, {"OTHER": {"mapType": "NoJob"}})
    db.transact(lambda connection: cache.note(connection, [gone], NOW))
    assert call("queue", "purge", "OLD", "--yes").exit_code == 0
    assert left(db) == set()


@pytest.mark.parametrize("command", ["queue purge OLD --yes", "queue purge OLD --dry-run"])
def test_a_queue_of_a_pool_that_is_only_fetched_can_be_abandoned(call: CommandLine, db: Database, command: str):
    """Who fetches it for something else has no other way to be rid of an old queue of that name."""
    fetched = Attempt(REMOTE_QUEUES, {"OLD": {"mapType": "NoJob"}})
    db.transact(lambda connection: cache.note(connection, [fetched], NOW))
    assert "purge OLD all the same with --abandon" in call(*command.split()).stderr
    done = call(*command.split(), "--abandon")
    assert done.exit_code == 0, done.output
    assert ("workers" in left(db)) == ("--dry-run" in command)


def test_a_queue_that_a_process_still_serves_is_kept(call: CommandLine, db: Database):
    now, pid = utc_now(), os.getpid()
    with db.write() as connection:
        queues.activate(connection, ["OLD", "Q"], NOW)
        birth = birth_of(pid) or ""
        leases.register_owner(
            connection, socket.gethostname(), pid, birth, now=now, expires_at=now + timedelta(minutes=1)
        )
    assert "a process still serves queue OLD" in call("queue", "purge", "OLD", "--yes", "--abandon").stderr


def test_there_was_no_such_queue(call: CommandLine):
    assert "there is no queue OLDD; did you mean OLD?" in call("queue", "purge", "OLDD", "--yes").stderr
