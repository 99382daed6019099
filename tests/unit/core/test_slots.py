import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.core.facts import QueueFacts
from harvester.core.kinds import WorkerKind
from harvester.core.resource_types import Requirement, read_resource_types, requirement_of, type_of_size
from harvester.core.slots import slot_of

TYPES = read_resource_types(
    [
        {"resource_name": "SCORE", "mincore": 1, "maxcore": 1, "minrampercore": 0, "maxrampercore": 2000},
        {"resource_name": "SCORE_HIMEM", "mincore": 1, "maxcore": 1, "minrampercore": 2001, "maxrampercore": None},
        {"resource_name": "MCORE", "mincore": 2, "maxcore": None, "minrampercore": 0, "maxrampercore": 2000},
        {"resource_name": "MCORE_HIMEM", "mincore": 2, "maxcore": None, "minrampercore": 2001, "maxrampercore": None},
        {"resource_name": ""},
        "nonsense",
    ]
)
PLAIN = QueueFacts("Q", "Q", core_count=8, max_rss=16000, max_wdir=5000, max_time=3600, type="production")
UNIFIED = QueueFacts("Q", "Q", core_count=8, max_rss=24000, is_unified=True)
GREEDY = QueueFacts("Q", "Q", core_count=8, max_rss=24000, is_unified=True, uses_max_ram=True)


@pytest.mark.parametrize(
    ("facts", "resource_type", "cores", "ram_mb"),
    [
        (PLAIN, None, 8, 16000),
        (PLAIN, "SCORE", 8, 16000),
        (UNIFIED, "SCORE", 1, 2000),
        (UNIFIED, "SCORE_HIMEM", 1, 3000),
        (UNIFIED, "MCORE", 8, 16000),
        (UNIFIED, "MCORE_HIMEM", 8, 24000),
        (UNIFIED, None, 1, 2000),
        (UNIFIED, "UNHEARD", 1, 2000),
        (GREEDY, "SCORE", 1, 3000),
        (GREEDY, "MCORE", 8, 24000),
        (QueueFacts("Q", "Q"), None, 1, 1),
    ],
)
def test_slots_follow_the_information_system(facts: QueueFacts, resource_type: str | None, cores: int, ram_mb: int):
    slot = slot_of(facts, WorkerKind(resource_type=resource_type), TYPES, has_jobs=False)
    assert (slot.cores, slot.ram_mb) == (cores, ram_mb)


def test_without_the_types_of_the_server_a_unified_queue_gives_single_cores():
    slot = slot_of(UNIFIED, WorkerKind(), {}, has_jobs=False)
    assert (slot.cores, slot.ram_mb, slot.resource_type) == (1, 3000, "SCORE")


@pytest.mark.parametrize(
    ("queue_type", "kind", "job_type"),
    [
        ("production", WorkerKind(), "managed"),
        ("analysis", WorkerKind(), "user"),
        ("unified", WorkerKind(), None),
        ("production", WorkerKind("user"), "user"),
        ("production", WorkerKind("user", label="rc_alrb"), "managed"),
        ("analysis", WorkerKind("user", label="rc_alrb"), "user"),
    ],
)
def test_job_types_follow_the_order_and_the_queue(queue_type: str, kind: WorkerKind, job_type: str | None):
    assert slot_of(QueueFacts("Q", "Q", type=queue_type), kind, TYPES, has_jobs=False).job_type == job_type


@pytest.mark.parametrize(
    ("cores", "ram_mb", "name"),
    [(1, 2000, "SCORE"), (1, 2001, "SCORE_HIMEM"), (8, 16000, "MCORE"), (8, 17000, "MCORE_HIMEM"), (8, 0, "MCORE")],
)
def test_sizes_have_a_type(cores: int, ram_mb: int, name: str):
    assert type_of_size(TYPES, Requirement(cores, ram_mb)) == name


def test_types_know_what_they_are():
    assert {name for name, kind in TYPES.items() if kind.is_high_memory} == {"SCORE_HIMEM", "MCORE_HIMEM"}
    assert {name for name, kind in TYPES.items() if kind.is_single_core} == {"SCORE", "SCORE_HIMEM"}


@settings(max_examples=2500)
@given(st.integers(1, 128), st.integers(1, 10**6), st.booleans(), st.none() | st.sampled_from([*TYPES, "UNHEARD"]))
def test_no_worker_asks_for_more_than_a_slot(cores: int, ram_mb: int, is_unified: bool, name: str | None):  # noqa: FBT001 (drawn)
    need = requirement_of(QueueFacts("Q", "Q", core_count=cores, max_rss=ram_mb, is_unified=is_unified), name, TYPES)
    assert 1 <= need.cores <= cores
    assert 1 <= need.ram_mb <= ram_mb
