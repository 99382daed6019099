"""How soon the next round of checks follows."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from harvester.core.pacing import RoundPace, on_the_beat


def pause(pace: RoundPace, answered: float, worked: float, news: int = 0) -> float:
    some = {"answered": timedelta(seconds=answered), "worked": timedelta(seconds=worked)}
    return pace.pause_after(**some, seen=1000, news=news).total_seconds()


def test_the_resource_answers_for_a_tenth_of_the_time_and_this_machine_works_for_a_fortieth():
    assert pause(RoundPace(), answered=3, worked=0) == 30
    assert pause(RoundPace(), answered=0, worked=2) == 80
    assert pause(RoundPace(), answered=9, worked=2) == 90


def test_a_round_with_much_news_is_followed_by_the_next_whatever_it_cost():
    assert pause(RoundPace(), answered=1, worked=2, news=10) == 10
    assert pause(RoundPace(), answered=1, worked=2, news=9) == 80


def test_one_round_with_news_does_not_hurry_those_without():
    pace = RoundPace()
    assert [pause(pace, 0, 2, news) for news in (0, 1000, 0, 0)] == [80, 0, 80, 80]


def test_one_slow_round_is_forgiven_and_five_are_not():
    pace = RoundPace()
    assert [pause(pace, 1, 0), *(pause(pace, 9, 0) for _ in range(5))] == [10, 10, 10, 10, 10, 90]


@given(st.integers(min_value=0, max_value=4_000_000_000_000_000))
def test_heartbeats_come_together_and_never_early(microseconds: int):
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
    beat = on_the_beat(moment)
    assert timedelta() <= beat - moment < timedelta(seconds=30)
    assert on_the_beat(beat) == beat
    assert (beat.second % 30, beat.microsecond) == (0, 0)
