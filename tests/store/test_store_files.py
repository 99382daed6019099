"""Files that are packed, travel together or are shared, on each engine."""

from dataclasses import replace

from sqlalchemy import select, update
from store_tools import NOW, after, fetch

from harvester.core.files import EVENT_KINDS, File, FileKind, FileStatus
from harvester.store import files, jobs, shared_inputs
from harvester.store.engine import Database
from harvester.store.schema import jobs as job_table
from harvester.store.shared_inputs import InputState


def pending(job: int, lfn: str, **more: object) -> File:
    known = {"kind": FileKind.ES_OUTPUT, "status": FileStatus.PENDING, "worker_id": 5, "provenance": "p", **more}
    return File(0, job, lfn, **known)


def all_of(db: Database, *job_ids: int) -> list[File]:
    with db.read() as connection:
        found = files.of_jobs(connection, job_ids, list(FileKind))
    return [each for job in job_ids for each in found[job]]


def test_everything_about_a_file_is_kept(db: Database):
    full = File(
        0, 7, "a", FileKind.ZIP_OUTPUT, FileStatus.TRANSFERRING, "/a", 2**40, "ad:1", "g", "s", "d", "e", 3,
        url="https://there/a", worker_id=2**40, provenance="p", packed_in=8, group_id="task", group_status="active",
        grouped_at=NOW, objstore_id=117, path_convention=1000,
    )  # fmt: skip
    with db.write() as connection:
        files.insert_new(connection, [full])
    (found,) = all_of(db, 7)
    assert replace(found, file_id=0) == full


def test_parcels_become_files_with_members(db: Database):
    with db.write() as connection:
        files.insert_new(connection, [pending(7, "a"), pending(7, "b"), pending(7, "c"), pending(8, "a")])
    first, second, _, other = all_of(db, 7, 8)
    with db.write() as connection:
        assert files.pack(connection, []) == []
        made = files.pack(connection, [[first, second], [other]])
    stored = {each.file_id: each for each in all_of(db, 7, 8)}
    assert {each.file_id: each for each in made} == {key: each for key, each in stored.items() if each.lfn != "c"}
    new = {each.job_id: each for each in made if each.kind is FileKind.ZIP_OUTPUT}
    assert {each.lfn for each in new.values()} == {"panda.a.zip"}
    assert [stored[each.file_id].packed_in for each in (first, second, other)] == [
        new[7].file_id,
        new[7].file_id,
        new[8].file_id,
    ]


def test_a_checkpoint_that_is_written_again_is_renewed(db: Database):
    point = File(0, 7, "point", FileKind.CHECKPOINT, FileStatus.DONE, "/old", 1, "ad:1")
    with db.write() as connection:
        files.insert_new(connection, [point, replace(point, kind=FileKind.OUTPUT)])
        files.renew(connection, [replace(point, path="/new", size=2, checksum="ad:2")])
    assert [(each.kind, each.status, each.path, each.size) for each in all_of(db, 7)] == [
        (FileKind.CHECKPOINT, FileStatus.RENEWED, "/new", 2),
        (FileKind.OUTPUT, FileStatus.DONE, "/old", 1),
    ]


def test_a_word_on_a_group_is_written_to_all_of_it(db: Database):
    with db.write() as connection:
        fetch(connection, 7, 8)
        some = [pending(7, "a", group_id="x"), pending(8, "a", group_id="x"), pending(8, "b", group_id="y")]
        files.insert_new(connection, some)
        files.note_groups(connection, {}, NOW)
        files.note_groups(connection, {"x": "active", "z": None}, after(minutes=1))
    found = all_of(db, 7, 8)
    assert [each.group_status for each in found] == ["active", "active", None]
    assert [each.grouped_at for each in found] == [after(minutes=1), after(minutes=1), None]


def test_jobs_with_outputs_to_be_made_or_moved(db: Database):
    with db.write() as connection:
        some = [
            pending(1, "a"),
            pending(2, "a", status=FileStatus.ZIPPED),
            pending(3, "a", status=FileStatus.DEFINED),
            pending(4, "a", status=FileStatus.DEFINED, kind=FileKind.LOG),
        ]
        files.insert_new(connection, some)
        assert files.jobs_with_open_outputs(connection, [1, 2, 3, 4], EVENT_KINDS) == {3}


# ---- shared inputs ---------------------------------------------------------------------------------------------------


def an_input(job: int, status: FileStatus, lfn: str = "a", **more: object) -> File:
    return File(0, job, lfn, FileKind.INPUT, status, scope="s", endpoint="E", **more)


def test_how_an_input_stands_in_each_queue(db: Database):
    with db.write() as connection:
        fetch(connection, 1, 2, 3, 4)
        fetch(connection, 5, queue="THERE")
        statuses = (FileStatus.TO_PREPARE, FileStatus.PREPARING, FileStatus.TRIGGERED, FileStatus.READY)
        files.insert_new(connection, [an_input(job, status) for job, status in enumerate(statuses, 1)])
        files.insert_new(connection, [an_input(5, FileStatus.TRIGGERED), an_input(5, FileStatus.READY, "b")])
        jobs.cancel(connection, {1: {}}, NOW)
    first, second, third, ready, elsewhere, _ = all_of(db, 1, 2, 3, 4, 5)
    with db.read() as connection:
        states = {each.queue: each for each in shared_inputs.states_of(connection, ["a", "other"])}
        assert shared_inputs.find(connection, [ready.file_id]) == {ready.file_id: ready}
        assert shared_inputs.needed(connection, ["a", "b", "c"]) == {"a", "b"}
    here = InputState("a", "s", "E", "HERE", ready.file_id, third.file_id, second.file_id)
    assert states == {
        "HERE": here,
        "THERE": InputState("a", "s", "E", "THERE", None, elsewhere.file_id, None),
    }
    assert first.file_id < second.file_id


def test_jobs_that_have_ended_need_no_input_and_have_none_to_give(db: Database):
    with db.write() as connection:
        fetch(connection, 1)
        files.insert_new(connection, [an_input(1, FileStatus.READY)])
        jobs.cancel(connection, {1: {}}, NOW)
        (state,) = shared_inputs.states_of(connection, ["a"])
        assert (state.ready, state.moving, state.waiting) == (None, None, None)
        assert shared_inputs.needed(connection, ["a"]) == frozenset()


def test_whoever_waits_for_an_input_is_called(db: Database):
    with db.write() as connection:
        fetch(connection, 1, 2)
        files.insert_new(connection, [an_input(1, FileStatus.PREPARING), an_input(2, FileStatus.TO_PREPARE)])
        connection.execute(update(job_table).values(due=after(hours=1)))
        shared_inputs.call_waiting(connection, ["a"], NOW)
        dues = dict(connection.execute(select(job_table.c.job_id, job_table.c.due)).all())
    assert dues == {1: NOW, 2: after(hours=1)}


def test_a_checkpoint_that_was_written_anew_while_it_was_brought_away_is_brought_again(db: Database):
    points = [File(0, 7, f"1_{place}", FileKind.CHECKPOINT, FileStatus.RENEWED, "/p", 1, "ad:1") for place in range(3)]
    with db.write() as connection:
        files.insert_new(connection, points)
    known = all_of(db, 7)
    with db.write() as connection:
        files.renew(connection, [replace(known[1], size=2, checksum="ad:2")])
        done = [replace(each, status=FileStatus.DONE, attempts=1) for each in known[:2]]
        files.note_uploads(connection, [*done, replace(known[2], attempts=1)])
        files.note_uploads(connection, [])
    assert [(each.status, each.attempts) for each in all_of(db, 7)] == [
        (FileStatus.DONE, 1),
        (FileStatus.RENEWED, 0),
        (FileStatus.RENEWED, 1),
    ]


def test_a_checkpoint_that_nobody_needs_is_not_brought_away(db: Database):
    point = File(0, 7, "1_1", FileKind.CHECKPOINT, FileStatus.RENEWED, "/p", 1, "ad:1")
    with db.write() as connection:
        files.insert_new(connection, [point, replace(point, lfn="1_2"), replace(point, job_id=8)])
        files.drop_checkpoints(connection, {(7, "1_1"), (9, "1_1")})
        files.drop_checkpoints(connection, set())
    assert [each.status for each in all_of(db, 7, 8)] == [FileStatus.DONE, FileStatus.RENEWED, FileStatus.RENEWED]
