"""Files with secrets, replaced in one step: whoever reads one finds the old or the new content, never half of it.

Several hosts may write the same file of a shared file system: each writes a file of its own name first.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_ENDING: Final = ".renewed"
_OLD: Final = 3600.0
"""Seconds after which a file that never took its place is one of somebody who died."""


class Replacement:
    """A private file that is to take the place of another one.

    Attributes:
        path: where it is until then.
    """

    def __init__(self, path: Path, place: Path) -> None:
        self.path = path
        self._place = place

    def take_place(self) -> None:
        """Be that other file from now on, also if the power goes off in the next moment.

        Raises:
            OSError: it cannot be; the other file stays.
        """
        self.path.chmod(0o600)
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        self.path.replace(self._place)


@contextmanager
def replacement(path: Path) -> Iterator[Replacement]:
    """A new empty file for the place of another, which a link may stand for; gone unless it took its place.

    Raises:
        OSError: the directory cannot be written.
    """
    place = path.resolve()
    handle, name = tempfile.mkstemp(prefix=f".{place.name}.", suffix=_ENDING, dir=place.parent)
    os.close(handle)
    new = Path(name)
    try:
        _forget_the_dead(new, place)
        yield Replacement(new, place)
    finally:
        new.unlink(missing_ok=True)


def write_privately(path: Path, text: str) -> None:
    """Give a file its content in one step; nobody but its owner may read it.

    Raises:
        OSError: it cannot be written; what stood there stays.
    """
    with replacement(path) as new:
        new.path.write_text(text, encoding="utf-8")
        new.take_place()


def _forget_the_dead(new: Path, place: Path) -> None:
    """The file system dates all its files alike, so the new file tells what time it is there."""
    present = new.stat().st_mtime
    for each in place.parent.glob(f".{_escaped(place.name)}.*{_ENDING}"):
        with suppress(FileNotFoundError):
            if present - each.stat().st_mtime > _OLD:
                each.unlink()


def _escaped(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)
