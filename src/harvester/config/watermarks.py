"""How full directories may be, as `[sweeper] diskHighWatermark` says it."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from pydantic import BeforeValidator

from harvester.config.fields import Kind

_GIGABYTE: Final = 10**9


@dataclass(frozen=True, slots=True)
class Watermark:
    """A directory of which the oldest files go when it holds more than so many bytes."""

    directory: Path
    most: int


def _read(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(_read_one(entry) for entry in value.split(",") if entry.strip())


def _read_one(entry: str) -> Watermark:
    directory, _, size = (part.strip() for part in entry.partition("|"))
    gigabytes = float(size)
    if not Path(directory).is_absolute() or not 0 <= gigabytes < math.inf:
        raise ValueError(f"{entry.strip()!r} is not an absolute path with a number of gigabytes")
    return Watermark(Path(directory), int(gigabytes * _GIGABYTE))


Watermarks = Annotated[
    tuple[Watermark, ...],
    BeforeValidator(_read),
    Kind("directories with gigabytes", as_written=True, sample="/directory|100, /other|20", may_be_empty=True),
]
