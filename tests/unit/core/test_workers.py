from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.core.errors import IllegalTransitionError
from harvester.core.workers import (
    FINAL_WORKER_STATUSES,
    LIVE_WORKER_STATUSES,
    QUEUED_WORKER_STATUSES,
    WorkerStatus,
    next_worker_status,
)

S = WorkerStatus
statuses = st.sampled_from(WorkerStatus)


@pytest.mark.parametrize(
    ("current", "seen", "becomes"),
    [
        (S.PENDING, S.SUBMITTED, S.SUBMITTED),
        (S.PENDING, S.MISSED, S.MISSED),
        (S.SUBMITTED, S.RUNNING, S.RUNNING),
        (S.SUBMITTED, S.FINISHED, S.FINISHED),
        (S.SUBMITTED, S.CANCELLED, S.CANCELLED),
        (S.RUNNING, S.IDLE, S.IDLE),
        (S.IDLE, S.RUNNING, S.RUNNING),
        (S.RUNNING, S.FAILED, S.FAILED),
        (S.RUNNING, S.SUBMITTED, S.IDLE),
        (S.IDLE, S.SUBMITTED, S.IDLE),
        (S.READY, S.SUBMITTED, S.IDLE),
        (S.FINISHED, S.FINISHED, S.FINISHED),
    ],
)
def test_what_a_worker_becomes(current: WorkerStatus, seen: WorkerStatus, becomes: WorkerStatus):
    assert next_worker_status(current, seen) is becomes


@pytest.mark.parametrize(
    ("current", "seen"),
    [
        (S.PENDING, S.RUNNING),
        (S.PENDING, S.FINISHED),
        (S.SUBMITTED, S.PENDING),
        (S.SUBMITTED, S.MISSED),
        (S.RUNNING, S.MISSED),
        (S.RUNNING, S.PENDING),
        (S.FINISHED, S.RUNNING),
        (S.FAILED, S.FINISHED),
        (S.CANCELLED, S.SUBMITTED),
        (S.MISSED, S.SUBMITTED),
    ],
)
def test_what_a_worker_cannot_become(current: WorkerStatus, seen: WorkerStatus):
    with pytest.raises(IllegalTransitionError, match=f"{current}.*{seen}"):
        next_worker_status(current, seen)


@given(st.lists(statuses, max_size=20))
def test_whatever_is_seen_no_worker_comes_back_to_the_start_or_from_its_end(seen: list[WorkerStatus]):
    status, past = S.PENDING, [S.PENDING]
    for each in seen:
        try:
            status = next_worker_status(status, each)
        except IllegalTransitionError:
            continue
        past.append(status)
    changes = [now for before, now in pairwise(past) if now is not before]
    assert S.PENDING not in changes
    assert sum(each.is_final for each in changes) <= 1
    assert not any(each.is_final for each in changes[:-1])
    if S.RUNNING in changes:
        assert S.SUBMITTED not in changes[changes.index(S.RUNNING) :]


def test_every_status_is_either_live_or_final():
    assert frozenset(WorkerStatus) == LIVE_WORKER_STATUSES | FINAL_WORKER_STATUSES
    assert not LIVE_WORKER_STATUSES & FINAL_WORKER_STATUSES
    assert QUEUED_WORKER_STATUSES <= LIVE_WORKER_STATUSES
    assert {status for status in WorkerStatus if status.is_final} == FINAL_WORKER_STATUSES
