"""One file copied so that its new name never stands for half a file or a wrong one."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from harvester.core.errors import HarvesterError
from harvester.plugins.data.checksums import Content, read_content
from harvester.plugins.tools.locked_files import is_named
from harvester.plugins.tools.regular_files import open_regular


class WrongContentError(HarvesterError):
    """A file is not what it was declared to be."""


class BusyError(HarvesterError):
    """Somebody else is copying the same file."""


def summarise(path: Path, *, follow: bool = True) -> Content:
    """Size and checksums of a file, read in pieces.

    Args:
        path: the file.
        follow: whether it may be a symbolic link.

    Raises:
        OSError: the file cannot be read.
    """
    with open_regular(path, follow=follow) as source:
        return read_content(source)


def copy_verified(
    source: Path, destination: Path, *, size: int | None, checksum: str | None, replace: bool, follow: bool = True
) -> Content:
    """Copy a file next to its new name, compare what arrived with what was declared, then give it the name.

    Whoever is killed in between leaves a hidden `.<name>.part`, which the next attempt takes over.

    Args:
        source: the file.
        destination: its new name.
        size: bytes that it is declared to have.
        checksum: that it is declared to have.
        replace: whether a file that has the new name already is replaced.
        follow: whether the source may be a symbolic link.

    Raises:
        OSError: a file cannot be read or written.
        WrongContentError: the source is not as declared, or the disk does not return what was written.
        BusyError: another process or thread is copying to the same name, or has just given it to its file.
    """
    return write_new(destination, lambda target: _fill(target, source, size, checksum, follow=follow), replace=replace)


def write_new(destination: Path, fill: Callable[[BinaryIO], Content], *, replace: bool) -> Content:
    """Write a file next to its new name, then give it the name.

    Args:
        destination: its new name.
        fill: writes the content to an empty file, brings it to the disk and sums it up.
        replace: whether a file that has the new name already is replaced.

    Raises:
        OSError: the file cannot be written, or what `fill` raises.
        BusyError: another process or thread writes to the same name, or has just given it to its file.
    """
    destination.parent.mkdir(parents=True, exist_ok=True)
    part = destination.with_name(f".{destination.name}.part")
    with own(part) as target:
        try:
            content = fill(target)
            if not replace and destination.exists():
                raise BusyError(f"{destination} has come into being during the transfer")
            part.replace(destination)
        except (OSError, HarvesterError):
            part.unlink(missing_ok=True)
            raise
    _sync_directory(destination.parent)
    return content


@contextmanager
def own(part: Path) -> Iterator[BinaryIO]:
    """The temporary file, emptied and locked: the lock ends with its owner, however that ends."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(part, flags, 0o644), "r+b") as target:
        try:
            fcntl.flock(target, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(f"{part} is being written by another transfer") from None
        if not is_named(part, target.fileno()):
            raise BusyError(f"{part} was just finished by another transfer")
        target.truncate()
        yield target


def _fill(target: BinaryIO, source: Path, size: int | None, checksum: str | None, *, follow: bool) -> Content:
    with open_regular(source, follow=follow) as reader:
        sent = read_content(reader, target.write)
    if wrong := sent.differs_from(size, checksum):
        raise WrongContentError(f"{source} {wrong}")
    target.flush()
    os.fsync(target.fileno())
    target.seek(0)
    if wrong := read_content(target).differs_from(sent.size, sent.md5):
        raise WrongContentError(f"the copy of {source} {wrong}")
    return sent


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
