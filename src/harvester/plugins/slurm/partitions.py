"""Chooses partitions for new workers."""

from collections.abc import Mapping, Sequence


def spread(number: int, partitions: Sequence[str], pending: Mapping[str, int], at_a_time: int) -> list[str]:
    """The partition of each new worker: always the one with the fewest waiting jobs, the earlier one if equal.

    Args:
        number: how many workers there are.
        partitions: names to choose from, preferred ones first.
        pending: waiting jobs by partition.
        at_a_time: how many workers follow one choice.
    """
    waiting = {partition: pending.get(partition, 0) for partition in partitions}
    chosen: list[str] = []
    while len(chosen) < number:
        partition = min(partitions, key=lambda name: waiting[name])
        part = min(at_a_time, number - len(chosen))
        chosen.extend([partition] * part)
        waiting[partition] += part
    return chosen
