"""How long a credential will do, and when somebody has to hear of it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.core.credentials import Gravity, outlook, reason_to_renew

NOW = datetime(2026, 8, 10, 7, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("hours_left", "problem", "gravity", "words"),
    [
        (95, "", Gravity.FINE, ""),
        (1, "", Gravity.FINE, ""),
        (None, "", Gravity.FINE, ""),
        (90, "no server", Gravity.WARNING, "lasts 90.0 more hours; no server"),
        (5, "no server", Gravity.ERROR, "lasts 5.0 more hours; no server"),
        (None, "it is not there", Gravity.ERROR, "it is not there"),
        (0, "", Gravity.ERROR, "ran out at 2026-08-10 07:00; it was not renewed"),
        (-1, "no server", Gravity.ERROR, "ran out at 2026-08-10 06:00; no server"),
    ],
)
def test_an_operator_hears_of_a_failed_renewal_long_before_the_end(
    hours_left: float | None, problem: str, gravity: Gravity, words: str
):
    until = None if hours_left is None else NOW + timedelta(hours=hours_left)
    view = outlook(until, problem, NOW)
    assert (view.gravity, view.words) == (gravity, words)


@given(left=st.integers(-100_000, 400_000), period=st.integers(1, 100_000))
def test_no_credential_may_run_out_before_the_second_look_from_now(left: int, period: int):
    until, span = NOW + timedelta(seconds=left), timedelta(seconds=period)
    assert bool(reason_to_renew(until, NOW, span)) == (until <= NOW + 2 * span)


def test_what_does_not_run_out_is_never_renewed_for_that():
    assert not reason_to_renew(None, NOW, timedelta(days=1000))
