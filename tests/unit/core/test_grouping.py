import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.core.grouping import group_jobs
from harvester.core.jobs import Job, JobStatus, JobSubstatus
from harvester.core.workers import MapType


def _jobs(number: int):
    return [Job(n, "Q", JobStatus.STARTING, JobSubstatus.PREPARED) for n in range(1, number + 1)]


@given(number=st.integers(0, 50), new_workers=st.integers(0, 50))
def test_one_job_per_worker_best_first_none_twice(number: int, new_workers: int):
    jobs = _jobs(number)
    groups = group_jobs(MapType.ONE_TO_ONE, jobs, new_workers)
    assert [job for group in groups for job in group] == jobs[:new_workers]
    assert all(len(group) == 1 for group in groups)


@given(number=st.integers(0, 20), new_workers=st.integers(0, 20))
def test_workers_that_fetch_their_jobs_get_none(number: int, new_workers: int):
    assert group_jobs(MapType.NO_JOB, _jobs(number), new_workers) == [()] * new_workers


@pytest.mark.parametrize("map_type", [MapType.ONE_TO_MANY, MapType.MANY_TO_ONE])
def test_other_map_types_are_refused_by_name(map_type: MapType):
    with pytest.raises(ValueError, match=map_type.value):
        group_jobs(map_type, _jobs(1), 1)
