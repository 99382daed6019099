"""Files, commands, notes on queues and history."""

from dataclasses import replace

from sqlalchemy import select
from store_tools import NOW, after, intend

from harvester.core.files import File, FileKind, FileStatus
from harvester.store import commands, files, history, queues
from harvester.store.commands import StoredCommand
from harvester.store.engine import Database
from harvester.store.history import Event, Kind
from harvester.store.queues import Note
from harvester.store.schema import queues as queue_table

OUTPUT = File(
    file_id=0,
    job_id=7,
    lfn="out.root",
    kind=FileKind.OUTPUT,
    status=FileStatus.DEFINED,
    path="/access/7/out.root",
    size=2**40,
    checksum="ad:0a0b0c0d",
    guid="G",
    scope="mc",
    dataset="d",
    endpoint="e",
)


def outputs(db: Database, job_id: int = 7) -> list[File]:
    with db.read() as connection:
        return files.of_jobs(connection, [job_id], [FileKind.OUTPUT, FileKind.LOG])[job_id]


# ---- files -----------------------------------------------------------------------------------------------------------


def test_a_file_comes_back_with_a_number_of_its_own(db: Database):
    log = replace(OUTPUT, lfn="log.tgz", kind=FileKind.LOG)
    with db.write() as connection:
        files.insert_new(connection, [OUTPUT, log])
    first, second = outputs(db)
    assert (replace(first, file_id=0), replace(second, file_id=0)) == (OUTPUT, log)
    assert 0 < first.file_id < second.file_id


def test_a_file_is_known_by_its_job_kind_and_name(db: Database):
    with db.write() as connection:
        files.insert_new(connection, [OUTPUT, replace(OUTPUT, size=1)])
        files.insert_new(connection, [replace(OUTPUT, size=2), replace(OUTPUT, job_id=8)])
        files.insert_new(connection, [])
    assert len(outputs(db)) == 1
    assert len(outputs(db, 8)) == 1


def test_files_of_the_wanted_kinds_only(db: Database):
    with db.write() as connection:
        files.insert_new(connection, [OUTPUT, replace(OUTPUT, kind=FileKind.INPUT)])
        found = files.of_jobs(connection, [7, 8], [FileKind.INPUT])
    assert [each.kind for each in found[7]] == [FileKind.INPUT]
    assert found[8] == []


def test_what_became_of_files(db: Database):
    with db.write() as connection:
        files.insert_new(connection, [OUTPUT, replace(OUTPUT, lfn="second")])
    first, second = outputs(db)
    with db.write() as connection:
        files.note_travels(connection, [])
        files.note_travels(
            connection,
            [
                replace(first, status=FileStatus.FINISHED, path="/far", attempts=2),
                replace(second, status=FileStatus.FAILED, path=None, attempts=3),
            ],
        )
    assert [(each.status, each.path, each.attempts) for each in outputs(db)] == [
        (FileStatus.FINISHED, "/far", 2),
        (FileStatus.FAILED, None, 3),
    ]


# ---- commands --------------------------------------------------------------------------------------------------------

KILL = StoredCommand(5, "KILL_WORKERS", None, {"computingSite": "ALL", "n": [1, None]}, ack_requested=True)
QUIET = StoredCommand(6, "SYNC_WORKERS_KILL", "HERE", [1, 2, 3], ack_requested=False)


def test_commands_are_kept_until_they_are_done(db: Database):
    with db.write() as connection:
        commands.store(connection, [QUIET, KILL], NOW)
        assert commands.open_commands(connection, 10) == [KILL, QUIET]
        assert commands.open_commands(connection, 1) == [KILL]
        commands.finish(connection, [5, 6], NOW)
        assert commands.open_commands(connection, 10) == []


def test_a_command_that_comes_again_is_not_done_again(db: Database):
    with db.write() as connection:
        commands.store(connection, [KILL], NOW)
        commands.finish(connection, [5], NOW)
        commands.store(connection, [KILL, QUIET], after(minutes=1))
        commands.store(connection, [], NOW)
        assert commands.open_commands(connection, 10) == [QUIET]


def test_a_command_is_acknowledged_if_the_server_asks(db: Database):
    with db.write() as connection:
        commands.store(connection, [KILL, QUIET], NOW)
        assert commands.to_acknowledge(connection, 10) == []
        commands.finish(connection, [5, 6], NOW)
        assert commands.to_acknowledge(connection, 10) == [5]
        commands.remove_unacknowledged(connection)
        assert commands.to_acknowledge(connection, 10) == [5]
        commands.remove(connection, [5])
        assert commands.to_acknowledge(connection, 10) == []


def test_a_command_with_words_too_long_is_stored_all_the_same(db: Database):
    strange = StoredCommand(1, "N" * 500, "T" * 500, None, ack_requested=False)
    with db.write() as connection:
        commands.store(connection, [strange, KILL], NOW)
        assert [each.command_id for each in commands.open_commands(connection, 10)] == [1, 5]


# ---- notes -----------------------------------------------------------------------------------------------------------


def test_the_last_word_of_each_agent_and_since_when(db: Database):
    with db.write() as connection:
        queues.activate(connection, ["A", "B"], NOW)
        queues.note(connection, "sizer", {"A": {"text": "first"}, "B": {"text": "b"}}, NOW)
        queues.note(connection, "sizer", {"A": {"text": "second"}}, after(minutes=1))
        queues.note(connection, "sizer", {"A": {"text": "second"}}, after(minutes=2))
        queues.note(connection, "monitor", {"A": {"text": "third"}}, after(minutes=3))
        queues.note(connection, "monitor", {}, after(minutes=4))
        first, second = queues.states(connection)
    assert first.notes == (
        Note("monitor", after(minutes=3), {"text": "third"}),
        Note("sizer", after(minutes=1), {"text": "second"}),
    )
    assert second.notes == (Note("sizer", NOW, {"text": "b"}),)


def test_exactly_the_named_queues_are_in_service(db: Database):
    with db.write() as connection:
        queues.activate(connection, ["A", "B"], NOW)
        queues.activate(connection, ["B", "C"], NOW)
        assert {each.name: each.active for each in queues.states(connection)} == {"A": False, "B": True, "C": True}
        queues.activate(connection, [], NOW)
        assert not any(each.active for each in queues.states(connection))


# ---- history ---------------------------------------------------------------------------------------------------------


def test_history_is_told_in_order(db: Database):
    told = [Event(Kind.WORKER, 1, after(seconds=each), None, f"step {each}", "why", "test") for each in range(3)]
    with db.write() as connection:
        history.record(connection, told)
        history.record(connection, [Event(Kind.JOB, 1, NOW, "a", "b", "why", "test")])
        history.record(connection, [])
        assert history.of(connection, Kind.WORKER, 1) == told
        assert history.of(connection, Kind.WORKER, 2) == []
        history.forget(connection, Kind.WORKER, [1, 2])
        assert history.of(connection, Kind.WORKER, 1) == []
        assert [each.was for each in history.of(connection, Kind.JOB, 1)] == ["a"]


def test_a_queue_that_is_gone_is_left_alone_unless_it_holds_workers(db: Database):
    with db.write() as connection:
        queues.activate(connection, ["A", "B", "C"], NOW)
        intend(connection, 1, queue="B")
        queues.leave_alone(connection, ["C"])
        watched = select(queue_table.c.name).where(queue_table.c.monitor_due.is_not(None))
        assert set(connection.scalars(watched)) == {"B", "C"}
        queues.activate(connection, ["A"], after(hours=1), urgent=["A"])
        assert set(connection.scalars(watched)) == {"A", "B", "C"}
        queues.activate(connection, [], NOW, urgent=[])
        queues.leave_alone(connection, [])
        assert set(connection.scalars(watched)) == {"B"}
