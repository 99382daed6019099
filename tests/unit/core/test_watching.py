"""When a part of the service counts as stuck."""

import pytest

from harvester.core.watching import Rules, Sign, alarms

USUAL = Rules(silent=300, overdue=600)


@pytest.mark.parametrize(
    ("sign", "rules", "reason"),
    [
        (Sign("monitor", silent=300), USUAL, None),
        (Sign("monitor", silent=301), USUAL, "it has done nothing for 301 s"),
        (Sign("cacher", silent=900, allowed=600), USUAL, None),
        (Sign("cacher", silent=901, allowed=600), USUAL, "it has done nothing for 901 s"),
        (Sign("monitor", silent=5, overdue=600), USUAL, None),
        (Sign("monitor", silent=5, overdue=601), USUAL, "work has waited for it for 601 s"),
        (Sign("monitor", silent=1e6, overdue=1e6), Rules(0, 0), None),
        (Sign("monitor", silent=1e6), Rules(0, 600), None),
        (Sign("monitor", silent=5, overdue=1e6), Rules(300, 0), None),
    ],
)
def test_a_part_is_stuck_when_it_is_silent_or_late_for_too_long(sign: Sign, rules: Rules, reason: str | None):
    assert alarms([sign, Sign("well", 0)], rules) == ({sign.name: reason} if reason else {})
