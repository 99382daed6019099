"""Opening files that somebody else may have made on purpose: pipes, devices and symbolic links are not read."""

import os
import stat
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO


class NotRegularFileError(OSError):
    """The name stands for something that is not an ordinary file."""


def open_regular(path: Path | str, *, follow: bool = True, directory: int | None = None) -> BinaryIO:
    """Open an ordinary file for reading, never waiting for a pipe's other end.

    Args:
        path: the file.
        follow: whether the last part of the path may be a symbolic link.
        directory: an open directory that `path` is relative to.

    Raises:
        OSError: it cannot be opened.
        NotRegularFileError: it is not an ordinary file.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    handle = os.open(path, flags, dir_fd=directory)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise NotRegularFileError(f"{path} is not a regular file")
    return os.fdopen(handle, "rb")


def open_below(directory: Path, parts: tuple[str, ...]) -> BinaryIO:
    """Open an ordinary file of a directory in which others write; nothing below it may be a symbolic link.

    A file with a second name is refused too: it may be somebody else's.

    Args:
        directory: where others write; not a symbolic link either.
        parts: the names from there to the file.

    Raises:
        OSError: it cannot be opened.
        NotRegularFileError: it is not an ordinary file of that directory.
    """
    *above, name = parts
    with ExitStack() as opened:
        place = _open_directory(directory, None, opened)
        for each in above:
            place = _open_directory(each, place, opened)
        file = open_regular(name, follow=False, directory=place)
    if os.fstat(file.fileno()).st_nlink != 1:
        file.close()
        raise NotRegularFileError(f"{directory.joinpath(*parts)} has a second name")
    return file


def _open_directory(path: Path | str, above: int | None, opened: ExitStack) -> int:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
    opened.callback(os.close, handle)
    return handle
