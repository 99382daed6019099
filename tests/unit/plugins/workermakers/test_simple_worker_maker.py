from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue, ValidationError

from harvester.core.facts import QueueFacts
from harvester.core.jobs import Job, JobStatus, JobSubstatus
from harvester.core.slots import slot_of
from harvester.plugins.api import GroupToServe, PluginContext, WorkerPlan
from harvester.plugins.workermakers.simple import SimpleWorkerMaker, SimpleWorkerMakerSettings


def _make(block: dict[str, JsonValue], *groups: GroupToServe) -> list[WorkerPlan]:
    context = PluginContext("cern", "Q", lambda: datetime(2026, 1, 1, tzinfo=UTC), Path("/nowhere"))
    return list(SimpleWorkerMaker(SimpleWorkerMakerSettings.model_validate(block), context).make(groups))


def _group(*params: dict[str, JsonValue], label: str | None = None, resource_type: str | None = None) -> GroupToServe:
    jobs = [
        Job(number, "Q", JobStatus.STARTING, JobSubstatus.PREPARED, label=label, resource_type=resource_type)
        for number in range(len(params))
    ]
    return GroupToServe(jobs, dict(enumerate(params)))


ASKING: dict[str, JsonValue] = {"coreCount": 8, "minRamCount": 16000, "maxDiskCount": 12000, "maxWalltime": 40000}


def test_a_job_decides_what_its_worker_asks_for():
    assert _make({}, _group(ASKING, label="managed")) == [
        WorkerPlan(8, 16000, 12000, 40000, job_type="managed", resource_type="MCORE", pilot_type="PR")
    ]


def test_several_jobs_are_summed_up():
    (plan,) = _make({}, _group(ASKING, ASKING))
    assert (plan.cores, plan.ram_mb, plan.disk_mb, plan.walltime_s) == (16, 32000, 24000, 80000)


@pytest.mark.parametrize("unset", ["NULL", None, 0, -1, "", [], float("inf"), float("nan")])
def test_what_jobs_leave_open_the_queue_decides(unset: JsonValue):
    block: dict[str, JsonValue] = {"nCore": 4, "minRamCount": 2000, "maxDiskCount": 300, "maxWalltime": 3600}
    (plan,) = _make(block, _group({"minRamCount": unset, "maxDiskCount": unset, "maxWalltime": unset}))
    assert (plan.cores, plan.ram_mb, plan.disk_mb, plan.walltime_s) == (1, 2000, 300, 3600)


def test_only_the_listed_attributes_of_jobs_count():
    (plan,) = _make({"nCore": 4, "maxWalltime": 60, "jobAttributesToUse": ["minRamCount"]}, _group(ASKING))
    assert (plan.cores, plan.ram_mb, plan.walltime_s) == (4, 16000, 60)


@pytest.mark.shows("queue.jobType", "queue.resourceType")
def test_a_worker_without_jobs_is_as_the_queue_says():
    block: dict[str, JsonValue] = {"nCore": 8, "prodSourceLabel": "ptest", "jobType": "managed"}
    assert _make(block, GroupToServe(), GroupToServe()) == 2 * [
        WorkerPlan(8, 1, 1, 1, job_type="managed", resource_type="MCORE", pilot_type="PT")
    ]


@pytest.mark.shows("queue.prodSourceLabel")
@pytest.mark.parametrize(
    ("block", "job_type"),
    [({}, "managed"), ({"prodSourceLabel": "user"}, "user"), ({"prodSourceLabel": "user", "jobType": "x"}, "x")],
)
def test_workers_without_jobs_are_for_the_queues_kind_of_jobs(block: dict[str, JsonValue], job_type: str):
    (plan,) = _make(block, GroupToServe())
    assert plan.job_type == job_type


@pytest.mark.parametrize("key", ["nCore", "maxWalltime", "jobAttributesToUse", "prodSourceLabel", "resourceType"])
@pytest.mark.parametrize("empty", [None, ""])
def test_a_key_without_a_value_is_as_good_as_none(key: str, empty: JsonValue):
    assert _make({key: empty}, GroupToServe(), _group(ASKING)) == _make({}, GroupToServe(), _group(ASKING))


@pytest.mark.parametrize(
    ("of_job", "of_queue", "cores", "resource_type"),
    [
        ("SCORE_HIMEM", "MCORE", 1, "SCORE_HIMEM"),
        (None, "MCORE_VHIMEM", 1, "MCORE_VHIMEM"),
        (None, "ANY", 1, "SCORE"),
        (None, None, 2, "MCORE"),
    ],
)
def test_resource_types(of_job: str | None, of_queue: str | None, cores: int, resource_type: str):
    (plan,) = _make({"resourceType": of_queue}, _group({"coreCount": cores}, resource_type=of_job))
    assert plan.resource_type == resource_type


@pytest.mark.parametrize(
    ("label", "pilot_type"),
    [("managed", "PR"), ("user", "PR"), ("rc_test", "RC"), ("rc_test2", "RC"), ("rc_alrb", "ALRB"), ("ptest", "PT")],
)
def test_pilot_types_follow_the_label(label: str, pilot_type: str):
    (plan,) = _make({}, _group({}, label=label))
    assert (plan.job_type, plan.pilot_type) == (label, pilot_type)


@given(st.lists(st.lists(st.dictionaries(st.sampled_from(sorted(ASKING)), st.integers(-5, 10**6)), max_size=3)))
def test_every_group_gets_one_plan_that_asks_for_something(groups: list[list[dict[str, JsonValue]]]):
    plans = _make({}, *(_group(*params) for params in groups))
    assert len(plans) == len(groups)
    for plan in plans:
        assert min(plan.cores, plan.ram_mb, plan.disk_mb, plan.walltime_s) >= 1


def test_no_worker_has_less_than_one_core():
    with pytest.raises(ValidationError, match="nCore"):
        _make({"nCore": 0})


PLAIN = QueueFacts("Q", "Q", core_count=8, max_rss=16000, max_wdir=5000, max_time=3600, type="analysis")
UNIFIED = replace(PLAIN, is_unified=True)


def _in_slot(facts: QueueFacts, group: GroupToServe) -> GroupToServe:
    return replace(group, slot=slot_of(facts, group.kind, {}, has_jobs=bool(group.jobs)))


def test_a_worker_without_jobs_fills_its_slot():
    assert _make({}, _in_slot(PLAIN, GroupToServe())) == [
        WorkerPlan(8, 16000, 5000, 3600, job_type="user", resource_type="MCORE", pilot_type="PR")
    ]


def test_the_queues_own_block_wins_over_the_information_system():
    (plan,) = _make({"nCore": 4, "jobType": "managed"}, _in_slot(PLAIN, GroupToServe()))
    assert (plan.cores, plan.ram_mb, plan.job_type) == (4, 16000, "managed")


def test_in_a_unified_queue_the_jobs_decide():
    group = _in_slot(UNIFIED, _group({"coreCount": 1}, {"coreCount": 4}, {"coreCount": 1, "minRamCount": 500}))
    (plan,) = _make({"nCore": 2, "jobAttributesToUse": ["maxWalltime"]}, group)
    assert (plan.cores, plan.ram_mb) == (6, 2000 + 16000 + 500)


def test_the_information_system_may_say_that_an_attribute_of_jobs_counts():
    facts = replace(PLAIN, params={"job_minramcount": True})
    block: dict[str, JsonValue] = {"jobAttributesToUse": ["nCore"]}
    assert [plan.ram_mb for plan in _make(block, _in_slot(facts, _group(ASKING)))] == [16000]
    assert [plan.ram_mb for plan in _make(block, _in_slot(replace(PLAIN, max_rss=9), _group(ASKING)))] == [9]
