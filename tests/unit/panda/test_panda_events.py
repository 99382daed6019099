"""Event ranges between client and server."""

import json
from collections.abc import Iterator

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from harvester.panda import Credentials, PandaClient
from harvester.panda.devserver import DevControl, DevServer
from harvester.panda.errors import PandaRefused, PandaUnavailable
from harvester.panda.event_messages import EventJob, EventReport, ZipFile, chunks_to_wire, parse_ranges, parse_returns

RANGE: dict[str, JsonValue] = {"eventRangeID": "7-1-1-1-1", "startEvent": 1, "lastEvent": 1}
ZIP = ZipFile("panda.a.zip", 10, "ad:0000abcd", "41/1000")


def answering(status: int, body: object) -> PandaClient:
    text = body if isinstance(body, str) else json.dumps({"success": True, "message": "", "data": body})
    transport = httpx2.MockTransport(lambda _: httpx2.Response(status, text=text))
    return PandaClient("http://panda/api/v1", Credentials(), "h", retries=0, transport=transport)


@pytest.fixture
def control() -> Iterator[tuple[DevControl, PandaClient]]:
    with (
        DevServer(adder_delay=0.0) as server,
        DevControl(server.url) as door,
        PandaClient(server.url, Credentials(), "h", timeout=10) as client,
    ):
        yield door, client


def test_ranges_are_given_once_and_their_ends_are_stored(control: tuple[DevControl, PandaClient]):
    door, client = control
    (job_id,) = door.add_jobs([{"site": "S", "event_ranges": 5, "jobsetID": 9}])
    job = EventJob(job_id, 9, 1)
    assert client.acquire_event_ranges(job, 5) == []
    client.acquire_jobs(site="S", node="n", label="managed", n_jobs=1, computing_element="n")
    assert client.available_event_ranges(job) == 5
    first = client.acquire_event_ranges(job, 3)
    rest = client.acquire_event_ranges(job, 3, scattered=True)
    assert [len(first), len(rest)] == [3, 2]
    assert len({each.range_id for each in [*first, *rest]}) == 5
    assert client.acquire_event_ranges(job, 3) == []
    assert client.available_event_ranges(job) == 0
    reports = [
        EventReport(first[0].range_id, "finished", {"coreCount": 4, "cpuConsumptionTime": 12.7}, ZIP),
        EventReport(first[1].range_id, "running"),
        EventReport("nobody's", "failed"),
        EventReport(first[2].range_id, "finished", zip_file=ZIP),
        EventReport(rest[0].range_id, "fatal", {"errorDiag": "x" * 900}, objstore="41/1000"),
    ]
    assert client.update_event_ranges(reports) == [True, None, False, True, True]
    known = {each["range_id"]: each for each in door.event_ranges(job_id)}
    assert known[first[0].range_id]["about"] == {
        "eventRangeID": first[0].range_id,
        "eventStatus": "finished",
        "coreCount": 4,
        "cpuConsumptionTime": 12,
    }
    assert known[first[0].range_id]["zip_file"] == {
        "lfn": "panda.a.zip",
        "objstoreID": "41/1000",
        "fsize": 10,
        "adler32": "0000abcd",
    }
    assert known[first[1].range_id]["told"] == []
    fatal = known[rest[0].range_id]["about"]
    assert isinstance(fatal, dict)
    assert (fatal["objstoreID"], fatal["pathConvention"]) == ("41", "1000")
    assert fatal["errorDiag"] == "x" * 500


def test_a_server_that_stores_and_cannot_say_so_is_believed():
    report = [EventReport("r", "finished")]
    wordless = "ERROR : Type not serializable: <class 'set'>"
    with answering(500, wordless) as client:
        assert client.update_event_ranges(report) == [True]
    with answering(500, "ERROR : no database") as client, pytest.raises(PandaUnavailable):
        client.update_event_ranges(report)


@pytest.mark.parametrize("data", [[RANGE], {"StatusCode": 0, "eventRanges": [RANGE]}])
def test_both_forms_of_the_answer_are_understood(data: JsonValue):
    with answering(200, data) as client:
        assert [each.given for each in client.acquire_event_ranges(EventJob(1), 5)] == [RANGE]


@pytest.mark.parametrize("data", [None, "no", {"StatusCode": 30}, {"eventRanges": 5}])
def test_an_answer_that_is_none_is_no_end_of_ranges(data: JsonValue):
    with answering(200, data) as client, pytest.raises(PandaUnavailable):
        client.acquire_event_ranges(EventJob(1), 5)


@pytest.mark.parametrize("data", [None, {"StatusCode": 0, "Returns": []}, {"StatusCode": 30}, {"Returns": "x"}])
def test_an_answer_that_does_not_tell_about_each_range_is_no_success(data: JsonValue):
    with answering(200, data) as client, pytest.raises(PandaUnavailable):
        client.update_event_ranges([EventReport("r", "finished")])


@pytest.mark.parametrize(("data", "number"), [(7, 7), ({"nEventRanges": 3}, 3), (None, None), (-1, None), (True, None)])
def test_how_many_are_left(data: JsonValue, number: int | None):
    with answering(200, data) as client:
        assert client.available_event_ranges(EventJob(1)) == number


def test_a_refusal_is_told():
    refusal = json.dumps({"success": False, "message": "production or pilot role required", "data": None})
    with answering(200, refusal) as client, pytest.raises(PandaRefused):
        client.acquire_event_ranges(EventJob(1), 5)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(JSON)
@settings(max_examples=500)
def test_no_answer_breaks_the_client(data: JsonValue):
    for parse in (parse_ranges, lambda data: parse_returns(data, 1)):
        try:
            parse(data)
        except ValueError:
            continue


@given(st.lists(st.tuples(st.sampled_from([None, ZIP]), st.sampled_from([None, "https://s"])), max_size=8))
def test_every_report_stands_in_one_chunk(kinds: list[tuple[ZipFile | None, str | None]]):
    reports = [EventReport(f"r-{place}", "finished", {}, *kind[:1], None, kind[1]) for place, kind in enumerate(kinds)]
    text, order = chunks_to_wire(reports)
    told = [each["eventRangeID"] for chunk in json.loads(text) for each in chunk["eventRanges"]]
    assert told == [reports[place].range_id for place in order]
    assert sorted(order) == list(range(len(reports)))
