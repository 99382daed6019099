"""Names of points and their checkpoints, and losses."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.core.samples import SamplePoint, is_undescribed, loss_of, point_of_checkpoint, point_of_range

tasks = st.integers(min_value=0, max_value=2**62)
points = st.from_regex(r"[0-9A-Za-z]{1,64}", fullmatch=True)


@given(tasks, points, st.integers(0, 10**10), st.integers(0, 10**10), st.integers(0, 99))
def test_a_range_names_its_point(task: int, point: str, job: int, file: int, attempt: int):
    assert point_of_range(f"{task}-{job}-{file}-{point}-{attempt}") == SamplePoint(task, point)


@given(st.text(max_size=60) | st.from_regex(r"[0-9]-[0-9]-[0-9]-[0-9/.%]{1,9}-[0-9]", fullmatch=True))
def test_a_point_never_leads_to_another_address(text: str):
    with suppress(ValueError):
        assert point_of_range(text).point_id.isalnum()


@pytest.mark.parametrize("text", ["", "1-2-3-4", "1-2-3-4-5-6", "1-2-3--5", "x-2-3-4-5", "1-2-3-../4-5", "1-2-3-4-5\n"])
def test_a_range_without_a_point_says_so(text: str):
    with pytest.raises(ValueError, match="names no point"):
        point_of_range(text)


@given(tasks, points)
def test_a_checkpoint_is_known_by_its_name(task: int, point: str):
    expected = SamplePoint(task, point)
    assert point_of_checkpoint(expected.checkpoint, task) == expected
    assert point_of_checkpoint(expected.checkpoint, task + 1) is None


@pytest.mark.parametrize("lfn", ["", "7", "7_", "_1", "7_1_2", "7_1.ckpt", "x_1", "7_../1"])
def test_a_file_of_another_name_is_no_checkpoint(lfn: str):
    assert point_of_checkpoint(lfn, 7) is None


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_loss_is_a_number_or_its_text(loss: float):
    assert loss_of({"loss": loss}) == loss_of({"loss": repr(loss)}) == loss


@pytest.mark.parametrize("told", [None, "", "small", "nan", "inf", 10**400, [1], {"a": 1}])
def test_what_is_no_loss_is_refused(told: object):
    with pytest.raises(ValueError, match="is no loss"):
        loss_of({"loss": told})


def test_a_range_is_undescribed_until_its_point_is_there():
    assert is_undescribed({"eventRangeID": "r", "hp_point": None})
    assert not is_undescribed({"eventRangeID": "r", "hp_point": {}})
    assert not is_undescribed({"eventRangeID": "r"})
