from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.core.grouping import GroupRules, Request, Spread, Tally, group_jobs, serve, sharing
from harvester.core.jobs import Job, JobStatus, JobSubstatus
from harvester.core.workers import MapType

TASKS = st.lists(st.integers(1, 3), max_size=25)


def jobs_of(tasks: list[int]) -> list[Job]:
    return [
        Job(number, "Q", JobStatus.STARTING, JobSubstatus.PREPARED, task_id=task)
        for number, task in enumerate(tasks, 1)
    ]


@given(
    rules=st.builds(GroupRules, st.sampled_from(MapType), st.integers(1, 5), st.booleans(), st.booleans()),
    tasks=TASKS,
    new_workers=st.integers(0, 20),
    room=st.integers(0, 4),
)
@settings(max_examples=2500)
def test_grouping_loses_and_doubles_no_job(rules: GroupRules, tasks: list[int], new_workers: int, room: int):
    jobs = jobs_of(tasks)
    rooms = {job.job_id: room for job in jobs}
    groups = group_jobs(rules, jobs, new_workers, rooms)
    used = Counter(job.job_id for group in groups for job in group)
    assert len(groups) <= new_workers
    match rules.map_type:
        case MapType.NO_JOB:
            assert groups == [()] * new_workers
        case MapType.ONE_TO_ONE:
            assert groups == [(job,) for job in jobs[:new_workers]]
        case MapType.ONE_TO_MANY:
            assert all(len(group) == 1 for group in groups)
            assert all(times <= room for times in used.values())
            assert len(groups) == min(new_workers, room * len(jobs))
        case MapType.MANY_TO_ONE:
            assert all(0 < len(group) <= rules.jobs_per_worker for group in groups)
            assert list(used.values()) == [1] * len(used)
            assert list(used) == [job.job_id for job in jobs[: len(used)]], "a job was passed over"
            if len(groups) < new_workers:
                most = rules.jobs_per_worker if rules.rest_waits else 1
                assert len(jobs) - len(used) < most, "more jobs wait than a rest"
            assert rules.mixture or all(len({job.task_id for job in group}) == 1 for group in groups)
            assert not rules.mixture or all(len(group) == rules.jobs_per_worker for group in groups[:-1])


def test_the_rest_of_a_task_is_not_held_up_by_the_next_task():
    groups = group_jobs(GroupRules(MapType.MANY_TO_ONE, 2), jobs_of([1, 1, 1, 2, 2, 2]), 10)
    assert [[job.job_id for job in group] for group in groups] == [[1, 2], [3], [4, 5]]


def test_jobs_of_several_tasks_share_a_worker_where_that_is_allowed():
    groups = group_jobs(GroupRules(MapType.MANY_TO_ONE, 2, mixture=True), jobs_of([1, 1, 1, 2, 2]), 10)
    assert [[job.job_id for job in group] for group in groups] == [[1, 2], [3, 4]]


@given(
    spread=st.builds(Spread, st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)),
    live=st.integers(0, 12),
    ended=st.integers(0, 12),
)
@settings(max_examples=2000)
def test_no_job_gets_more_workers_than_it_may_have(spread: Spread, live: int, ended: int):
    room = spread.room(live, live + ended)
    assert room >= 0
    assert room == 0 or live + room <= spread.at_once
    assert room == 0 or not spread.in_total or live + ended + room <= spread.in_total
    assert not spread.per_cycle or room <= spread.per_cycle


REQUESTS = st.lists(st.tuples(st.integers(0, 5), st.frozensets(st.integers(1, 3), max_size=1)), max_size=8)


@given(
    rules=st.builds(GroupRules, st.sampled_from(list(MapType)[1:]), st.just(3), st.booleans()),
    tasks=TASKS,
    asked=REQUESTS,
    room=st.integers(0, 3),
)
@settings(max_examples=2500)
def test_sharing_out_gives_no_job_to_more_workers_than_may_have_it(
    rules: GroupRules, tasks: list[int], asked: list[tuple[int, frozenset[int]]], room: int
):
    jobs = jobs_of(tasks)
    requests = [Request(number, most, frozenset(known)) for number, (most, known) in enumerate(asked, 1)]
    shared = rules.map_type is MapType.ONE_TO_MANY
    most = [number if rules.map_type is MapType.MANY_TO_ONE else min(number, 1) for number, _ in asked]
    rooms = {job.job_id: room for job in jobs} if shared else None
    given_out = serve(rules, requests, jobs, rooms)
    used = Counter(job.job_id for group in given_out.values() for job in group)
    assert all(times <= (room if shared else 1) for times in used.values())
    for request, number in zip(requests, most, strict=True):
        group = given_out.get(request.worker_id, ())
        assert len(group) <= number
        assert len({job.job_id for job in group}) == len(group)
        assert rules.mixture or len({job.task_id for job in group} | request.tasks) <= max(len(request.tasks), 1)
    if rules.mixture and not shared and len(used) < len(jobs):
        assert sum(used.values()) == sum(most), "a worker waits although jobs are left"


def test_a_job_that_has_workers_keeps_the_number_that_it_was_begun_with_and_full_ones_get_no_more():
    jobs = [replace(job, priority=priority) for job, priority in zip(jobs_of([1, 1, 1]), (5, 9, 9), strict=True)]
    begun, fresh, full = (job.job_id for job in jobs)
    tallies = {begun: Tally(1, 1, 4), fresh: Tally(0, 0, None), full: Tally(2, 2, 2)}
    found = sharing(jobs, tallies, Spread(at_once=2))
    assert [job.job_id for job in found.candidates] == [fresh, begun]
    assert found.rooms == {begun: 3, fresh: 2, full: 0}
    assert found.at_once == {begun: 4, fresh: 2, full: 2}
