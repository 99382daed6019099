"""Flags and texts in the server's dictionary of a job, which says in many ways that one is not set."""

from typing import Final

_UNSET: Final = frozenset({"", "NULL", "None", "False", "false", "0"})


def is_set(value: object) -> bool:
    """Whether a value of the dictionary says something (protocol reference §7)."""
    return value is not None and str(value) not in _UNSET
