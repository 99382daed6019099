"""Days of an instance in which everything goes wrong: nothing is lost or done twice, and every limit is kept."""

from collections.abc import Sequence

from simulation_harness.play import play
from simulation_harness.process import Disk


def test_nothing_is_lost_or_doubled_whatever_happens(seeds: Sequence[int], disk: Disk):
    bad = next((outcome for seed in seeds if (outcome := play(seed, disk)).findings), None)
    assert bad is None, bad.told()


def test_a_seed_can_be_played_again(disk: Disk):
    first, again = play(3, disk), play(3, disk)
    assert first == again
    assert first.trace
