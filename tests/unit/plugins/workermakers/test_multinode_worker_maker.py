"""Workers of many nodes, as many as configured or as many as are free."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from maker_tools import group_of, maker_of, plan_of, worker_of
from pydantic import JsonValue

from harvester.plugins.api import FreeSlot, WorkerMaker

STATIC: dict[str, JsonValue] = {"mode": "static", "nNodes": 10, "nJobsPerNode": 2, "walltimelimit": 3600}


def maker(**block: JsonValue) -> WorkerMaker[Any]:
    return maker_of("multinode_worker_maker", "MultiNodeWorkerMaker", block)


def test_a_static_worker_has_the_configured_nodes():
    made = maker(**STATIC, nCorePerJob=8, executor="aprun", pilot="/opt/pilot")
    assert not made.fits_slots
    assert made.jobs_per_worker(5, ()) == 20
    plan = plan_of(made, group_of({"minRamCount": 10, "maxDiskCount": 3}, {"minRamCount": 5}, cores_per_node=16))
    assert (plan.cores, plan.ram_mb, plan.disk_mb, plan.walltime_s) == (160, 15, 3, 3600)
    assert made.launch_scripts([worker_of(160, range(20)), worker_of(160)]) == ["aprun -n 20 -d 8 /opt/pilot"] * 2


def test_nodes_whose_cores_nobody_says_have_those_of_their_jobs():
    assert plan_of(maker(**STATIC, nCorePerJob=8), group_of()).cores == 160


def test_the_wall_time_of_the_queue_counts_where_the_maker_has_none():
    assert plan_of(maker(mode="static", nNodes=2), group_of(walltime_limit_s=900.0)).walltime_s == 900


@given(st.lists(st.builds(FreeSlot, st.integers(1, 500), st.integers(1, 90_000)), max_size=5), st.integers(1, 9))
def test_a_dynamic_worker_is_as_large_as_the_largest_free_slot(free: list[FreeSlot], number: int):
    made = maker(**{**STATIC, "mode": "dynamic"})
    assert made.fits_slots
    slots = made.choose_slots(free, number)
    assert len(slots) == (number if free else 0)
    for slot in slots:
        assert slot.nodes == max(each.nodes for each in free)
        assert made.jobs_per_worker(number, slots) == 2 * slot.nodes
        plan = plan_of(made, group_of(free=slot, cores_per_node=4))
        assert (plan.cores, plan.walltime_s) == (4 * slot.nodes, slot.walltime_s)


def test_with_dynamic_sizing_so_many_workers_share_what_is_free_as_are_ready():
    made = maker(mode="dynamic", dynamicSizing=True, nReadyResources=2)
    assert len(made.choose_slots([FreeSlot(5, 60)], 9)) == 2


@pytest.mark.parametrize("block", [{"mode": "both"}, {"nNodes": 0}, {"walltimelimit": -1}])
def test_what_cannot_be_meant_is_refused(block: dict[str, JsonValue]):
    with pytest.raises(Exception, match="queue Q, block workerMaker"):
        maker(**block)
