"""Event ranges through the shared-file messenger: requests, feeding, and what became of them."""

import contextlib
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from messenger_tools import Place
from pydantic import JsonValue

from harvester.core.files import FileKind
from harvester.core.workers import MapType
from harvester.plugins.api import Done, EventFeed, Failed, Later, News, PluginContext, RangesWanted, ReportedEvent
from harvester.plugins.messengers.shared_file import SharedFileMessenger, SharedFileSettings
from moving_clock import MovingClock

Look = Callable[[], News]
RANGES = [{"eventRangeID": f"7-101-1-{number}-1", "startEvent": number} for number in (1, 2)]
FILES = {101: RANGES}


class Died(BaseException):
    """The process is gone."""


def wanted(place: Place, look: Look) -> RangesWanted:
    place.write("worker_requestevents.json", {"101": {"pandaID": 101, "nRanges": 5}})
    found = look().ranges_wanted
    assert found is not None
    return found


def feed(
    messenger: SharedFileMessenger, place: Place, *, delivery: int = 1, token: str = "", ranges: object = None
) -> Done | Later | Failed:
    (answer,) = messenger.feed_events(
        [EventFeed(place.worker, delivery, FILES if ranges is None else ranges, token)]  # type: ignore[arg-type]  # a test's own
    )
    return answer


# ---- requests --------------------------------------------------------------------------------------------------------


def test_a_request_is_told_until_it_is_fulfilled(look: Look, messenger: SharedFileMessenger, place: Place):
    request = wanted(place, look)
    assert request.wanted == {101: 5}
    messenger.acknowledge([place.worker])
    assert look().ranges_wanted == request
    assert feed(messenger, place, token=request.token) == Done()
    assert look().ranges_wanted is None
    assert place.read("JobsEventRanges.json") == {"101": RANGES}


def test_a_newer_request_survives_the_answer_to_an_older_one(look: Look, messenger: SharedFileMessenger, place: Place):
    old = wanted(place, look)
    (place.directory / "newer").write_text('{"101": {"nRanges": 77}}')
    (place.directory / "newer").replace(place.directory / "worker_requestevents.json")
    assert feed(messenger, place, token=old.token) == Done()
    news = look().ranges_wanted
    assert news is not None
    assert news.wanted == {101: 77}
    assert news.token != old.token


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ({"102": {"nRanges": 5}}, "not one of this worker"),
        ({"101": {"nRanges": "5"}}, "nRanges"),
        ({"101": {"nRanges": -1}}, "nRanges"),
        ({"101": {"nRanges": True}}, "nRanges"),
        ({"101": 5}, "not a JSON object"),
        ({}, "nothing"),
        ([], "not a JSON object"),
    ],
)
def test_a_request_that_is_none_is_put_aside(look: Look, place: Place, content: JsonValue, word: str):
    place.write("worker_requestevents.json", content)
    news = look()
    assert news.ranges_wanted is None
    assert word in news.problem
    assert "worker_requestevents.json.invalid" in place.names()


def test_half_a_request_is_waited_for(look: Look, place: Place):
    place.write_text("worker_requestevents.json", '{"101": {"nRan')
    assert "read again" in look().problem
    assert wanted(place, look).wanted == {101: 5}


def test_a_request_cannot_have_more_than_a_worker_can_use(look: Look, place: Place):
    place.write("worker_requestevents.json", {"101": {"nRanges": 10**12}})
    found = look().ranges_wanted
    assert found is not None
    assert found.wanted == {101: 100_000}


@pytest.mark.shows(
    "payload_interaction.eventRequestFile",
    "payload_interaction.eventRangesFile",
    "payload_interaction.updateEventsFile",
)
def test_files_have_the_names_that_are_configured(context: PluginContext, place: Place):
    names = {"eventRequestFile": "ask", "eventRangesFile": "ranges", "updateEventsFile": "updates"}
    settings = SharedFileSettings.model_validate({"accessPoint": "/a/${workerID}"})
    messenger = SharedFileMessenger(settings, replace(context, file_names=names))
    place.write("ask", {"101": {"nRanges": 5}})
    place.write("updates", {"101": [{"eventRangeID": "r-1", "eventStatus": "finished"}]})
    (news,) = messenger.collect([place.worker])
    assert news.ranges_wanted is not None
    assert ids(news.events) == ["r-1"]
    assert feed(messenger, place, token=news.ranges_wanted.token) == Done()
    assert place.read("ranges") == {"101": RANGES}
    assert "ask" not in place.names()


# ---- feeding ---------------------------------------------------------------------------------------------------------


def test_what_the_worker_took_away_does_not_come_again(messenger: SharedFileMessenger, place: Place):
    assert feed(messenger, place) == Done()
    (place.directory / "JobsEventRanges.json").unlink()
    assert feed(messenger, place) == Done()
    assert "JobsEventRanges.json" not in place.names()
    assert feed(messenger, place, delivery=2) == Done()
    assert place.read("JobsEventRanges.json") == {"101": RANGES}


@pytest.mark.parametrize("step", range(8))
def test_killed_at_any_step_the_delivery_arrives_once(
    messenger: SharedFileMessenger, place: Place, monkeypatch: pytest.MonkeyPatch, step: int
):
    arrived = 0
    calls = iter(range(100))

    def dying(real: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **named: object) -> object:
            if next(calls) == step:
                raise Died
            return real(*args, **named)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", dying(os.open))
        patch.setattr(os, "replace", dying(os.replace))
        patch.setattr(Path, "replace", dying(Path.replace))
        with contextlib.suppress(Died):
            feed(messenger, place)
        arrived += take(place)
    assert feed(messenger, place) == Done()
    arrived += take(place)
    assert feed(messenger, place) == Done()
    assert arrived + take(place) == 1


def take(place: Place) -> int:
    """What a worker does: read the ranges and take them away."""
    try:
        assert place.read("JobsEventRanges.json") == {"101": RANGES}
    except FileNotFoundError:
        return 0
    (place.directory / "JobsEventRanges.json").unlink()
    return 1


def test_no_more_ranges_is_an_empty_list(messenger: SharedFileMessenger, place: Place):
    assert feed(messenger, place, ranges={101: []}) == Done()
    assert place.read("JobsEventRanges.json") == {"101": []}


def test_several_jobs_are_fed_in_the_access_point_itself(
    messenger: SharedFileMessenger, make_place: Callable[..., Place]
):
    place = make_place(8, MapType.MANY_TO_ONE, (101, 102))
    assert feed(messenger, place, ranges={101: RANGES, 102: []}) == Done()
    assert place.read("JobsEventRanges.json") == {"101": RANGES, "102": []}


def test_without_an_access_point_nothing_can_be_fed(messenger: SharedFileMessenger, place: Place):
    place.directory.rmdir()
    assert isinstance(feed(messenger, place), Failed)


# ---- what became of ranges -------------------------------------------------------------------------------------------


def dumped(place: Place, *entries: dict[str, JsonValue]) -> None:
    place.write("event_status.dump.json", {"101": [*entries]})


def test_an_event_with_a_file_waits_for_it(look: Look, place: Place):
    place.write_text("ev1.root", "content")
    dumped(place, {"path": "ev1.root", "type": "es_output", "eventRangeID": "r-1", "eventStatus": "finished"})
    news = look()
    assert [(each.lfn, each.kind, each.event_range) for each in news.files] == [("ev1.root", FileKind.ES_OUTPUT, "r-1")]
    assert news.events == (ReportedEvent(101, "r-1", "finished", "ev1.root"),)


def test_many_events_in_one_zip(look: Look, place: Place):
    place.write_text("all.zip", "content")
    dumped(
        place,
        *(
            {"path": "all.zip", "type": "zip_output", "eventRangeID": f"r-{number}", "eventStatus": "finished"}
            for number in range(3)
        ),
    )
    news = look()
    assert [each.lfn for each in news.files] == ["all.zip"]
    assert [(each.range_id, each.lfn) for each in news.events] == [(f"r-{number}", "all.zip") for number in range(3)]


def test_an_event_whose_file_cannot_be_taken_in_has_not_finished(look: Look, place: Place, clock: MovingClock):
    dumped(place, {"path": "/etc/passwd", "type": "es_output", "eventRangeID": "r-1", "eventStatus": "finished"})
    clock.forward(seconds=100)
    news = look()
    assert (news.files, news.events) == ((), ())
    assert "outside the access point" in news.problem


def test_a_file_without_an_event_status_is_kept(look: Look, place: Place):
    place.write_text("ev1.root", "content")
    dumped(place, {"path": "ev1.root", "type": "es_output", "eventRangeID": "r-1"})
    news = look()
    assert len(news.files) == 1
    assert news.events == ()
    assert "eventStatus" in news.problem


def test_events_alone_are_told_until_acknowledged(look: Look, messenger: SharedFileMessenger, place: Place):
    entry = {"eventRangeID": "r-1", "eventStatus": "failed", "coreCount": 4, "cpuConsumptionTime": 12, "loss": "0.1"}
    dumped(place, {"eventRangeID": "r-2", "eventStatus": "running"})
    place.write("worker_updateevents.json", {"101": [{**entry, "errorDiag": ["no text"]}]})
    about = {"coreCount": 4, "cpuConsumptionTime": 12, "loss": "0.1"}
    told = {("r-1", "failed"), ("r-2", "running")}
    for _ in range(2):
        news = look()
        assert {(each.range_id, each.word) for each in news.events} == told
        assert [each.about for each in news.events if each.range_id == "r-1"] == [about]
    messenger.acknowledge([place.worker])
    assert look() == News()
    assert {name.split(".read.")[0] for name in place.names()} == {"event_status.dump.json", "worker_updateevents.json"}


def test_newer_lists_do_not_wait_for_older_ones_for_ever(look: Look, messenger: SharedFileMessenger, place: Place):
    for number in (1, 2):
        dumped(place, {"eventRangeID": f"r-{number}", "eventStatus": "finished"})
        assert ids(look().events) == ["r-1", "r-2"][:number]
    assert messenger.finish([place.assignment()]) == [Done()]
    dumped(place, {"eventRangeID": "r-3", "eventStatus": "finished"})
    assert ids(look().events) == ["r-1", "r-2"]
    assert isinstance(messenger.finish([place.assignment()])[0], Later)
    messenger.acknowledge([place.worker])
    assert ids(look().events) == ["r-3"]
    assert messenger.finish([place.assignment()]) == [Done()]


def test_a_list_that_tells_nothing_does_not_stand_in_the_way(look: Look, place: Place):
    dumped(place)
    assert look() == News()
    dumped(place, {"eventRangeID": "r-1", "eventStatus": "finished"})
    assert ids(look().events) == ["r-1"]


def ids(events: Sequence[ReportedEvent]) -> list[str]:
    return [each.range_id for each in events]


@pytest.mark.parametrize("range_id", ["", "x" * 191, 5, None, "a\nb"])
def test_only_usable_range_ids_are_taken_in(look: Look, place: Place, range_id: JsonValue):
    dumped(
        place,
        {"eventRangeID": range_id, "eventStatus": "finished"},
        {"eventRangeID": "good", "eventStatus": "finished"},
    )
    news = look()
    assert ids(news.events) == ["good"]
    assert "eventRangeID" in news.problem
