"""Log files that several processes write and rotate together.

All processes of an instance on a host append to the same files. Whoever finds that a new file is due renames the old
one under a lock; the others notice that the file at the path is another one and open that with their next line, as they
do when `logrotate` has moved it. A line that was under way goes to the old file: none is lost, none is cut in two.
`concurrent-log-handler` locks a file for each line, which costs more than writing the line does; here only a rotation
is locked, and all that a line costs besides is one look at the file's status.
"""

import fcntl
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Final

from harvester.config.instance_sections import LoggerSettings

AreaOf = Callable[[logging.LogRecord], str]
_MEGABYTE: Final = 1024 * 1024
_SECONDS_PER_HOUR: Final = 3600


class AreaFiles(logging.Handler):
    """Writes each line to the file of its area, with the rotation that `[logger]` asks for.

    Args:
        settings: where the files are and when new ones are begun.
        area_of: the area of a line.
        formatter: what lines look like.
    """

    def __init__(self, settings: LoggerSettings, area_of: AreaOf, formatter: logging.Formatter) -> None:
        super().__init__()
        self._settings = settings
        self._area_of = area_of
        self._files: dict[str, logging.Handler] = {}
        self.setFormatter(formatter)
        self._broken = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line; if that fails it is said once, until it works again."""
        try:
            self._file(self._area_of(record)).emit(record)
        except OSError as error:
            if not self._broken:
                with suppress(OSError):  # that may be on the same full disk
                    sys.stderr.write(f"log lines are lost, {self._settings.logdir} cannot be written: {error}\n")
            self._broken = True
        else:
            self._broken = False

    def close(self) -> None:
        """Close all files."""
        for file in self._files.values():
            file.close()
        super().close()

    def _file(self, area: str) -> logging.Handler:
        if area not in self._files:
            path = Path(self._settings.logdir or "") / f"panda-{Path(area).name}.log"
            self._files[area] = open_log(path, self._settings)
            self._files[area].setFormatter(self.formatter)
        return self._files[area]


def open_log(path: Path, settings: LoggerSettings) -> "SharedFile":
    """One log file with the rotation of `[logger]`; where no old file may be kept nothing is rotated and lost."""
    backups = settings.rotating_backup_count
    if backups and settings.rotating_policy == "size":
        return BySize(path, backups, settings.rotating_max_size * _MEGABYTE)
    if backups and settings.rotating_policy == "time":
        return ByTime(path, backups, max(round(settings.rotating_interval * _SECONDS_PER_HOUR), 1))
    return SharedFile(path)


class SharedFile(WatchedFileHandler):
    """A file that others may write too, and that others rotate."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, encoding="utf-8")

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line by one call of the system, so that no other process can write into it.

        Raises:
            OSError: it cannot be written.
        """
        line = f"{self.format(record)}\n".encode(errors="backslashreplace")
        self.reopenIfNeeded()
        self._begin_new_if_due(len(line))
        if self.stream is None:
            self.stream = self._open()
        left = memoryview(line)
        while left:  # a disk that is nearly full takes a part
            left = left[os.write(self.stream.fileno(), left) :]

    def _begin_new_if_due(self, length: int) -> None:
        """Whoever rotates says when."""


class _Rotated(SharedFile):
    """A file that is moved away when it is due; the old ones are called `<name>.1`, `<name>.2` and so on."""

    def __init__(self, path: Path, backups: int) -> None:
        super().__init__(path)
        self._path = path
        self._backups = backups

    def _begin_new_if_due(self, length: int) -> None:
        """If the old one cannot be moved away, or another process is at it, the line goes there."""
        if self._is_due(length):
            with suppress(OSError), _turn(self._path.parent, waits=False):
                self.reopenIfNeeded()  # another process may just have done it
                if self._is_due(length):
                    _put_away(self._path, self._backups)
                    self.reopenIfNeeded()

    def _is_due(self, length: int) -> bool:
        raise NotImplementedError


class BySize(_Rotated):
    """Begins a new file when the present one would get more than so many bytes."""

    def __init__(self, path: Path, backups: int, most: int) -> None:
        super().__init__(path, backups)
        self._most = most

    def _is_due(self, length: int) -> bool:
        size = 0 if self.stream is None else os.fstat(self.stream.fileno()).st_size
        return size > 0 and size + length > self._most


class ByTime(_Rotated):
    """Begins a new file every so many seconds, counted from midnight (UTC) where these divide a day.

    Each process remembers when the file was begun that it writes to, or when it was last written to if it was there
    before; so none can miss that another file is due.
    """

    def __init__(self, path: Path, backups: int, seconds: int) -> None:
        self._seconds = seconds
        self._opened = (-1, 0)
        """The inode of the file, and the period to which it belongs."""
        super().__init__(path, backups)

    def _is_due(self, length: int) -> bool:  # noqa: ARG002 (that is for others)
        if self.stream is None:
            return False
        status = os.fstat(self.stream.fileno())
        now = int(time.time()) // self._seconds
        if status.st_ino != self._opened[0]:
            self._opened = (status.st_ino, int(status.st_mtime) // self._seconds if status.st_size else now)
        return status.st_size > 0 and self._opened[1] < now


def roll_over(settings: LoggerSettings) -> None:
    """Begin new log files; the old ones are kept as after a rotation, at least one of each."""
    kept = max(settings.rotating_backup_count, 1)
    for file in sorted(Path(settings.logdir).glob("panda-*.log")) if settings.logdir else ():
        with _turn(file.parent):
            _put_away(file, kept)


def _put_away(path: Path, backups: int) -> None:
    """Give the file the number 1, and each older one the next number; the last one is dropped."""
    names = [path, *(path.with_name(f"{path.name}.{number}") for number in range(1, backups + 1))]
    for newer, older in reversed(list(pairwise(names))):
        with suppress(FileNotFoundError):
            newer.replace(older)


@contextmanager
def _turn(directory: Path, *, waits: bool = True) -> Iterator[None]:
    """Only one process at a time rotates; the directory itself is the lock, so that there is no further file.

    Raises:
        BlockingIOError: another process is at it, and this one does not wait.
    """
    handle = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if waits else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)
