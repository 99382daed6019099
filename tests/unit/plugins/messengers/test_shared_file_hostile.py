import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from messenger_tools import MakeMessenger, Place
from pydantic import JsonValue

from harvester.plugins.api import News
from harvester.plugins.messengers.shared_file import SharedFileMessenger
from moving_clock import MovingClock

Look = Callable[[], News]
DUMP = "event_status.dump.json"
ATTRIBUTES = "worker_attributes.json"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.just("101"), inner, max_size=4),
    max_leaves=20,
)


def test_a_truncated_file_is_read_again_while_young_and_put_aside_when_old(
    look: Look, place: Place, clock: MovingClock
):
    path = place.write_text(ATTRIBUTES, '{"101": {"nEv')
    place.write("kill_worker.json", {})
    news = look()
    assert str(path) in news.problem
    assert "read again" in news.problem
    assert news.kill_requested
    assert path.exists()
    clock.forward(seconds=61)
    assert f"{path.name}.invalid" in look().problem
    assert place.names() == {f"{ATTRIBUTES}.invalid", "kill_worker.json"}
    assert look() == News(kill_requested=True)


def test_a_truncated_file_that_is_completed_is_simply_news(look: Look, messenger: SharedFileMessenger, place: Place):
    place.write_text(DUMP, '{"101": [{"pa')
    place.write_text("out", "x")
    assert look().problem
    messenger.acknowledge([place.worker])
    place.write(f"{DUMP}.read", {"101": [{"path": "out", "type": "output"}]})
    assert [file.lfn for file in look().files] == ["out"]


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        (ATTRIBUTES, "[" * 40 + "]" * 40, "not a JSON object"),
        (ATTRIBUTES, "[" * 100 + "]" * 100, "deep"),
        (ATTRIBUTES, "[" * 100_000 + "]" * 100_000, "deep"),
        (ATTRIBUTES, '{"a": "' + "x" * 5_000_000 + '"}', "maxReportSize"),
        (ATTRIBUTES, '{"101": {"nEvents": NaN}}', "NaN"),
        (ATTRIBUTES, '{"101": {"nEvents": 1e999}}', "too large"),
        (ATTRIBUTES, '{"101": {"nEvents": ' + "9" * 10_000 + "}}", "digits"),
        (ATTRIBUTES, '{"101": {"node": "\\u0000"}}', "database"),
        (ATTRIBUTES, '{"101": {"\\ud800": 1}}', "database"),
        (ATTRIBUTES, "", "JSON"),
        (ATTRIBUTES, "\x00\x01", "JSON"),
        (DUMP, '["101"]', "not a JSON object"),
        (DUMP, '{"101": "out"}', "no list"),
        (DUMP, '{"999": []}', "not one of this worker"),
        (DUMP, '{"101": [5]}', "not a JSON object"),
        (DUMP, '{"101": [{"path": 5, "type": "output"}]}', "path"),
        (DUMP, '{"101": [{"path": "", "type": "output"}]}', "path"),
        (DUMP, '{"101": [{"path": "out", "type": "input"}]}', "type"),
        (DUMP, '{"101": [{"path": "out", "type": ["output"]}]}', "type"),
        (DUMP, '{"101": [{"path": "out", "type": "output", "fsize": -1}]}', "fsize"),
        (DUMP, '{"101": [{"path": "out", "type": "output", "fsize": true}]}', "fsize"),
        (DUMP, '{"101": [{"path": "out", "type": "output", "chksum": "?"}]}', "chksum"),
        (DUMP, '{"101": [{"path": "out", "type": "output", "guid": "a b"}]}', "guid"),
        (DUMP, '{"101": [{"path": "/etc/hostname", "type": "output"}]}', "outside"),
        (DUMP, '{"101": [{"path": "../../escaped", "type": "output"}]}', "outside"),
        (DUMP, '{"101": [{"path": "link", "type": "output"}]}', "outside"),
        (DUMP, '{"101": [{"path": "loop", "type": "output"}]}', "cannot be reached"),
        (DUMP, '{"101": [{"path": "pipe", "type": "output"}]}', "not a regular file"),
        (DUMP, '{"101": [{"path": "missing", "type": "output"}]}', "does not exist"),
    ],
    ids=lambda value: value[:40],
)
def test_what_cannot_be_used_is_named_and_hurts_nothing_else(  # noqa: PLR0917 - fixtures and table
    look: Look, place: Place, clock: MovingClock, tmp_path: Path, name: str, text: str, why: str
):
    place.write_text("out", "x")
    (tmp_path / "escaped").write_text("x")
    (place.directory / "link").symlink_to(tmp_path / "escaped")
    (place.directory / "loop").symlink_to("loop")
    os.mkfifo(place.directory / "pipe")
    place.write("jobReport.json", {"fine": 1})
    path = place.write_text(name, text)
    clock.forward(seconds=100)
    news = look()
    assert str(path) in news.problem
    assert why in news.problem
    assert news.attributes == {101: {"metaData": '{"fine":1}'}}
    assert news.files == ()


@pytest.mark.parametrize("name", [ATTRIBUTES, DUMP])
@pytest.mark.parametrize("kind", ["link", "pipe", "directory"])
def test_protocol_files_that_are_no_files_are_not_read(look: Look, place: Place, tmp_path: Path, name: str, kind: str):
    secret = tmp_path / "secret.json"
    secret.write_text('{"101": {"node": "secret"}}')
    path = place.directory / name
    {"link": lambda: path.symlink_to(secret), "pipe": lambda: os.mkfifo(path), "directory": path.mkdir}[kind]()
    news = look()
    assert str(path) in news.problem
    assert (news.attributes, news.files) == ({}, ())
    assert look() == News()


def test_a_file_told_twice_is_one_file(look: Look, place: Place):
    place.write_text("out", "x")
    place.write(DUMP, {"101": [{"path": "out", "type": "output"}, {"path": "./out", "type": "output"}]})
    assert [file.lfn for file in look().files] == ["out"]


def test_a_bad_entry_does_not_take_its_neighbours_along(look: Look, place: Place):
    place.write_text("good", "x")
    entries: JsonValue = [{"path": "/etc/hostname", "type": "output"}, {"path": "good", "type": "log"}]
    place.write(DUMP, {"101": entries, "999": entries})
    news = look()
    assert [file.lfn for file in news.files] == ["good"]
    assert "file 1 of job 101 is outside the access point" in news.problem


def test_an_output_that_is_not_visible_yet_is_waited_for(look: Look, place: Place, clock: MovingClock):
    place.write_text("early", "x")
    late = {"path": "late", "type": "output"}
    place.write(DUMP, {"101": [{"path": "early", "type": "output"}, late]})
    assert look().files == ()
    place.write_text("late", "x")
    assert [file.lfn for file in look().files] == ["early", "late"]
    (place.directory / "late").unlink()
    clock.forward(seconds=61)
    assert [file.lfn for file in look().files] == ["early"]


def test_a_file_that_is_too_large_to_be_read_has_to_bring_its_checksum(make_messenger: MakeMessenger, place: Place):
    for name in ("huge", "told", "small"):
        place.write_text(name, "x")
    os.truncate(place.directory / "huge", 8 << 40)
    os.truncate(place.directory / "told", 8 << 40)
    told = {"path": "told", "type": "output", "chksum": "ad:00000001"}
    place.write(DUMP, {"101": [{"path": "huge", "type": "output"}, told, {"path": "small", "type": "output"}]})
    (news,) = make_messenger().collect([place.worker])
    assert [(file.lfn, file.size) for file in news.files] == [("told", 8 << 40), ("small", 1)]
    assert "report chksum" in news.problem
    assert "maxChecksumSize" in news.problem


def test_what_is_read_for_checksums_is_limited_in_all(make_messenger: MakeMessenger, place: Place):
    names = [f"out.{number}" for number in range(5)]
    for name in names:
        place.write_text(name, "x" * 100)
    place.write(DUMP, {"101": [{"path": name, "type": "output"} for name in names]})
    (news,) = make_messenger(maxChecksumSize=250).collect([place.worker])
    assert [file.lfn for file in news.files] == names[:2]


def test_one_file_under_many_names_is_read_once(make_messenger: MakeMessenger, place: Place):
    place.write_text("out", "x" * 100)
    names = [f"out.{number}" for number in range(5)]
    for name in names:
        (place.directory / name).hardlink_to(place.directory / "out")
    place.write(DUMP, {"101": [{"path": name, "type": "output"} for name in names]})
    (news,) = make_messenger(maxChecksumSize=100).collect([place.worker])
    assert [file.lfn for file in news.files] == names
    assert len({file.checksum for file in news.files}) == 1


@given(content=json_values, outputs=json_values)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_content_raises_or_leaves_the_access_point(
    make_messenger: MakeMessenger, place: Place, content: JsonValue, outputs: JsonValue
):
    place.write(ATTRIBUTES, content)
    place.write("jobReport.json", content)
    place.write(DUMP, {"101": outputs if isinstance(outputs, list) else [outputs]})
    (news,) = make_messenger(settleTime=0).collect([place.worker])
    assert set(news.attributes) <= {101}
    assert all(Path(file.path).is_relative_to(place.directory) for file in news.files)
    for path in place.directory.iterdir():
        path.unlink()
