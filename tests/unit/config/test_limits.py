"""The limits of a queue agree with each other."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.config.findings import Findings
from harvester.config.limits import with_agreeing_limits
from harvester.config.queue_builder import build_queue
from harvester.config.queue_merge import MergedQueue
from harvester.config.queue_model import LIMIT_KEYS, QueueConfig
from harvester.core.workers import MapType

Stated = dict[str, int | None]
STATED = st.dictionaries(st.sampled_from(LIMIT_KEYS), st.none() | st.integers(0, 10))


def built(stated: Stated, map_type: MapType = MapType.ONE_TO_ONE) -> QueueConfig:
    raw = {"mapType": map_type.value, "submitter": {"plugin": "local"}, **stated}
    queue = build_queue(MergedQueue("Q", raw), Path("/w"), Findings())
    assert queue is not None
    return queue


@given(STATED, st.sampled_from(MapType))
def test_no_more_workers_may_wait_than_there_may_be(stated: Stated, map_type: MapType) -> None:
    queue = built(stated, map_type)
    assert queue.max_workers is not None
    assert queue.n_queue_limit_worker is None or queue.n_queue_limit_worker <= queue.max_workers


@given(STATED, st.sampled_from(MapType))
def test_nothing_changes_the_second_time(stated: Stated, map_type: MapType) -> None:
    once = built(stated, map_type)
    assert with_agreeing_limits(once) == once


@given(STATED, st.sampled_from(MapType))
def test_no_limit_grows(stated: Stated, map_type: MapType) -> None:
    queue = built(stated, map_type)
    for key, name in (("nQueueLimitWorker", "n_queue_limit_worker"), ("nQueueLimitJob", "n_queue_limit_job")):
        limit, before = getattr(queue, name), stated.get(key)
        assert limit is None or before is None or limit <= before


def test_workers_that_fetch_their_own_jobs_have_no_limit_of_jobs() -> None:
    stated: Stated = {"nQueueLimitJob": 5, "nQueueLimitJobMax": 5}
    assert built(stated, MapType.NO_JOB).n_queue_limit_job is None
    assert built(stated).n_queue_limit_job == 5


@pytest.mark.shows("queue.nQueueLimitWorkerMax")
@pytest.mark.parametrize(
    ("stated", "limits"),
    [
        ({}, (0, None)),
        ({"maxWorkers": 5, "nQueueLimitWorkerMax": 9}, (5, 5)),
        ({"maxWorkers": 5, "nQueueLimitWorker": 4, "nQueueLimitWorkerMax": 3}, (5, 3)),
        ({"nQueueLimitWorker": 4}, (0, 0)),
    ],
)
def test_examples(stated: Stated, limits: tuple[int, int | None]) -> None:
    queue = built(stated)
    assert (queue.max_workers, queue.n_queue_limit_worker) == limits


@pytest.mark.shows("queue.nQueueLimitJobMax")
def test_older_name_of_the_job_limit() -> None:
    assert built({"nQueueLimitJobMax": 7}).n_queue_limit_job == 7
