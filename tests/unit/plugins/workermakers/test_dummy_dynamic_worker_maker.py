"""Sizes by chance."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from maker_tools import group_of, maker_of, plan_of
from pydantic import JsonValue

from harvester.plugins.api import WorkerMaker

BLOCK: dict[str, JsonValue] = {
    "minJobsPerWorker": 2, "maxJobsPerWorker": 5, "minWorkersPerJob": 1, "maxWorkersPerJob": 3,
}  # fmt: skip


def maker(block: dict[str, JsonValue], drawn: int = 0) -> WorkerMaker[Any]:
    return maker_of("dummy_dynamic_worker_maker", "DummyDynamicWorkerMaker", block, lambda below: drawn % below)


@given(st.integers(0, 1000))
def test_numbers_are_within_their_bounds_and_reach_both_ends(drawn: int):
    assert maker(BLOCK, drawn).jobs_per_worker(9, ()) == 2 + drawn % 4
    assert maker(BLOCK, drawn).workers_per_job(9) == 1 + drawn % 3


def test_what_jobs_ask_for_is_added_up_and_the_longest_counts():
    group = group_of(
        {"coreCount": 4, "minRamCount": 2000, "maxWalltime": 50}, {"maxDiskCount": 7}, walltime_limit_s=20.0
    )
    plan = plan_of(maker(BLOCK), group)
    assert (plan.cores, plan.ram_mb, plan.disk_mb, plan.walltime_s) == (5, 2000, 7, 50)
    assert plan_of(maker(BLOCK), group_of(walltime_limit_s=20.0)).walltime_s == 20


def test_bounds_in_the_wrong_order_are_refused():
    with pytest.raises(Exception, match="a least number is above its largest one"):
        maker({"minJobsPerWorker": 3, "maxJobsPerWorker": 2})
