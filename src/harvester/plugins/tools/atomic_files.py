"""Files replaced in one step: whoever reads one finds the old or the new content, never half of it.

Several processes and hosts may write the same file at once: each writes a file of its own name first. The disk is not
waited for, as `lasting_files` does: a shared file system takes files in when they are closed, and workers that read
from this host's own disk end with it.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

_NEW: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
ENDING: Final = ".new"
"""Of the names that files have before they take their places."""


def write_atomically(path: str, text: str, *, private: bool = False) -> None:
    """Give a file its content and its name in one step; what stood there before is replaced.

    Args:
        path: the file.
        text: its content.
        private: whether nobody but the owner may read it.

    Raises:
        OSError: it cannot be written; what stood there stays.
    """
    with replacement(Path(path), 0o600 if private else 0o644) as file:
        file.write(text.encode())


@contextmanager
def replacement(path: Path, mode: int = 0o644) -> Iterator[BinaryIO]:
    """A file that takes the place of another one when all is written; if that fails, nothing of it remains.

    Raises:
        OSError: it cannot be written.
    """
    new, descriptor = open_beside(path, mode)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
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
    new = path.with_name(f".{path.name}.{secrets.token_hex(8)}{ENDING}")
    with _named(path):
        return new, os.open(new, _NEW, mode)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Errors tell of the file that is meant: the other name says nothing, and is another one each time."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
