from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.core.labels import PilotType, draw_label, label_of_pilots, pilot_type_of


@pytest.mark.parametrize(
    ("label", "pilot"),
    [
        ("rc_test", "RC"),
        ("rc_test2", "RC"),
        ("rc_alrb", "ALRB"),
        ("ptest", "PT"),
        ("managed", "PR"),
        ("user", "PR"),
        ("", None),
        (None, None),
    ],
)
def test_each_label_has_its_pilots(label: str | None, pilot: str | None):
    assert pilot_type_of(label) == pilot


def test_special_pilots_have_a_label():
    assert {pilot: label_of_pilots(pilot) for pilot in PilotType} == {
        PilotType.PRODUCTION: None,
        PilotType.RELEASE_CANDIDATE: "rc_test2",
        PilotType.ALRB: "rc_alrb",
        PilotType.TEST: "ptest",
    }


def test_labels_are_drawn_by_their_weights():
    drawn = Counter(draw_label({"rc_test2": 10, "rc_alrb": 20}, "managed", slot) for slot in range(1000))
    assert drawn == {"rc_test2": 10, "rc_alrb": 20, "managed": 970}


def test_weights_beyond_all_slots_are_shares():
    drawn = Counter(draw_label({"a": 3000, "b": 1000}, "managed", slot) for slot in range(1000))
    assert drawn == {"a": 750, "b": 250}


@settings(max_examples=2500)
@given(st.dictionaries(st.sampled_from("abc"), st.integers(0, 3000)), st.integers(0, 999))
def test_only_labels_with_a_weight_are_drawn(weights: dict[str, int], slot: int):
    drawn = draw_label(weights, "managed", slot)
    assert drawn == "managed" or weights[drawn or ""] > 0
