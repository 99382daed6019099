"""What a row of a database can hold, which is less than what JSON can say."""

import math
from collections.abc import Iterable

from pydantic import JsonValue

LARGEST_INTEGER = 2**63 - 1
_NO_NUMBER = "NaN, Infinity or an integer of more than 64 bits"
_DEEPEST = 100
"""Far above any real job and far below where Python gives up."""


def whole(value: object) -> int | None:
    """Give an integer that a column can hold, and None for anything else; True is no integer."""
    return value if type(value) is int and abs(value) <= LARGEST_INTEGER else None


def fault_of(value: JsonValue) -> str | None:
    """Say what keeps a value from being stored as JSON text and read by others; None if nothing does."""
    level: list[JsonValue] = [value]
    if not isinstance(value, dict | list):
        return _NO_NUMBER if _is_no_stored_number(value) else None
    for _ in range(_DEEPEST):
        if any(map(_is_no_stored_number, level)):
            return _NO_NUMBER
        level = [inner for each in level for inner in _inside(each)]
        if not level:
            return None
    return f"more than {_DEEPEST} levels of lists and objects"


def _is_no_stored_number(value: JsonValue) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    return isinstance(value, int) and abs(value) > LARGEST_INTEGER


def _inside(value: JsonValue) -> Iterable[JsonValue]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
