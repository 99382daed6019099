"""Files replaced in one step that have to be there after the power went off, such as credentials and keys.

Nobody but its owner may read one, unless it was shared before.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from harvester.plugins.tools.atomic_files import forget_the_dead, open_beside

_PRIVATE: Final = 0o600


class LastingReplacement:
    """A private file that is to take the place of another one.

    Attributes:
        path: where it is until then.
    """

    def __init__(self, path: Path, place: Path) -> None:
        self.path = path
        self._place = place

    def take_place(self, like: os.stat_result | None = None) -> None:
        """Be that other file from now on, also if the power goes off in the next moment.

        Args:
            like: a file of which it gets the owner, group and mode; without it, nobody but its owner may read it.

        Raises:
            OSError: it cannot be; the other file stays.
        """
        with self.path.open("rb") as file:
            if like is not None:
                os.fchown(file.fileno(), like.st_uid, like.st_gid)
            os.fchmod(file.fileno(), _PRIVATE if like is None else stat.S_IMODE(like.st_mode))
            os.fsync(file.fileno())
        self.path.replace(self._place)


@contextmanager
def lasting_replacement(path: Path) -> Iterator[LastingReplacement]:
    """A new empty file for the place of another, which a link may stand for; gone unless it took its place.

    Raises:
        OSError: the directory cannot be written.
    """
    place = path.resolve()
    name, descriptor = open_beside(str(place), _PRIVATE)
    os.close(descriptor)
    new = Path(name)
    try:
        forget_the_dead(name, str(place))
        yield LastingReplacement(new, place)
    finally:
        new.unlink(missing_ok=True)


def write_privately(path: Path, text: str) -> None:
    """Give a file its content in one step; nobody but its owner may read it.

    Raises:
        OSError: it cannot be written; what stood there stays.
    """
    with lasting_replacement(path) as new:
        new.path.write_text(text, encoding="utf-8")
        new.take_place()


def rewrite(path: Path, text: str) -> None:
    """Give a file other content in one step; its owner, group and mode stay. A new one is private.

    Raises:
        OSError: it cannot be written, or not be given to them; what stood there stays.
    """
    with lasting_replacement(path) as new:
        new.path.write_text(text, encoding="utf-8")
        new.take_place(path.stat() if path.exists() else None)
