"""Opening files that somebody else may have made on purpose: pipes, devices and symbolic links are not read."""

import os
import stat
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
