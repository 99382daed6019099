"""Log files that several processes write to, and that one of them, or a program such as logrotate, rotates.

The handlers of the standard library each rename the file when they find it large or old enough: with several processes
the second one would put the new file away, and in the end lines are deleted. Here whoever finds that the file was
rotated already goes on with the new one.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from logging import LogRecord
from logging.handlers import BaseRotatingHandler, RotatingFileHandler, TimedRotatingFileHandler
from pathlib import Path


class _SharedMixin(BaseRotatingHandler):
    """One process rotates at a time, and the others notice."""

    def emit(self, record: LogRecord) -> None:
        """Write a line into the file that has the name now."""
        if not self._is_current():
            self._begin_anew()
        super().emit(record)

    def doRollover(self) -> None:  # noqa: N802 - the name in `logging`
        """Rotate, unless another process has done so while we waited for our turn."""
        with _turn(Path(self.baseFilename).parent):
            if self._is_current():
                super().doRollover()  # type: ignore[misc]  # that of the handler that this is mixed into
            else:
                self._begin_anew()

    def _begin_anew(self) -> None:
        if self.stream is not None:
            self.stream.close()
        self.stream = self._open()

    def _is_current(self) -> bool:
        if self.stream is None:
            return False
        try:
            return os.path.samestat(os.fstat(self.stream.fileno()), Path(self.baseFilename).stat())
        except FileNotFoundError:
            return False


class BySize(_SharedMixin, RotatingFileHandler):
    """Rotates at a size."""


class ByTime(_SharedMixin, TimedRotatingFileHandler):
    """Rotates after a time."""

    def _begin_anew(self) -> None:
        super()._begin_anew()
        self.rolloverAt = self.computeRollover(int(time.time()))


@contextmanager
def _turn(directory: Path) -> Iterator[None]:
    """Only one process at a time; the directory itself is the lock, so that there is no further file."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
