"""Marks keys that are accepted and do nothing."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Idle:
    """Marks a key that nobody misses, such as the pace of an agent that does not exist: only the table tells why."""

    reason: str


CHECKS_IN_DATABASE: Final = Idle("the database says which worker is checked when")
ALL_AT_ONCE: Final = Idle("all that is due is treated at once")
