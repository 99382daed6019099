"""Anything may come to the door: it is answered, and nothing but the files of the protocol is ever made."""

import json
from pathlib import Path

import pytest
from door_tools import House, MakeHouse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harvester.core.workers import MapType
from harvester.web.calls import METHODS

ANSWERS = frozenset({200, 400, 403, 404, 405, 411, 413, 415, 429, 501, 503})
MADE = frozenset(
    {
        "101",
        "event_status.dump.json",
        "jobReport.json",
        "kill_worker.json",
        "worker_attributes.json",
        "worker_heartbeat.json",
        "worker_requestevents.json",
        "worker_requestjob.json",
    }
)

keys = st.sampled_from(["101", "jobStatus", "nJobs", "path"]) | st.text()
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)
numbers = st.sampled_from([7, 8, 101, 0, -1, 2**63, 2**64, 10**400, 7.0, "7", True, None]) | json_values
methods = st.sampled_from([*METHODS, "test", "../x", ""]) | st.text() | json_values
calls = st.fixed_dictionaries(
    {"methodName": methods, "workerID": numbers, "data": json_values}, optional={"pandaID": numbers, "x": json_values}
)
bodies = st.one_of(
    calls.map(lambda each: json.dumps(each).encode()),
    json_values.map(lambda each: json.dumps(each).encode()),
    st.binary(max_size=200),
    st.tuples(calls, st.integers(0, 60), st.binary(min_size=1, max_size=3)).map(
        lambda each: json.dumps(each[0]).encode()[: each[1]] + each[2] + json.dumps(each[0]).encode()[each[1] :]
    ),
)
latin = st.text(st.characters(max_codepoint=0xFF), max_size=40)
heads = st.dictionaries(
    st.sampled_from(
        [
            "CONTENT_TYPE",
            "CONTENT_LENGTH",
            "HTTP_AUTHORIZATION",
            "HTTP_TRANSFER_ENCODING",
            "PATH_INFO",
            "QUERY_STRING",
            "REMOTE_ADDR",
            "REQUEST_METHOD",
        ]
    ),
    latin,
    max_size=2,
)
requests = st.lists(
    st.tuples(bodies, heads | st.just({}), st.sampled_from(["ours", "other", "none"])), min_size=1, max_size=30
)


@pytest.fixture
def fuzzed(build: MakeHouse) -> House:
    house = build()
    house.add_worker(7, map_type=MapType.MANY_TO_ONE, job_ids=(101,))
    (house.place / "access" / "7" / "101").mkdir()
    house.add_worker(8)
    return house


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=requests)
def test_every_request_has_an_answer(fuzzed: House, asked: list[tuple[bytes, dict[str, str], str]]):
    visitor = fuzzed.visitor()
    tokens = {"ours": fuzzed.token(7), "other": fuzzed.token(8), "none": None}
    for body, more, whose in asked:
        fuzzed.time.forward(0.1)
        status, text = visitor.knock(body, tokens[whose], **more)
        assert status in ANSWERS, (status, text)
        assert "Traceback" not in text
    made = {
        path.name
        for each in (7, 8)
        for path in Path(fuzzed.place, "access", str(each)).rglob("*")
        if path.name != "101"
    }
    assert made <= MADE
