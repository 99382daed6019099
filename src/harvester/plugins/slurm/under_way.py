"""Tells whether an `sbatch` is still at work, even one that was started by a process that is dead.

While an `sbatch` lives it holds a lock on a small file that names the workers concerned. A Harvester that was killed
leaves the file, and the lock as long as its `sbatch` runs on: a search for those workers must not be called complete.
"""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from harvester.plugins.tools.locked_files import is_named


@dataclass(frozen=True, slots=True)
class Submissions:
    """The submissions under way of one instance, as files in a directory."""

    directory: Path

    @contextmanager
    def announce(self, first: int, last: int) -> Iterator[int]:
        """Hold the lock for workers `first` to `last`; yields the descriptor that the command must inherit.

        Raises:
            OSError: the directory cannot be written.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        path, descriptor = _locked(self.directory, f"{first}-{last}-")
        try:
            yield descriptor
        finally:
            with suppress(OSError):  # what is left is cleared away by the next search
                path.unlink()
            os.close(descriptor)

    def concerns(self, worker_ids: set[int]) -> bool:
        """Whether a submission of one of these workers may be under way; forgets those that have ended."""
        alive = [path for path in self._files() if not _ended(path)]
        return any(_concerns(path, worker_ids) for path in alive)

    def _files(self) -> list[Path]:
        return list(self.directory.iterdir()) if self.directory.is_dir() else []


def _locked(directory: Path, prefix: str) -> tuple[Path, int]:
    """A new file and its locked descriptor; made again if a search has cleared it away before it was locked."""
    while True:
        descriptor, name = tempfile.mkstemp(prefix=prefix, dir=directory)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if is_named(Path(name), descriptor):
            return Path(name), descriptor
        os.close(descriptor)


def _ended(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if is_named(path, descriptor):
            path.unlink(missing_ok=True)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _concerns(path: Path, worker_ids: set[int]) -> bool:
    first, last, _ = path.name.split("-", 2)
    return any(int(first) <= each <= int(last) for each in worker_ids)
