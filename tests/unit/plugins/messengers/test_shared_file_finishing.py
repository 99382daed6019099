import io
import lzma
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from messenger_tools import MakeMessenger, Place

from harvester.core.files import FileKind
from harvester.core.workers import MapType
from harvester.plugins.api import Done, Failed, Later, News
from harvester.plugins.messengers.shared_file import SharedFileMessenger
from moving_clock import MovingClock

Look = Callable[[], News]
PARAMS = {"logFile": "log.tgz", "logGUID": "LG-1", "outFiles": "out.root,log.tgz", "taskID": 42}


def _members(archive: Path) -> set[str]:
    with tarfile.open(archive) as tar:
        return set(tar.getnames())


def test_logs_are_packed_and_told_under_the_servers_guid(look: Look, messenger: SharedFileMessenger, place: Place):
    for name in ("pilot.log", "notes.txt", "log.extra", "data.bin", "sub/deeper/payload.log", "sub/data.root"):
        place.write_text(name, name)
    place.write("pandaJobData.out", {"101": {"secrets": "hidden"}})
    assert messenger.finish([place.assignment(PARAMS)]) == [Done()]
    (file,) = look().files
    assert (file.lfn, file.kind, file.guid) == ("log.tgz", FileKind.LOG, "LG-1")
    assert file.size == Path(file.path).stat().st_size
    assert _members(Path(file.path)) == {"pilot.log", "notes.txt", "log.extra", "sub/deeper/payload.log"}


def test_each_worker_of_a_shared_job_has_a_log_of_its_own(
    messenger: SharedFileMessenger, make_place: Callable[..., Place]
):
    place = make_place(map_type=MapType.ONE_TO_MANY)
    place.write_text("pilot.log", "x")
    assert messenger.finish([place.assignment(PARAMS)]) == [Done()]
    (file,) = messenger.collect([place.worker])[0].files
    assert (file.lfn, file.kind) == (f"log.tgz._{place.worker.worker_id}", FileKind.LOG)
    assert file.guid not in {"", "LG-1"}
    assert _members(Path(file.path)) == {"pilot.log"}


def test_finishing_again_changes_nothing(look: Look, messenger: SharedFileMessenger, place: Place):
    place.write_text("pilot.log", "x")
    messenger.finish([place.assignment(PARAMS)])
    (told,) = look().files
    place.write_text("late.log", "x")
    messenger.finish([place.assignment(PARAMS)])
    assert look().files == (told,)
    messenger.acknowledge([place.worker])
    messenger.finish([place.assignment(PARAMS)])
    assert look().files == ()


def test_packing_again_after_a_crash_gives_the_same_archive(
    look: Look, messenger: SharedFileMessenger, make_messenger: MakeMessenger, place: Place
):
    place.write_text("pilot.log", "x")
    messenger.finish([place.assignment(PARAMS)])
    (first,) = look().files
    (place.directory / "post_process.event_status.dump.json.read").unlink()
    again = make_messenger()
    again.finish([place.assignment(PARAMS)])
    assert again.collect([place.worker])[0].files == (first,)


@pytest.mark.parametrize("acknowledged", [False, True])
def test_a_log_that_the_worker_reported_stands(
    look: Look, messenger: SharedFileMessenger, place: Place, *, acknowledged: bool
):
    place.write_text("log.tgz", "mine")
    place.write("event_status.dump.json", {"101": [{"path": "log.tgz", "type": "log", "guid": "MINE"}]})
    if acknowledged:
        look()
        messenger.acknowledge([place.worker])
    messenger.finish([place.assignment(PARAMS)])
    assert (place.directory / "log.tgz").read_text() == "mine"
    assert [file.guid for file in look().files] == ([] if acknowledged else ["MINE"])


def test_what_the_worker_reported_itself_is_told_besides_the_log(
    look: Look, messenger: SharedFileMessenger, place: Place
):
    place.write_text("out.root", "x")
    place.write("event_status.dump.json", {"101": [{"path": "out.root", "type": "output"}]})
    messenger.finish([place.assignment(PARAMS)])
    assert {file.lfn for file in look().files} == {"out.root", "log.tgz"}


DUMP = "event_status.dump.json"
LATE = '{"101": [{"path": "out.root", "type": "output"}]}'


@pytest.mark.parametrize("end", ["", ".read"])
@pytest.mark.parametrize("text", [LATE, '{"101": [{"path"'], ids=["names a missing file", "is broken"])
def test_a_list_of_outputs_that_is_not_settled_holds_the_worker(  # noqa: PLR0917 - fixtures and tables
    look: Look, messenger: SharedFileMessenger, place: Place, clock: MovingClock, end: str, text: str
):
    place.write_text(f"{DUMP}{end}", text)
    (held,) = messenger.finish([place.assignment(PARAMS)])
    assert isinstance(held, Later)
    assert DUMP in held.reason
    assert "log.tgz" not in place.names()
    clock.forward(seconds=61)
    look()
    assert messenger.finish([place.assignment(PARAMS)]) == [Done()]


def test_an_output_that_becomes_visible_late_is_not_lost(look: Look, messenger: SharedFileMessenger, place: Place):
    place.write_text(DUMP, LATE)
    assert look().files == ()
    assert isinstance(messenger.finish([place.assignment(PARAMS)])[0], Later)
    place.write_text("out.root", "x")
    assert messenger.finish([place.assignment(PARAMS)]) == [Done()]
    assert {file.lfn for file in look().files} == {"out.root", "log.tgz"}


@pytest.mark.parametrize("name", ["worker_attributes.json", "jobReport.json"])
def test_a_report_that_is_not_whole_holds_the_worker(messenger: SharedFileMessenger, place: Place, name: str):
    place.write_text(name, '{"101": {"nEv')
    assert isinstance(messenger.finish([place.assignment(PARAMS)])[0], Later)
    place.write(name, {"101": {"nEvents": 1}})
    assert messenger.finish([place.assignment(PARAMS)]) == [Done()]


def test_a_list_in_the_directory_of_a_job_holds_the_worker(
    messenger: SharedFileMessenger, make_place: Callable[..., Place]
):
    place = make_place(map_type=MapType.MANY_TO_ONE, job_ids=(101, 102))
    place.write_text(f"102/{DUMP}", "{")
    (held,) = messenger.finish([place.assignment(PARAMS)])
    assert isinstance(held, Later)
    assert f"102/{DUMP}" in held.reason


@pytest.mark.parametrize("text", ["[" * 100_000, "[]", '{"101": [5]}', '{"999": []}'])
def test_what_time_will_not_mend_holds_nobody(messenger: SharedFileMessenger, place: Place, text: str):
    place.write_text(DUMP, text)
    assert messenger.finish([place.assignment(PARAMS)]) == [Done()]


def test_a_time_in_the_future_holds_the_worker_no_longer(
    messenger: SharedFileMessenger, place: Place, clock: MovingClock
):
    path = place.write_text(DUMP, "{")
    os.utime(path, (2**33, 2**33))
    clock.forward(seconds=61)
    assert messenger.finish([place.assignment(PARAMS)]) == [Done()]


def test_logs_for_which_there_is_no_room_are_named(make_messenger: MakeMessenger, place: Place):
    for name in ("a.log", "c.log"):
        place.write_text(name, "x" * 400)
    place.write_text("b.log", "")
    os.truncate(place.directory / "b.log", 8 << 40)
    assert make_messenger(maxLogSize=1000).finish([place.assignment(PARAMS)]) == [Done()]
    with tarfile.open(place.directory / "log.tgz") as tar:
        assert set(tar.getnames()) == {"a.log", "c.log", "left_out.txt"}
        named = tar.extractfile("left_out.txt")
        assert named is not None
        assert named.read().decode().splitlines() == [f"b.log: {8 << 40} bytes", "1 files were left out"]


def test_links_are_neither_packed_nor_followed(messenger: SharedFileMessenger, place: Place, tmp_path: Path):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "secret.log").write_text("x")
    (place.directory / "stolen.log").symlink_to(secret / "secret.log")
    (place.directory / "sub").symlink_to(secret)
    os.mkfifo(place.directory / "pipe.log")
    assert messenger.finish([place.assignment(PARAMS)]) == [Done()]
    assert _members(place.directory / "log.tgz") == set()


def test_the_declared_outputs_are_found_if_the_worker_said_nothing(make_messenger: MakeMessenger, place: Place):
    messenger = make_messenger(scanInPostProcess=True)
    place.write_text("out.root", "x")
    place.write_text("out.root.tmp", "x")
    messenger.finish([place.assignment(PARAMS)])
    (news,) = messenger.collect([place.worker])
    assert {(file.lfn, file.kind) for file in news.files} == {
        ("out.root", FileKind.OUTPUT),
        ("log.tgz", FileKind.LOG),
    }


def test_left_over_patterns(make_messenger: MakeMessenger, place: Place):
    messenger = make_messenger(
        scanInPostProcess=True,
        leftOverPatterns=[r"^%OUTPUT_FILE\.\d+$", r"^job%PANDAID-%TASKID\.dat$"],
        outputSubDir="results",
    )
    for name in ("out.root.1", "out.root.2", "outXroot.3", "job101-42.dat", "job102-42.dat"):
        place.write_text(f"results/{name}", name)
    place.write_text("out.root.9", "not in the directory of outputs")
    place.write("event_status.dump.json", {"101": [{"path": "results/out.root.2", "type": "es_output"}]})
    messenger.finish([place.assignment(PARAMS)])
    (news,) = messenger.collect([place.worker])
    assert sorted(file.lfn for file in news.files) == ["job101-42.dat", "log.tgz", "out.root.1", "out.root.2"]


def test_left_over_outputs_of_events(make_messenger: MakeMessenger, place: Place):
    messenger = make_messenger(
        scanInPostProcess=True, leftOverPatterns=[r"^es\."], leftOverZipPatterns=[r"\.zip$"], outputSubDir="results"
    )
    for name in ("es.7-101-1-1-1", "rank0/es.7-101-1-2-1"):
        place.write_text(name, name)
    for name in ("results/es.7-101-1-3-1", "rank0/results/es.7-101-1-4-1"):
        place.write_text(name, name)
    with tarfile.open(place.directory / "results" / "packed.zip", "w") as tar:
        for name in ("a.7-101-1-5-1", "a.7-101-1-6-1"):
            tar.add(place.write_text(f"elsewhere/{name}", name), arcname=f"deep/{name}")
    messenger.finish([place.assignment({**PARAMS, "logFile": "NULL"})])
    (news,) = messenger.collect([place.worker])
    assert {(file.lfn, file.kind) for file in news.files} == {
        ("es.7-101-1-3-1", FileKind.ES_OUTPUT),
        ("es.7-101-1-4-1", FileKind.ES_OUTPUT),
        ("packed.zip", FileKind.ZIP_OUTPUT),
    }
    told = {(event.range_id, event.word, event.lfn) for event in news.events}
    assert told == {
        ("7-101-1-3-1", "finished", "es.7-101-1-3-1"),
        ("7-101-1-4-1", "finished", "es.7-101-1-4-1"),
        ("7-101-1-5-1", "finished", "packed.zip"),
        ("7-101-1-6-1", "finished", "packed.zip"),
    }


def test_an_archive_without_members_is_told_as_a_file(make_messenger: MakeMessenger, place: Place):
    messenger = make_messenger(scanInPostProcess=True, leftOverZipPatterns=[r"\.zip$"])
    place.write_text("broken.zip", "no archive")
    messenger.finish([place.assignment({**PARAMS, "logFile": "NULL"})])
    (news,) = messenger.collect([place.worker])
    assert [(file.lfn, file.kind) for file in news.files] == [("broken.zip", FileKind.ZIP_OUTPUT)]
    assert (news.events, news.problem) == ((), "")


def test_of_a_damaged_archive_what_stands_before_the_damage_is_told(make_messenger: MakeMessenger, place: Place):
    messenger = make_messenger(scanInPostProcess=True, leftOverZipPatterns=[r"\.zip$"])
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name in ("a.7-101-1-5-1", "a.7-101-1-6-1"):
            tar.add(place.write_text(f"elsewhere/{name}", os.urandom(50_000).hex()), arcname=name)
    content = bytearray(lzma.compress(packed.getvalue()))
    content[20_000:20_100] = bytes(100)
    (place.directory / "damaged.zip").write_bytes(content)
    assert messenger.finish([place.assignment({**PARAMS, "logFile": "NULL"})]) == [Done()]
    (news,) = messenger.collect([place.worker])
    assert [event.range_id for event in news.events] == ["7-101-1-5-1"]


@pytest.mark.parametrize(("bytes_before", "told"), [(1_000, 1), (2_000_000, 0)])
def test_what_stands_before_a_member_may_not_be_huge(
    make_messenger: MakeMessenger, place: Place, bytes_before: int, told: int
):
    messenger = make_messenger(scanInPostProcess=True, leftOverZipPatterns=[r"\.zip$"])
    member = tarfile.TarInfo("a.7-101-1-5-1")
    member.pax_headers = {"comment": "x" * bytes_before}
    with tarfile.open(place.directory / "packed.zip", "w:gz") as tar:
        tar.addfile(member)
    messenger.finish([place.assignment({**PARAMS, "logFile": "NULL"})])
    (news,) = messenger.collect([place.worker])
    assert len(news.events) == told


def test_a_ready_archive_stands_for_the_logs_of_its_directory(make_messenger: MakeMessenger, place: Place):
    for name in (
        "pilot.log",
        "rank0/packed.tar",
        "rank0/a.log",
        "rank0/deep/b.log",
        "rank1/c.log",
        "rank1/deep/packed.tar",
    ):
        place.write_text(name, name)
    make_messenger(subTarballName="packed.tar").finish([place.assignment(PARAMS)])
    assert _members(place.directory / "log.tgz") == {"pilot.log", "rank0/packed.tar", "rank1/c.log"}


def test_jobs_that_worked_in_their_own_directory(make_messenger: MakeMessenger, place: Place):
    messenger = make_messenger(postProcessInSubDir=True)
    place.write_text("101/payload.log", "x")
    place.write_text("pilot.log", "x")
    messenger.finish([place.assignment(PARAMS)])
    (news,) = messenger.collect([place.worker])
    assert [file.path for file in news.files] == [f"{place.directory}/101/log.tgz"]
    assert _members(place.directory / "101" / "log.tgz") == {"payload.log"}


def test_many_jobs_have_a_log_each(messenger: SharedFileMessenger, make_place: Callable[..., Place]):
    place = make_place(map_type=MapType.MANY_TO_ONE, job_ids=(101, 102))
    place.write_text("101/a.log", "x")
    place.write_text("102/b.log", "x")
    messenger.finish([place.assignment(PARAMS)])
    (news,) = messenger.collect([place.worker])
    assert {(file.job_id, file.path) for file in news.files} == {
        (job, f"{place.directory}/{job}/log.tgz") for job in (101, 102)
    }


def test_a_worker_without_jobs_needs_no_finish(messenger: SharedFileMessenger, make_place: Callable[..., Place]):
    place = make_place(map_type=MapType.NO_JOB, job_ids=())
    place.write_text("pilot.log", "x")
    assert messenger.finish([place.assignment()]) == [Done()]
    assert place.names() == {"pilot.log"}


def test_without_an_access_point_there_is_nothing_to_finish(messenger: SharedFileMessenger, place: Place):
    messenger.clean([place.worker])
    (result,) = messenger.finish([place.assignment(PARAMS)])
    assert isinstance(result, Failed)
    assert str(place.directory) in result.reason


@pytest.mark.parametrize("name", ["../log.tgz", "a/b.tgz"])
def test_a_log_cannot_be_written_elsewhere(messenger: SharedFileMessenger, place: Place, name: str):
    assert messenger.finish([place.assignment({"logFile": name})]) == [Done()]
    assert place.names() == set()
    assert {path.name for path in place.directory.parent.iterdir()} == {place.directory.name}
