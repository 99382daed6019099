"""Keeps directories of this host below a size: the oldest files go, except inputs that jobs still need."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG
from typing import ClassVar, Final

import structlog

from harvester.config.watermarks import Watermark
from harvester.core.records import record_type
from harvester.store import shared_inputs
from harvester.store.engine import Database

log = structlog.get_logger(__name__)

_AT_ONCE: Final = 500
"""Files of which is asked in one statement whether they are needed; they are removed right after it."""
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@record_type
class _Found:
    """A file below a directory that is kept small.

    Attributes:
        inode: tells it from a later file of the same name.
    """

    modified: float
    place: str
    name: str
    size: int
    inode: int


class DiskCleaner:
    """One round looks at all directories; links are neither followed nor removed."""

    name: ClassVar[str] = "disk cleaner"

    def __init__(self, db: Database, watermarks: Sequence[Watermark]) -> None:
        self._db = db
        self._watermarks = watermarks

    def round(self) -> None:
        """Bring each directory below its size; what goes wrong with one does not concern the others.

        Raises:
            StoreUnavailableError: it cannot be asked which files are needed.
        """
        for mark in self._watermarks:
            try:
                self._clean(mark)
            except FileNotFoundError:
                log.info("directory is not there yet, so it is small enough", directory=str(mark.directory))
            except OSError as error:
                log.warning("directory cannot be kept small", directory=str(mark.directory), error=str(error))

    def _clean(self, mark: Watermark) -> None:
        with _opened(mark.directory) as top:
            found = list(_files_below(top))
            size = sum(each.size for each in found)
            if size <= mark.most:
                return
            removed = self._remove_oldest(top, sorted(found, key=lambda each: each.modified), size - mark.most)
        left = size - sum(each.size for each in removed)
        log.info("old files removed", directory=str(mark.directory), files=len(removed), bytes_left=left)
        if left > mark.most:
            reason = "jobs need the rest, or it cannot be removed; raise diskHighWatermark or look at the directory"
            log.warning("directory is still too large", directory=str(mark.directory), bytes=left, reason=reason)

    def _remove_oldest(self, top: int, found: Sequence[_Found], excess: int) -> list[_Found]:
        removed: list[_Found] = []
        for start in range(0, len(found), _AT_ONCE):
            some = found[start : start + _AT_ONCE]
            with self._db.read() as connection:
                needed = shared_inputs.needed(connection, {each.name for each in some})
            for each in some:
                if excess <= 0:
                    return removed
                if each.name not in needed and _remove(top, each):
                    removed.append(each)
                    excess -= each.size
        return removed


def _files_below(top: int) -> Iterator[_Found]:
    """Ordinary files, wherever they are below an open directory; what vanishes meanwhile is left out."""
    for place, _, names, directory in os.fwalk(".", dir_fd=top, follow_symlinks=False):
        for name in names:
            try:
                about = os.stat(name, dir_fd=directory, follow_symlinks=False)
            except OSError:
                continue
            if S_ISREG(about.st_mode):
                yield _Found(about.st_mtime, place, name, about.st_size, about.st_ino)


def _remove(top: int, file: _Found) -> bool:
    """Remove a file unless it is another one now; False if that is not possible."""
    try:
        with _opened(Path(file.place), top) as directory:
            about = os.stat(file.name, dir_fd=directory, follow_symlinks=False)
            if (about.st_ino, about.st_mtime) != (file.inode, file.modified):
                return False
            os.unlink(file.name, dir_fd=directory)
    except OSError:
        return False
    return True


@contextmanager
def _opened(path: Path, top: int | None = None) -> Iterator[int]:
    """An open directory; below `top` no part of the way to it may be a link."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) if top is None else _descended(top, path)
    try:
        yield handle
    finally:
        os.close(handle)


def _descended(top: int, path: Path) -> int:
    handle = os.dup(top)
    for part in path.parts:
        try:
            below = os.open(part, _DIRECTORY, dir_fd=handle)
        finally:
            os.close(handle)
        handle = below
    return handle
