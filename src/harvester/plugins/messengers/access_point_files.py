"""Where the files of a worker are, writing so that it never reads half a file, and renaming what it wrote."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final

from harvester.core.errors import HarvesterError
from harvester.core.workers import MapType, Worker

_NEW: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class HopelessError(HarvesterError):
    """A worker cannot be served through its access point, now or later."""


class NotYetError(HarvesterError):
    """A worker cannot be served through its access point now."""


def job_directories(worker: Worker) -> Iterator[tuple[str, Sequence[int]]]:
    """The directories in which the worker's jobs have their files, each with its jobs."""
    top = worker.access_point
    if worker.map_type is MapType.MANY_TO_ONE:
        yield from ((f"{top}/{job_id}", (job_id,)) for job_id in worker.job_ids)
    else:
        yield top, worker.job_ids


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


def put_aside(path: Path) -> None:
    """Keep an unusable file for the operator where nobody reads it again, under `<name>.invalid`."""
    path.replace(path.with_name(f"{path.name}.invalid"))


def stamp_of(now: datetime) -> str:
    """The moment as it stands in the names of acknowledged files (plugins reference §5.2)."""
    return now.strftime("%Y-%m-%d_%H_%M_%S.%f")
