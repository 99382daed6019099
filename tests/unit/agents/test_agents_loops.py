"""A loop goes on, whatever a round of it raises."""

import sys
import threading
from collections import deque
from collections.abc import Callable

import pytest

from harvester.agents.loops import Loop
from harvester.core.errors import HarvesterError


def leave() -> None:
    sys.exit("a plugin that is a script at heart")


def fail() -> None:
    raise ValueError("a bug")


def refuse() -> None:
    raise HarvesterError("not now")


@pytest.mark.parametrize("trouble", [leave, fail, refuse])
def test_the_round_after_one_that_failed_gets_its_chance(trouble: Callable[[], None]):
    stopping = threading.Event()
    rounds = deque([trouble, stopping.set])

    def take_next() -> None:
        rounds.popleft()()

    loop = Loop("test", 0.0, 0.0, take_next)
    loop.repeat(stopping)
    assert (loop.figures.rounds, loop.figures.done, loop.figures.failed) == (2, 1, 1)
