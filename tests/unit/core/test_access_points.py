import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.core.access_points import fill_access_point


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("/data/${workerID}", "/data/1234567"),
        ("/data/${_workerID_3.2}/${_workerID_1.0}/${workerID}", "/data/45/67/1234567"),
        ("/data/${_workerID_9.0}", "/data/07"),
        ("/data/${harvesterID}/${computingSite}", "/data/cern/SITE"),
        ("/data/${unknown}/x", "/data/${unknown}/x"),
        ("/data/$workerID/${}", "/data/$workerID/${}"),
        ("/data/${batchID}", "/data/None"),
    ],
)
def test_placeholders_are_filled(template: str, path: str):
    attributes = {"workerID": 1234567, "harvesterID": "cern", "computingSite": "SITE", "batchID": None}
    assert fill_access_point(template, 1234567, attributes) == path


@pytest.mark.parametrize(
    ("said", "path"),
    [
        ("SCORE_HIMEM", "/data/SCORE_HIMEM/7"),
        ("../../etc", "/data/_._.._etc/7"),
        ("..", "/data/_./7"),
        ("a\x00b\n", "/data/a_b_/7"),
    ],
)
def test_what_a_server_calls_a_type_is_no_path(said: str, path: str):
    assert fill_access_point("/data/${resourceType}/${workerID}", 7, {"resourceType": said, "workerID": 7}) == path


@given(worker_id=st.integers(0, 2**63 - 1), positions=st.lists(st.integers(0, 30), min_size=1, max_size=8))
def test_digits_count_from_the_right_and_are_zero_where_missing(worker_id: int, positions: list[int]):
    template = "${_workerID_" + ".".join(map(str, positions)) + "}"
    expected = "".join(str(worker_id // 10**place % 10) for place in positions)
    assert fill_access_point(template, worker_id, {}) == expected


@given(st.text(st.characters(exclude_characters="$")))
def test_text_without_placeholders_stays(template: str):
    assert fill_access_point(template, 1, {"workerID": 1}) == template
