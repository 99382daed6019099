"""The directory that a worker shares with Harvester, made from the queue's `accessPoint` template.

Placeholders (plugins reference §5.1): `${workerID}` and other worker attributes, `${harvesterID}`, and
`${_workerID_3.2}` for digits of the worker id counted from the right, 0 being the last, missing ones `0`.
"""

import re
from collections.abc import Mapping

_PLACEHOLDER = re.compile(r"\$\{([A-Za-z0-9_.]+)\}")
_DIGITS = re.compile(r"_workerID_(\d+(?:\.\d+)*)")


def fill_access_point(template: str, worker_id: int, attributes: Mapping[str, object]) -> str:
    """The access point of one worker; unknown placeholders stay as they are."""

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if digits := _DIGITS.fullmatch(name):
            return _pick_digits(worker_id, digits[1])
        return str(attributes[name]) if name in attributes else match[0]

    return _PLACEHOLDER.sub(value, template)


def _pick_digits(worker_id: int, positions: str) -> str:
    digits = str(worker_id)[::-1]
    return "".join(digits[place] if place < len(digits) else "0" for place in map(int, positions.split(".")))
