"""What the processes of one host do one after the other, before and beside what they agree on in the database."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import structlog

log = structlog.get_logger(__name__)

_STEP: Final = 0.1


class HostLock:
    """A lock that ends with the process that holds it.

    Args:
        path: its file, of this host alone: it may be in a directory that hosts share.
        sleep: lets seconds pass.
    """

    def __init__(self, path: Path, sleep: Callable[[float], None] = time.sleep) -> None:
        self._path = path
        self._sleep = sleep

    @contextmanager
    def held(self, patience: float) -> Iterator[bool]:
        """Hold it for a while; tells whether somebody else held it when it was asked for.

        Where it cannot be had in time, or where the file system knows no locks, one goes on without.

        Args:
            patience: seconds to wait for it.
        """
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            log.warning(
                "no lock, processes of this host may do the same at once", file=str(self._path), error=str(error)
            )
            yield False
            return
        try:
            yield self._waited(descriptor, patience)
        finally:
            os.close(descriptor)

    def _waited(self, descriptor: int, patience: float) -> bool:
        """Whether somebody else had it, and gave it up in time."""
        end = time.monotonic() + patience
        waited = False
        while time.monotonic() < end:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waited = True
                self._sleep(_STEP)
            except OSError:
                return False
            else:
                return waited
        return False
