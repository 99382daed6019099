"""Waiting for what another thread, process or service does."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

import pytest

FoundT = TypeVar("FoundT")

_GLANCE: Final = 0.02


def until(
    look: Callable[[], FoundT], good: Callable[[FoundT], object] = bool, *, what: str = "it", seconds: float = 60.0
) -> FoundT:
    """Look again and again until what is seen is good, and return it; the test fails if that takes too long."""
    deadline = time.monotonic() + seconds
    while not good(found := look()):
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds:g} s: {what}; seen at last: {found!r}")
        time.sleep(_GLANCE)
    return found
