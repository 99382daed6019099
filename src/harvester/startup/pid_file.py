"""The pid file: says which process the service is, and is locked as long as it lives."""

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import psutil

from harvester.core.errors import HarvesterError

_OPEN: Final = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class RunsAlreadyError(HarvesterError):
    """Another process has the pid file."""


class NoPidFileError(HarvesterError):
    """There is no directory for it, or what stands at the path is something else, which must be left alone."""


class PidFile:
    """A pid file that this process holds.

    What a dead process left is no obstacle: not what stands in the file counts, but who has it locked. A service that
    locks nothing, as the earlier Harvester, is found by its command line.
    """

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        self._handle = handle

    def give_to(self, uid: int, gid: int) -> None:
        """Let the account of the service write and remove it."""
        os.fchown(self._handle, uid, gid)

    def write(self) -> None:
        """Say who we are; after a fork again."""
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, f"{os.getpid()}\n".encode(), 0)

    def remove(self) -> None:
        """The service ends; where the directory is not ours the file stays, empty."""
        os.ftruncate(self._handle, 0)
        with suppress(OSError):
            self.path.unlink()


def take(path: Path) -> PidFile:
    """Hold the pid file.

    Raises:
        RunsAlreadyError: another process lives that holds it.
        NoPidFileError: it is a link, or no ordinary file, or its directory is not there.
        OSError: it cannot be written.
    """
    while True:
        handle = _open(path)
        with _closed_on_error(handle):
            _require_own(path, handle)
            _lock(path, handle)
            if _is_still(path, handle):
                return PidFile(path, handle)
        os.close(handle)  # whoever had it has just removed it


def _open(path: Path) -> int:
    try:
        return os.open(path, _OPEN, 0o644)
    except FileNotFoundError:
        advice = "make it, or name another --pid-file"
        raise NoPidFileError(f"{path}: the directory {path.parent} is not there; {advice}") from None
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.EISDIR, errno.ENXIO}:
            raise _no_pid_file(path) from None
        raise


def _require_own(path: Path, handle: int) -> None:
    """Root opens it where the account of the service may write: by a link that account would get any file it likes."""
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        raise _no_pid_file(path)


def _no_pid_file(path: Path) -> NoPidFileError:
    return NoPidFileError(
        f"{path} is a link, or no ordinary file, and cannot be the pid file; see who made it and remove it, "
        "or name another --pid-file"
    )


def _lock(path: Path, handle: int) -> None:
    text = os.pread(handle, 32, 0).decode(errors="replace").strip()
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _refusal(path, text) from None
    if text.isdecimal() and _is_earlier_harvester(int(text)):
        raise _refusal(path, text)


def _refusal(path: Path, pid: str) -> RunsAlreadyError:
    who = f"with the pid {pid}" if pid else "and is just starting"
    return RunsAlreadyError(f"Harvester runs already {who}, says {path}; stop it first, or name another --pid-file")


def _is_earlier_harvester(pid: int) -> bool:
    try:
        return any(word.endswith("harvesterbody/master.py") for word in psutil.Process(pid).cmdline())
    except psutil.Error:
        return False


def _is_still(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def _closed_on_error(handle: int) -> Iterator[None]:
    try:
        yield
    except BaseException:
        os.close(handle)
        raise
