"""What is sent of a worker's log: an ordinary file where logs may be, and of a very long one its end.

A worker may write whatever it likes where its log is expected, so nothing there is believed: links to other files,
pipes and devices are refused.
"""

import errno
import io
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from harvester.plugins.tools.regular_files import NotRegularFileError, open_below

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

LARGEST: Final = 32 * 2**20
"""Bytes of a log that are sent; the server takes three times as many."""
EMPTY: Final = ""
"""The state of a log in which nothing stands yet."""
_PIECE: Final = 2**18
_NEVER: Final = frozenset({errno.ELOOP, errno.ENOTDIR, errno.ENAMETOOLONG})
"""What the system says of links, and of names that no file can have."""
_ODD: Final = re.compile(r"[^A-Za-z0-9._-]")
_LONGEST_NAME: Final = 150


def open_log(path: str, access_point: str, log_dir: str | None) -> BinaryIO:
    """Open a log in the worker's access point or below the directory of logs.

    Raises:
        OSError: it cannot be opened now; FileNotFoundError if it is not there yet.
        NotRegularFileError: it is none that may be sent.
    """
    for root in (access_point, os.path.realpath(log_dir) if log_dir else ""):
        parts = _parts_below(path, root)
        if parts:
            return _open_below(Path(root), parts)
    raise NotRegularFileError(f"{path} is neither in the access point nor below logDir")


def _open_below(root: Path, parts: tuple[str, ...]) -> BinaryIO:
    try:
        return open_below(root, parts)
    except OSError as error:
        if error.errno in _NEVER:
            raise NotRegularFileError(str(error)) from error
        raise


def _parts_below(path: str, root: str) -> tuple[str, ...]:
    """The names from the root to the file; empty if it is not below it."""
    place = Path(path)
    if not root or ".." in place.parts or not place.is_relative_to(root):
        return ()
    return place.relative_to(root).parts


def state_of(file: BinaryIO) -> str:
    """Tells one state of a log from a later one."""
    status = os.fstat(file.fileno())
    return f"{status.st_size}:{status.st_mtime_ns}" if status.st_size else EMPTY


def to_send(file: BinaryIO) -> BinaryIO:
    """What is sent of an open log, as long as it is now although it may grow."""
    return io.BufferedReader(_View(file), _PIECE)


class _View(io.RawIOBase):
    """The present state of a log; reading fails if it becomes shorter meanwhile."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        size = os.fstat(file.fileno()).st_size
        left_out = max(size - LARGEST, 0)
        self._file = file
        self._note = f"[{left_out} bytes before this are left out]\n".encode() if left_out else b""
        self._skipped = left_out - len(self._note)
        self._size = size - self._skipped
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        self._place = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        return self._place

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        target = memoryview(buffer).cast("B")
        wanted = min(len(target), self._size - self._place)
        piece = self._note[self._place : self._place + wanted]
        if wanted > 0 and not piece:
            piece = os.pread(self._file.fileno(), wanted, self._skipped + self._place)
            if not piece:
                raise OSError("it became shorter while it was sent")
        target[: len(piece)] = piece
        self._place += len(piece)
        return len(piece)


def name_for(instance: str, worker_id: int, path: str) -> str:
    """What the server calls a log: `<harvester_id>__<its name>`, which is made to tell the worker if it does not."""
    name = Path(path).name
    own = name if str(worker_id) in re.findall(r"\d+", name) else f"{worker_id}_{name}"
    return _ODD.sub("_", f"{instance}__{own}")[:_LONGEST_NAME]


def public_url(base: str, place: str) -> str:
    """Where a log can be read; `base` may name the folder of logs itself."""
    base, (folder, _, name) = base.rstrip("/"), place.rpartition("/")
    return f"{base}/{name if folder and base.endswith(f'/{folder}') else place}"
