"""Measurements fit into the server's column, and the credentials that end soonest stay."""

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.core.measuring import hours_left, text_of

NUMBERS = {"rss_mib": 2737.36, "memory_pc": 39.19}


@given(st.dictionaries(st.text(min_size=1, max_size=80), st.integers(0, 100_000), max_size=200))
def test_the_text_is_never_too_long(lifetimes: dict[str, int]):
    text = text_of({**NUMBERS, "cert_lifetime": lifetimes}, 1000)
    assert len(text) <= 1000
    kept = json.loads(text)["cert_lifetime"]
    assert kept.items() <= lifetimes.items()
    left_out = [hours for name, hours in lifetimes.items() if name not in kept]
    assert max(kept.values(), default=0) <= min(left_out, default=100_000)


def test_what_fits_is_kept_as_it_is():
    metrics = {**NUMBERS, "cert_lifetime": {"/proxy": 81}}
    assert json.loads(text_of(metrics, 4000)) == metrics


@pytest.mark.parametrize(("minutes", "hours"), [(-5, 0), (0, 0), (59, 0), (60, 1), (4900, 81)])
def test_hours_are_rounded_down(minutes: int, hours: int):
    assert hours_left(timedelta(minutes=minutes)) == hours
