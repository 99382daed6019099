"""Marks keys that are accepted and do nothing in this version."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Later:
    """Marks a key that an operator would miss: who sets it is warned, and told what happens until then.

    That is what protects, moves data, brings credentials, tells somebody or limits something.
    """

    until_then: str


@dataclass(frozen=True, slots=True)
class Idle:
    """Marks a key that nobody misses, such as the pace of an agent that does not exist: only the table tells why."""

    reason: str


CHECKS_IN_DATABASE: Final = Idle("the database says which worker is checked when")
ALL_AT_ONCE: Final = Idle("all that is due is treated at once")
