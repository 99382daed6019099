"""Workers for what is ready now."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.core.kinds import WorkerKind
from harvester.core.limits import Room, WorkerCounts
from harvester.core.readiness import Ready, room_of
from harvester.core.sizing import Share, Sizing, within


@pytest.mark.parametrize(
    ("ready", "static", "left", "limit"),
    [
        (5, None, 5, "asked"),
        (5, 9, 5, "asked"),
        (0, None, 0, "asked"),
        (0, 0, 0, "asked"),
        (0, 9, 2, "workerMaker.staticWorkers"),
        (0, 6, -1, "workerMaker.staticWorkers"),
    ],
)
def test_static_workers_are_kept_while_nothing_is_ready(ready: int, static: int | None, left: int, limit: str):
    room = room_of(Ready(ready, "asked", "so it is said"), static, WorkerCounts(queued=3, ready=8, running=4))
    assert (room.left, room.limit) == (left, limit)


SHARES = st.lists(st.tuples(st.sampled_from(["SCORE", "MCORE", "HIMEM"]), st.integers(0, 50)), max_size=4)


@given(SHARES, st.integers(-5, 120))
@settings(max_examples=2000)
def test_a_later_limit_holds_and_starves_nobody(kinds: list[tuple[str, int]], left: int):
    shares = tuple(Share(WorkerKind(None, kind), number, number, "before") for kind, number in kinds)
    before = Sizing(sum(share.number for share in shares), "before", "as it was", shares)
    after = within(before, Room(left, "later", "not more"))
    assert after.new_workers == min(before.new_workers, max(left, 0)) == sum(share.number for share in after.shares)
    assert all(new.number <= old.number for new, old in zip(after.shares, shares, strict=True))
    assert (after.limit, after.reason) == (
        ("before", "as it was") if left >= before.new_workers else ("later", "not more")
    )
