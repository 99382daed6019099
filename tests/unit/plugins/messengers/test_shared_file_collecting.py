import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from messenger_tools import MakeMessenger, Place

from harvester.core.files import FileKind
from harvester.core.workers import MapType
from harvester.plugins.api import News, ReportedFile
from harvester.plugins.messengers.shared_file import SharedFileMessenger
from moving_clock import MovingClock

Look = Callable[[], News]


def test_an_untouched_access_point_tells_nothing(look: Look):
    assert look() == News()


def test_a_missing_access_point_is_a_problem_of_this_worker_only(messenger: SharedFileMessenger, place: Place):
    gone = replace(place.worker, worker_id=8, access_point=f"{place.directory}/gone")
    place.write("kill_worker.json", {})
    lost, found = messenger.collect([gone, place.worker])
    assert gone.access_point in lost.problem
    assert found == News(kill_requested=True)


@pytest.mark.parametrize(
    "content",
    [
        {"101": {"jobStatus": "finished", "nEvents": 5}},
        {"jobStatus": "finished", "nEvents": 5},
        {"jobStatus": "running", "nEvents": 5, "101": {"jobStatus": "finished"}},
    ],
)
def test_attributes_of_the_job_win_over_those_of_the_worker(look: Look, place: Place, content: dict[str, object]):
    place.write("worker_attributes.json", content)
    assert look().attributes == {101: {"jobStatus": "finished", "nEvents": 5}}


def test_the_job_report_becomes_metadata_text(look: Look, place: Place):
    place.write("worker_attributes.json", {"101": {"nEvents": 5}})
    place.write("jobReport.json", {"files": {"output": []}, "é": 1.5})
    assert look().attributes == {101: {"nEvents": 5, "metaData": '{"files":{"output":[]},"\\u00e9":1.5}'}}


def test_attributes_are_told_until_acknowledged_and_again_when_changed(
    look: Look, messenger: SharedFileMessenger, place: Place
):
    place.write("worker_attributes.json", {"nEvents": 1})
    assert look().attributes == look().attributes == {101: {"nEvents": 1}}
    messenger.acknowledge([place.worker])
    assert look().attributes == {}
    place.write("worker_attributes.json", {"nEvents": 22})
    assert look().attributes == {101: {"nEvents": 22}}


def test_a_change_between_look_and_acknowledgement_is_not_lost(
    look: Look, messenger: SharedFileMessenger, place: Place
):
    place.write("worker_attributes.json", {"nEvents": 1})
    look()
    place.write("worker_attributes.json", {"nEvents": 333})
    messenger.acknowledge([place.worker])
    assert look().attributes == {101: {"nEvents": 333}}


def test_an_unchanged_worker_costs_one_listing_and_no_open_file(
    look: Look, messenger: SharedFileMessenger, place: Place, monkeypatch: pytest.MonkeyPatch
):
    place.write("worker_attributes.json", {"nEvents": 1})
    place.write("jobReport.json", {})
    look()
    messenger.acknowledge([place.worker])
    listings, scandir = [], os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: listings.append(path) or scandir(path))
    monkeypatch.setattr(os, "open", lambda *_args, **_kwargs: pytest.fail("a file was opened"))
    assert look() == News()
    assert len(listings) == 1


def test_outputs_are_told_until_acknowledged(
    look: Look, messenger: SharedFileMessenger, place: Place, clock: MovingClock
):
    output = place.write_text("out.root", "Wikipedia")
    entry = {"path": str(output), "type": "output", "fsize": 9, "chksum": "11e60398", "guid": "AB-1"}
    place.write("event_status.dump.json", {"101": [entry]})
    told = (ReportedFile(101, "out.root", FileKind.OUTPUT, str(output), 9, "ad:11e60398", "AB-1", is_zip=False),)
    assert look().files == look().files == told
    assert "event_status.dump.json.read" in place.names()

    messenger.acknowledge([place.worker])

    assert look().files == ()
    stamp = clock.now.strftime("%Y-%m-%d_%H_%M_%S.%f")
    assert place.names() == {"out.root", f"event_status.dump.json.read.{stamp}"}


def test_size_checksum_and_guid_are_found_out_if_not_told(look: Look, place: Place):
    output = place.write_text("out.root", "Wikipedia")
    place.write("event_status.dump.json", {"101": [{"path": "out.root", "type": "output"}]})
    first, second = look(), look()
    (file,) = first.files
    assert (file.path, file.size, file.checksum) == (str(output), 9, "ad:11e60398")
    assert len(file.guid) == 36
    assert first == second


def test_a_third_dump_waits_for_the_acknowledgement_of_the_first(
    look: Look, messenger: SharedFileMessenger, place: Place
):
    for number in (1, 2, 3):
        place.write_text(f"out{number}", "x")
        place.write("event_status.dump.json", {"101": [{"path": f"out{number}", "type": "output"}]})
        assert [file.lfn for file in look().files] == ["out1", "out2"][:number]
    messenger.acknowledge([place.worker])
    assert [file.lfn for file in look().files] == ["out3"]


def test_a_dump_that_was_read_before_a_crash_is_told_by_the_next_harvester(
    look: Look, make_messenger: MakeMessenger, place: Place
):
    place.write_text("out", "x")
    place.write("event_status.dump.json", {"101": [{"path": "out", "type": "output"}]})
    before = look()
    restarted = make_messenger()
    restarted.acknowledge([place.worker])
    assert restarted.collect([place.worker]) == [before]


def test_a_pulling_worker_says_which_jobs_it_runs(messenger: SharedFileMessenger, make_place: Callable[..., Place]):
    place = make_place(map_type=MapType.NO_JOB, job_ids=())
    place.write("worker_pandaids.json", [101, "102", 101])
    place.write("worker_attributes.json", {"101": {"nEvents": 1}})
    (news,) = messenger.collect([place.worker])
    assert news.job_ids == (101, 102)
    assert news.attributes == {101: {"nEvents": 1}}


def test_the_list_that_harvester_wrote_itself_is_no_news(look: Look, place: Place):
    place.write("worker_pandaids.json", [101])
    assert look().job_ids == ()


def test_many_jobs_report_from_their_directories(messenger: SharedFileMessenger, make_place: Callable[..., Place]):
    place = make_place(map_type=MapType.MANY_TO_ONE, job_ids=(101, 102, 103))
    place.write("101/worker_attributes.json", {"nEvents": 1})
    place.write("102/worker_attributes.json", {"102": {"nEvents": 2}})
    place.write_text("102/out", "x")
    place.write("102/event_status.dump.json", {"102": [{"path": "out", "type": "output"}]})
    place.write("worker_heartbeat.json", {})
    (news,) = messenger.collect([place.worker])
    assert news.attributes == {101: {"nEvents": 1}, 102: {"nEvents": 2}}
    assert [file.path for file in news.files] == [f"{place.directory}/102/out"]
    assert news.heartbeat_at is not None
    assert not news.problem


def test_the_heartbeat_is_the_time_of_its_file_but_never_in_the_future(look: Look, place: Place, clock: MovingClock):
    path = place.write("worker_heartbeat.json", {})
    os.utime(path, (1_000_000_000, 1_000_000_000))
    assert look().heartbeat_at == datetime(2001, 9, 9, 1, 46, 40, tzinfo=UTC)
    os.utime(path, (clock.now.timestamp() + 1e6,) * 2)
    assert abs(look().heartbeat_at - clock.now) < timedelta(milliseconds=1)


def test_outputs_may_lie_in_directories_that_the_queue_allows(
    make_messenger: MakeMessenger, place: Place, tmp_path: Path
):
    elsewhere = tmp_path / "store"
    elsewhere.mkdir()
    (elsewhere / "out").write_text("x")
    place.write("event_status.dump.json", {"101": [{"path": f"{elsewhere}/out", "type": "output"}]})
    (news,) = make_messenger(allowedOutputPaths=[str(elsewhere)]).collect([place.worker])
    assert [file.path for file in news.files] == [f"{elsewhere}/out"]


def test_file_names_come_from_the_queue_then_the_instance_then_the_template(
    make_messenger: MakeMessenger, place: Place, context: object
):
    named = make_messenger(killWorkerFile="kill_worker")
    place.write("kill_worker", {})
    (news,) = named.collect([place.worker])
    assert news.kill_requested
    named.context = replace(context, file_names={"killWorkerFile": "stop.json", "heartbeatFile": "alive"})
    by_instance = SharedFileMessenger(make_messenger().settings, named.context)
    place.write("alive", {})
    (news,) = by_instance.collect([place.worker])
    assert not news.kill_requested
    assert news.heartbeat_at is not None
