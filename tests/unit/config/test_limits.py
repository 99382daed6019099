"""The limits of a queue agree with each other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.config.limits import LIMIT_KEYS, normalise
from harvester.core.workers import MapType

VALUES = st.none() | st.integers(0, 10)
STATED = st.dictionaries(st.sampled_from(LIMIT_KEYS), VALUES)


@given(STATED, st.sampled_from(MapType))
def test_no_limit_is_above_its_ceiling(stated: dict[str, int | None], map_type: MapType) -> None:
    limits = normalise(stated, map_type)
    for kind in ("Worker", "WorkerCores", "WorkerMemory", "Job", "JobCores"):
        least, limit = limits[f"nQueueLimit{kind}Min"], limits[f"nQueueLimit{kind}"]
        assert least is None or limit is None or least <= limit
    queued, total = limits["nQueueLimitWorker"], limits["maxWorkers"]
    assert total is not None
    assert queued is None or queued <= total


@given(STATED, st.sampled_from(MapType))
def test_nothing_changes_the_second_time(stated: dict[str, int | None], map_type: MapType) -> None:
    once = normalise(stated, map_type)
    assert normalise(once, map_type) == once


@given(STATED, st.sampled_from(MapType))
def test_no_limit_grows(stated: dict[str, int | None], map_type: MapType) -> None:
    for key, limit in normalise(stated, map_type).items():
        before = stated.get(key)
        assert limit is None or before is None or limit <= before


@pytest.mark.parametrize("map_type", MapType)
def test_limits_of_the_other_mode_are_dropped(map_type: MapType) -> None:
    limits = normalise(dict.fromkeys(LIMIT_KEYS, 5), map_type)
    dropped = {key for key, limit in limits.items() if limit is None}
    pull = map_type is MapType.NO_JOB
    assert dropped == (
        {key for key in LIMIT_KEYS if "Job" in key} if pull else {"nQueueLimitWorkerRatio", "nQueueLimitWorkerMin"}
    )


@pytest.mark.parametrize(
    ("stated", "key", "limit"),
    [
        ({}, "maxWorkers", 0),
        ({}, "nQueueLimitWorker", None),
        ({"maxWorkers": 5, "nQueueLimitWorkerMax": 9}, "nQueueLimitWorker", 5),
        ({"maxWorkers": 5, "nQueueLimitWorker": 4, "nQueueLimitWorkerMax": 3}, "nQueueLimitWorker", 3),
        ({"maxWorkers": 5, "nQueueLimitWorkerMin": 9}, "nQueueLimitWorkerMin", 5),
        ({"nQueueLimitWorkerCores": 8, "nQueueLimitWorkerCoresMin": 9}, "nQueueLimitWorkerCoresMin", 8),
    ],
)
def test_examples_of_pull(stated: dict[str, int], key: str, limit: int | None) -> None:
    assert normalise(stated, MapType.NO_JOB)[key] == limit


def test_older_name_of_the_job_limit() -> None:
    assert normalise({"nQueueLimitJobMax": 7}, MapType.ONE_TO_ONE)["nQueueLimitJob"] == 7
