"""What kinds of workers there are, and how many of each somebody wants."""

import re
from dataclasses import dataclass
from typing import Final

_WORD: Final = re.compile(r"[\w.+-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class WorkerKind:
    """What a worker is for, as far as that is said before it is made; None leaves it to the worker maker.

    Attributes:
        job_type: `managed` or `user`.
        resource_type: such as `SCORE`.
        label: prodSourceLabel of the jobs, which tells the type of the pilot.
    """

    job_type: str | None = None
    resource_type: str | None = None
    label: str | None = None


_NOTHING: Final = frozenset({"", "ANY", "Undefined"})


def is_word(text: object) -> bool:
    """Whether a text can name a type or a label; such words of the server stand unquoted in batch scripts."""
    return isinstance(text, str) and _WORD.fullmatch(text) is not None


def said(kind: str | None) -> str | None:
    """The type, or None where that says nothing (`ANY`)."""
    return None if kind in _NOTHING else kind


ANY_KIND: Final = WorkerKind()


@dataclass(frozen=True, slots=True)
class Want:
    """Workers of one kind that somebody has a use for.

    Attributes:
        number: how many.
        cores: of one of them, as far as it is known before it is made.
        ram_mb: likewise, MB.
        goes_first: whether it is served before others where not all can be.
    """

    number: int
    kind: WorkerKind = ANY_KIND
    cores: int = 1
    ram_mb: int = 1
    goes_first: bool = False
