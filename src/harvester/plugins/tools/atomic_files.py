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
    new, descriptor = open_beside(path, 0o600 if private else 0o644)
    try:
        fill(descriptor, text.encode())
        if tidily:
            forget_the_dead(new, path)
        _take_place(new, path)
    except BaseException:
        _unlink(new)
        raise


@contextmanager
def replacement(path: str, mode: int = 0o644) -> Iterator[BinaryIO]:
    """A file that takes the place of another one when all is written; if that fails, nothing of it remains.

    Raises:
        OSError: it cannot be written.
    """
    new, descriptor = open_beside(path, mode)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
        _take_place(new, path)
    except BaseException:
        _unlink(new)
        raise


def open_beside(path: str, mode: int) -> tuple[str, int]:
    """A new empty file in the directory of another one, with a name that nobody else has; and its descriptor.

    Raises:
        OSError: the directory cannot be written.
    """
    directory, slash, name = path.rpartition("/")
    new = f"{directory}{slash}.{name}.{secrets.token_hex(8)}{_ENDING}"
    try:
        return new, os.open(new, _NEW, mode)
    except OSError as error:
        raise _about(path, error) from None


def forget_the_dead(new: str, place: str) -> None:
    """Remove files beside `place` that were to take it, and never will.

    The file system dates all its files alike, so the new file tells what time it is there.
    """
    present = os.stat(new).st_mtime
    directory, slash, name = place.rpartition("/")
    for each in glob.iglob(f"{glob.escape(directory + slash)}.{glob.escape(name)}.*{_ENDING}"):
        with suppress(OSError):  # it is gone, or another account's, and in nobody's way
            if present - os.stat(each).st_mtime > _OLD:
                os.unlink(each)


def fill(descriptor: int, content: bytes) -> None:
    """Write all of a new file, and close it.

    Raises:
        OSError: it cannot be written.
    """
    try:
        left = memoryview(content)
        while left:  # a disk that is nearly full takes a part
            left = left[os.write(descriptor, left) :]
    finally:
        os.close(descriptor)


def _take_place(new: str, path: str) -> None:
    try:
        os.replace(new, path)
    except OSError as error:
        raise _about(path, error) from None


def _unlink(new: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(new)


def _about(path: str, error: OSError) -> OSError:
    """The error of the file that is meant: the other name says nothing, and is another one each time."""
    return OSError(error.errno, error.strerror, path)
