"""Writing so that nobody ever reads half a file."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

_NEW: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def write_atomically(path: str, text: str, *, private: bool = False) -> None:
    """Give a file its content and its name in one step; what stood there before is replaced.

    Args:
        path: the file.
        text: its content.
        private: whether nobody but the owner may read it.
    """
    directory, slash, name = path.rpartition("/")
    new = f"{directory}{slash}.{name}.new"
    descriptor = _open_new(new, 0o600 if private else 0o644)
    try:
        left = text.encode()
        while left:  # a disk that is nearly full takes a part
            left = left[os.write(descriptor, left) :]
    finally:
        os.close(descriptor)
    os.replace(new, path)


@contextmanager
def replacement(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the place of another one when all is written; if that fails, nothing of it remains.

    Raises:
        OSError: it cannot be written.
    """
    new = path.with_name(f".{path.name}.new")
    try:
        with os.fdopen(_open_new(str(new), 0o644), "w+b") as file:
            yield file
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def _open_new(path: str, mode: int) -> int:
    try:
        return os.open(path, _NEW, mode)
    except FileExistsError:  # somebody died here
        os.unlink(path)
        return os.open(path, _NEW, mode)
