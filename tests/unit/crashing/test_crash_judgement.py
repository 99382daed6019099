"""The judge of the crash benchmark notices everything that can go wrong, and nothing else."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from crashing.answers import Disturbances, unanswered
from crashing.journal import BatchJob
from crashing.judgement import Record, Verdict, judge, most_at_once
from harvester.panda.devserver.events import EventRange
from harvester.panda.devserver.records import Job, Worker

JOB = Job(
    1000001,
    "PUSH",
    "managed",
    "SCORE",
    1000,
    1,
    0.0,
    {},
    status="finished",
    acquired=10.0,
    times_acquired=1,
    received=[[11.0, "starting", None, "NULL", 1], [20.0, "finished", None, "NULL", 1]],
)
WORKER = Worker(
    "crash", 1, "finished", 20.0, {"batchID": "7"}, statuses=["submitted", "finished"], told=["submitted", "finished"]
)
BATCH_JOB = BatchJob("7", "crash-1", "PUSH", (1000001,), 12.0, 12.5, 15.0, None, 18.0)
RECORD = Record([JOB], [WORKER], [BATCH_JOB], {"PUSH": 1}, [], [], "crash")


def faults(record: Record) -> Mapping[str, int]:
    return {kind: len(some) for kind, some in judge(record).faults.items() if some}


def test_a_good_run():
    assert judge(RECORD) == Verdict()


def fields(**values: Any) -> dict[str, Any]:  # noqa: ANN401 - of any record
    return values


def changed(what: Any, **values: Any) -> Any:  # noqa: ANN401 - a record of any kind
    return replace(what, **values)


@pytest.mark.parametrize(
    ("record", "found"),
    [
        (fields(jobs=[changed(JOB, status="running")]), {"lost": 1}),
        (fields(jobs=[changed(JOB, status="sent", received=[])]), {"lost": 1}),
        (fields(jobs=[changed(JOB, times_acquired=2)]), {"doubled": 1}),
        (fields(jobs=[changed(JOB, received=[*JOB.received, [30.0, "failed", None, "NULL", 1]])]), {"unreported": 1}),
        (fields(workers=[changed(WORKER, told=["submitted", "failed", "finished"])]), {"unreported": 1}),
        (fields(workers=[changed(WORKER, status="failed", told=["failed"])]), {"unreported": 1}),
        (fields(workers=[changed(WORKER, status="running", told=["running"])]), {"lost": 1, "unreported": 1}),
        (fields(workers=[changed(WORKER, fields={"batchID": "8"})]), {"orphaned": 1}),
        (fields(workers=[]), {"orphaned": 1}),
        (fields(batch_jobs=[changed(BATCH_JOB, jobs=())]), {"lost": 1}),
        (fields(batch_jobs=[changed(BATCH_JOB, cleaned=None)]), {"orphaned": 1}),
        (fields(batch_jobs=[changed(BATCH_JOB, cleaned=14.0)]), {"orphaned": 1}),
        (fields(batch_jobs=[changed(BATCH_JOB, ends=None)]), {"orphaned": 1}),
        (fields(batch_jobs=[changed(BATCH_JOB, killed=14.0)]), {"unreported": 1}),
        (
            fields(batch_jobs=[BATCH_JOB, changed(BATCH_JOB, batch_id="8", accepted=16.0, ends=17.0)]),
            {"doubled": 2, "orphaned": 1},
        ),
        (
            fields(
                workers=[WORKER, changed(WORKER, worker_id=2, fields={"batchID": "8"})],
                batch_jobs=[BATCH_JOB, changed(BATCH_JOB, batch_id="8", marker="crash-2", jobs=())],
            ),
            {"over_limit": 1},
        ),
    ],
)
def test_what_goes_wrong_is_found(record: dict[str, Any], found: Mapping[str, int]):
    assert faults(changed(RECORD, **record)) == found


# ---- answers that never arrived --------------------------------------------------------------------------------------


def sent(job_id: int, given: float, **values: Any) -> Job:  # noqa: ANN401 - fields of a job
    return replace(JOB, job_id=job_id, status="sent", acquired=given, received=[], **values)


def test_a_lost_answer_is_excused_by_a_death_just_then():
    assert unanswered([sent(1, 10.0), sent(2, 10.0)], Disturbances([10.5])) == [1, 2]


def test_a_busy_server_answers_the_dead():
    assert unanswered([sent(1, 10.0)], Disturbances([9.5])) == [1]


@pytest.mark.parametrize("deaths", [[], [8.9], [20.1], [8.9, 20.1]])
def test_without_a_death_just_then_it_is_not(deaths: list[float]):
    assert unanswered([sent(1, 10.0)], Disturbances(deaths)) == []


def test_an_answer_may_wait_for_the_database():
    assert unanswered([sent(1, 10.0)], Disturbances([20.0], [11.0])) == [1]
    assert unanswered([sent(1, 10.0)], Disturbances([20.0], [7.0])) == [1]
    assert unanswered([sent(1, 10.0)], Disturbances([36.0], [11.0])) == []


def test_one_death_excuses_one_answer_of_each_queue():
    assert unanswered([sent(1, 10.0), sent(2, 10.1), sent(3, 13.0)], Disturbances([10.5, 13.5])) == [1, 2]
    other = replace(sent(2, 10.1), site="LATE")
    assert unanswered([sent(1, 10.0), other], Disturbances([10.5])) == [1, 2]


def test_an_answer_of_which_one_job_is_known_did_arrive():
    known = replace(sent(2, 10.0), status="starting", received=[[11.0, "starting", None, "NULL", 1]])
    assert unanswered([sent(1, 10.0), known], Disturbances([10.5])) == []


# ---- event ranges ----------------------------------------------------------------------------------------------------

RANGE = EventRange("r1", {}, "finished", 11.0, 1, ["finished"], [16.0])
TAKER = changed(BATCH_JOB, ranges=("r1",))
DIVIDED = replace(RECORD, batch_jobs=[TAKER], ranges={JOB.job_id: [RANGE]})
SENT = changed(RANGE, status="sent", told=[], told_at=[])


def of_range(**values: Any) -> dict[str, Any]:  # noqa: ANN401 - of a range
    return fields(ranges={JOB.job_id: [changed(RANGE, **values)]})


def test_a_good_run_with_event_ranges():
    assert judge(DIVIDED) == Verdict()


@pytest.mark.parametrize(
    ("record", "found"),
    [
        (fields(ranges={JOB.job_id: [SENT]}), {"lost": 1}),
        (fields(ranges={JOB.job_id: [SENT]}, deaths=[11.5]), {"lost": 1}),
        (fields(ranges={JOB.job_id: [SENT]}, batch_jobs=[BATCH_JOB]), {"lost": 1}),
        (of_range(status="ready", acquired=None, told=[], told_at=[]), {"lost": 1}),
        (of_range(times_given=2), {"doubled": 1}),
        (fields(batch_jobs=[changed(TAKER, ranges=("r1", "r1"))]), {"doubled": 1}),
        (of_range(told=["finished"] * 2, told_at=[16.0, 18.0]), {}),
        (of_range(told=["finished"] * 2, told_at=[16.0, 27.0]), {"doubled": 1}),
        (of_range(told=["finished"] * 3, told_at=[16.0, 17.0, 18.0]), {"doubled": 1}),
        (of_range(told=["finished", "failed"], told_at=[16.0, 18.0]), {"unreported": 1}),
        (fields(batch_jobs=[BATCH_JOB]), {"unreported": 1}),
    ],
)
def test_what_goes_wrong_with_event_ranges_is_found(record: dict[str, Any], found: Mapping[str, int]):
    assert faults(changed(DIVIDED, **record)) == found


def test_to_tell_of_an_event_range_again_is_excused_by_a_death_in_between():
    twice = changed(RANGE, told=["finished"] * 2, told_at=[16.0, 22.0])
    assert faults(changed(DIVIDED, ranges={JOB.job_id: [twice]}, deaths=[17.0])) == {}
    assert faults(changed(DIVIDED, ranges={JOB.job_id: [twice]}, outages=[17.0])) == {}


def test_a_death_excuses_event_ranges_of_as_many_answers_as_one_process_waits_for():
    gone = [changed(SENT, range_id=f"r{number}", acquired=11.0 + number / 10) for number in range(3)]
    verdict = judge(
        changed(DIVIDED, ranges={JOB.job_id: gone}, batch_jobs=[BATCH_JOB], deaths=[11.5], ranges_at_once=2)
    )
    assert verdict.unanswered_ranges == ["r0", "r1"]
    assert len(verdict.lost) == 1


def test_event_ranges_of_a_job_that_never_arrived_are_nobodys():
    job, ready = sent(2, 10.2), changed(RANGE, status="ready", acquired=None, told=[], told_at=[])
    record = changed(DIVIDED, jobs=[JOB, job], ranges={2: [ready]}, batch_jobs=[BATCH_JOB], deaths=[10.5])
    assert judge(record).unanswered == [2]
    assert faults(record) == {}


# ---- limits ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spans", "most"),
    [
        ([], 0),
        ([(1.0, 2.0), (2.0, 3.0)], 1),
        ([(1.0, 2.1), (2.0, 3.0)], 2),
        ([(1.0, None), (5.0, None), (6.0, 7.0)], 3),
    ],
)
def test_most_at_once(spans: list[tuple[float, float | None]], most: int):
    assert most_at_once(spans) == most
