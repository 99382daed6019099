"""Workers for gaps in a schedule."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from maker_tools import group_of, maker_of, plan_of
from pydantic import JsonValue

from harvester.core.facts import QueueFacts
from harvester.core.kinds import ANY_KIND
from harvester.core.slots import slot_of
from harvester.plugins.api import FreeSlot, WorkerMaker
from harvester.plugins.workermakers.backfill_sizes import Band, choose, fit

BLOCK: dict[str, JsonValue] = {
    "partition": "titan",
    "dynamicSizing": True,
    "minNodes": 10,
    "maxNodes": 300,
    "nCorePerNode": 16,
    "defaultNodes": 20,
    "defaultWalltimeSeconds": 3000,
    "nSecondsPerEvent": 400,
    "adjusters": [
        {"minNodes": 126, "maxNodes": 312, "minWalltimeSeconds": 3600, "maxWalltimeSeconds": 21600},
        {"minNodes": 10, "maxNodes": 125, "nodesToDecrease": 2, "walltimeSecondsToDecrease": 100},
    ],
}


def maker(**more: JsonValue) -> WorkerMaker[Any]:
    return maker_of("simple_bf_es_worker_maker", "SimpleBackfillESWorkerMaker", {**BLOCK, **more})


@pytest.mark.parametrize(
    ("gap", "used"),
    [
        (FreeSlot(9, 90_000), None),  # narrower than minNodes
        (FreeSlot(50, 1799), None),  # too short for its adjuster
        (FreeSlot(50, 1800), FreeSlot(48, 1700)),
        (FreeSlot(50, 90_000), FreeSlot(48, 7100)),  # longer than its adjuster allows
        (FreeSlot(130, 7200), FreeSlot(129, 7140)),
        (FreeSlot(130, 1900), None),  # wide gaps have to be longer
        (FreeSlot(900, 7200), FreeSlot(300, 7140)),  # maxNodes
    ],
)
def test_which_part_of_a_gap_is_used(gap: FreeSlot, used: FreeSlot | None):
    assert list(maker().choose_slots([gap], 5)) == ([used] if used else [])


def test_the_gaps_of_most_node_seconds_come_first():
    gaps = [FreeSlot(50, 1800), FreeSlot(200, 7200), FreeSlot(50, 7000)]
    assert [slot.nodes * slot.walltime_s for slot in maker().choose_slots(gaps, 2)] == [199 * 7140, 48 * 6900]


@pytest.mark.parametrize(
    ("events", "gap", "nodes", "walltime"),
    [
        (None, None, 20, 3000),  # for no gap: the default
        (None, FreeSlot(12, 1700), 12, 1700),
        (None, FreeSlot(200, 7100), 20, 7100),  # nobody knows how much there is to do
        (100_000, FreeSlot(300, 7140), 300, 7140),
        (14_280, FreeSlot(300, 7140), 52, 7100),  # too little for so many nodes that it would have to be a long job
        (20_000, FreeSlot(300, 7140), 126, 7140),  # 72 nodes would do, but only wide jobs may be this long
        (5, FreeSlot(300, 7140), 20, 7140),  # too little for any adjuster
    ],
)
def test_how_large_a_worker_becomes(events: int | None, gap: FreeSlot | None, nodes: int, walltime: int):
    plan = plan_of(maker(), group_of({"nRemainingEvents": events}, free=gap))
    assert (plan.cores, plan.walltime_s) == (16 * nodes, walltime)


def test_memory_and_scratch_space_are_those_of_the_queue():
    facts = QueueFacts("Q", "Q", core_count=4, max_rss=64_000, max_wdir=5000)
    plan = plan_of(maker(), group_of({}, slot=slot_of(facts, ANY_KIND, {}, has_jobs=True)))
    assert (plan.ram_mb, plan.disk_mb) == (64_000, 5000)


def test_without_dynamic_sizing_no_gap_is_looked_for():
    assert maker().fits_slots
    assert not maker(dynamicSizing=False).fits_slots


def test_what_the_server_said_last_of_its_events_counts():
    group = group_of({"nRemainingEvents": 1_000_000}, free=FreeSlot(300, 7140))
    few = replace(group, jobs=[replace(job, events_left=10) for job in group.jobs])
    assert plan_of(maker(), few) == plan_of(maker(), group_of({"nRemainingEvents": 10}, free=FreeSlot(300, 7140)))
    assert plan_of(maker(), few) != plan_of(maker(), group)


@pytest.mark.parametrize("seconds", [99, 0, None])
def test_seconds_per_event_that_cannot_be_meant(seconds: int | None):
    group = group_of({"nRemainingEvents": 10_000}, free=FreeSlot(300, 7140))
    assert plan_of(maker(nSecondsPerEvent=seconds), group) == plan_of(maker(nSecondsPerEvent=480), group)


BANDS = st.builds(
    lambda least, more, short, longer, nodes, seconds: Band.model_validate(
        {
            "minNodes": least, "maxNodes": least + more, "minWalltimeSeconds": short,
            "maxWalltimeSeconds": short + longer, "nodesToDecrease": nodes, "walltimeSecondsToDecrease": seconds,
        }
    ),
    st.integers(1, 300), st.integers(0, 300), st.integers(1, 9000), st.integers(0, 9000), st.integers(0, 3),
    st.integers(0, 200),
)  # fmt: skip
GAPS = st.builds(FreeSlot, st.integers(1, 600), st.integers(1, 40_000))


@given(st.lists(GAPS, max_size=5), st.lists(BANDS, min_size=1, max_size=4), st.integers(1, 400))
def test_nothing_is_used_that_is_not_free(gaps: list[FreeSlot], bands: list[Band], most: int):
    used = choose(gaps, bands, most)
    assert len(used) <= len(gaps)
    for part in used:
        assert 0 < part.nodes <= most
        assert any(part.nodes <= gap.nodes and 0 < part.walltime_s <= gap.walltime_s for gap in gaps)


@given(GAPS, st.lists(BANDS, min_size=1, max_size=4), st.floats(1, 1e7))
def test_a_worker_fits_into_its_gap(gap: FreeSlot, bands: list[Band], needed: float):
    part = fit(gap, bands, needed)
    if part is not None:
        assert part.nodes <= max(gap.nodes, 2), "one node hands out the events, another one processes them"
        assert 0 < part.walltime_s <= gap.walltime_s
