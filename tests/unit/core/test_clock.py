from datetime import timedelta

from harvester.core.clock import utc_now


def test_the_real_clock_is_aware_and_utc():
    assert utc_now().utcoffset() == timedelta(0)
