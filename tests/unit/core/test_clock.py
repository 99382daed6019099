from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from harvester.core.clock import SteadyClock, utc_now

NOW = datetime(2026, 8, 10, 7, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Host:
    """A host whose clock people set while time passes."""

    def __init__(self) -> None:
        self.passed = timedelta()
        self.set_by = timedelta()
        self.clock = SteadyClock(self.system, self.tick)

    def tick(self) -> float:
        return self.passed.total_seconds()

    def system(self) -> datetime:
        return NOW + self.passed + self.set_by

    def after(self, span: timedelta) -> datetime:
        self.passed += span
        return self.clock()


def test_the_real_clock_is_aware_and_utc():
    assert utc_now().utcoffset() == timedelta(0)


@given(st.lists(st.tuples(st.integers(-3600, 3600), st.integers(0, 900)), max_size=20))
def test_a_steady_clock_is_never_more_than_a_tenth_too_fast_or_too_slow(steps: list[tuple[int, int]]):
    host = Host()
    for step, seconds in steps:
        host.set_by = timedelta(seconds=step)
        before = host.clock()
        passed = timedelta(seconds=seconds)
        assert abs(host.after(passed) - before - passed) <= passed / 10


def test_it_agrees_with_the_system_while_nobody_sets_that():
    host = Host()
    assert host.after(HOUR) == host.system()


def test_it_makes_up_for_an_hour_in_ten():
    for step in (HOUR, -HOUR):
        host = Host()
        host.set_by = step
        assert host.clock() == NOW
        assert host.after(10 * HOUR) == host.system()
        assert host.clock.ahead() == timedelta()


def test_a_step_there_and_back_leaves_next_to_nothing():
    host = Host()
    host.set_by = HOUR
    host.after(timedelta(minutes=1))
    host.set_by = timedelta()
    assert timedelta() < host.clock.ahead() <= timedelta(seconds=6)
    host.after(timedelta(minutes=1))
    assert host.clock.ahead() == timedelta()


def test_a_clock_that_was_wrong_by_more_than_a_day_is_believed_at_once():
    host = Host()
    host.set_by = timedelta(days=400)
    assert host.clock() == host.system()


def test_it_can_begin_with_the_time_of_others_and_stay_with_them():
    host = Host()
    host.clock.begin_at(NOW + HOUR)
    assert host.clock() == NOW + HOUR
    host.clock.lean(HOUR)
    assert host.after(HOUR) == host.system() + HOUR
    host.clock.lean(timedelta())
    assert host.after(10 * HOUR) == host.system()
