"""The directory that a worker shares with Harvester, made from the queue's `accessPoint` template.

Placeholders (plugins reference §5.1): `${workerID}` and other worker attributes, `${harvesterID}`, and
`${_workerID_3.2}` for digits of the worker id counted from the right, 0 being the last, missing ones `0`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

_PLACEHOLDER = re.compile(r"(\$\{[A-Za-z0-9_.]+\})")
_DIGITS = re.compile(r"_workerID_(\d+(?:\.\d+)*)")
_NOT_IN_A_NAME = re.compile(r"[/\x00-\x1f\x7f]|^\.")


@dataclass(frozen=True, slots=True)
class Placeholder:
    """An attribute of the worker."""

    name: str


Part = str | Placeholder | tuple[int, ...]
"""A text, a placeholder, or the places of digits of the worker id."""


def fill_access_point(template: str, worker_id: int, attributes: Mapping[str, object]) -> str:
    """The access point of one worker; unknown placeholders stay as they are.

    What a value says is part of a name, never a path of its own: types of jobs and workers come from the server.
    """
    digits = str(worker_id)[::-1]
    return "".join(_filled(part, digits, attributes) for part in _parts(template))


def _filled(part: Part, digits: str, attributes: Mapping[str, object]) -> str:
    match part:
        case str():
            return part
        case Placeholder(name):
            return _NOT_IN_A_NAME.sub("_", str(attributes[name])) if name in attributes else f"${{{name}}}"
        case _:
            return "".join(digits[place] if place < len(digits) else "0" for place in part)


@lru_cache
def _parts(template: str) -> tuple[Part, ...]:
    return tuple(_part(text) for text in _PLACEHOLDER.split(template))


def _part(text: str) -> Part:
    if not _PLACEHOLDER.fullmatch(text):
        return text
    name = text[2:-1]
    digits = _DIGITS.fullmatch(name)
    return tuple(map(int, digits[1].split("."))) if digits else Placeholder(name)
