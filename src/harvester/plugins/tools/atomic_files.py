"""Files replaced in one step: whoever reads one finds the old or the new content, never half of it.

Several processes and hosts may write the same file at once: each writes a file of its own name first. The disk is not
waited for: a shared file system takes files in when they are closed, and workers that read from this host's own disk
end with it. So this is for access points, with which also goes what a writer left that was killed; and, `tidily`, for
copies elsewhere that are made again and again. What has to be there after the power went off is for `lasting_files`.
"""

import glob
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

_NEW: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_ENDING: Final = ".new"
"""Of the names that files have before they take their places."""
_OLD: Final = 3600.0
"""Seconds after which a file that never took its place is one of somebody who died."""


def write_atomically(path: str, text: str, *, private: bool = False, tidily: bool = False) -> None:
    """Give a file its content and its name in one step; what stood there before is replaced.

    Args:
        path: the file.
        text: its content.
        private: whether nobody but the owner may read it.
        tidily: whether to remove what writers left beside it that were killed; it takes a look at the directory.

    Raises:
        OSError: it cannot be written; what stood there stays.
    """
    with replacement(Path(path), 0o600 if private else 0o644, tidily=tidily) as file:
        file.write(text.encode())


@contextmanager
def replacement(path: Path, mode: int = 0o644, *, tidily: bool = False) -> Iterator[BinaryIO]:
    """A file that takes the place of another one when all is written; if that fails, nothing of it remains.

    What writers left that were killed goes too, if that is done `tidily`.

    Raises:
        OSError: it cannot be written.
    """
    new, descriptor = open_beside(path, mode)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
        if tidily:
            forget_the_dead(new, path)
        with _named(path):
            new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def open_beside(path: Path, mode: int) -> tuple[Path, int]:
    """A new empty file in the directory of another one, with a name that nobody else has; and its descriptor.

    Raises:
        OSError: the directory cannot be written.
    """
    new = path.with_name(f".{path.name}.{secrets.token_hex(8)}{_ENDING}")
    with _named(path):
        return new, os.open(new, _NEW, mode)


def forget_the_dead(new: Path, place: Path) -> None:
    """Remove files beside `place` that were to take it, and never will.

    The file system dates all its files alike, so the new file tells what time it is there.
    """
    present = new.stat().st_mtime
    for each in place.parent.glob(f".{glob.escape(place.name)}.*{_ENDING}"):
        with suppress(OSError):  # it is gone, or another account's, and in nobody's way
            if present - each.stat().st_mtime > _OLD:
                each.unlink()


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Errors tell of the file that is meant: the other name says nothing, and is another one each time."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
