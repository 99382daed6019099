import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.core.sight import Sight, judge_sight

numbers = st.integers(0, 300)


@pytest.mark.parametrize(
    ("sight", "stops"),
    [
        (Sight(present=100), False),
        (Sight(present=100, unseen=49), False),
        (Sight(present=100, unseen=50), True),
        (Sight(present=4, unseen=4), False),
        (Sight(present=5, unseen=5), True),
        (Sight(present=9, vanished=9), False),
        (Sight(present=10, vanished=10), True),
        (Sight(present=100, vanished=49), False),
        (Sight(present=100, vanished=50), True),
    ],
)
def test_a_queue_stops_when_it_loses_half_of_its_workers(sight: Sight, *, stops: bool):
    assert (judge_sight(sight) is not None) == stops


def test_the_reason_says_how_many_and_for_how_long():
    blindness = judge_sight(Sight(present=40, vanished=30))
    assert blindness is not None
    assert "30 of 40 workers vanished at once; no new ones for 15 minutes" in blindness.reason


@settings(max_examples=2500)
@given(numbers, numbers, numbers)
def test_losing_more_never_lets_a_queue_go_on(present: int, unseen: int, vanished: int):
    if judge_sight(Sight(present, unseen, vanished)):
        assert judge_sight(Sight(present, unseen + 1, vanished))
        assert judge_sight(Sight(present, unseen, vanished + 1))
