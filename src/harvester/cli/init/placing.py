"""Puts files into their places: nothing that is there is lost, and nobody reads what is secret."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

from harvester.cli.init.answers import Account
from harvester.setup_files import WRITTEN_BY

_DIRECTORY: Final = 0o755
_PRIVATE: Final = 0o600
_OF_THE_GROUP: Final = 0o640


class Fate(StrEnum):
    """What became of a file."""

    WRITTEN = "written"
    KEPT = "is there already, left as it is"
    FOREIGN = "left as it is, but not written by this version of `harvester init`"
    REPLACED = "written anew, the old one is"


@dataclass(frozen=True, slots=True)
class Planned:
    """A file that is wanted.

    Attributes:
        mode: who may do what with it.
        is_of_root: whether root executes or reads it to start the service. Written by root it stays root's: the
            account of the service could otherwise have root do anything. What is private its group may read.
    """

    path: Path
    text: str
    mode: int = 0o644
    is_of_root: bool = False


@dataclass(frozen=True, slots=True)
class Placed:
    """A file that is there now.

    Attributes:
        former: where the one is that was there before.
    """

    path: Path
    fate: Fate
    former: Path | None = None


class Placer:
    """Makes files and directories for one account.

    Directories that hold files stay root's where root makes them: whoever has a directory can replace what is in it.

    Args:
        account: whose files and working directories they are; only root can give them to somebody else.
        force: files that are there are replaced.
        now: what time it is, for the names of what was replaced.
    """

    def __init__(self, account: Account, now: datetime, *, force: bool) -> None:
        self._account = account
        self._suffix = f".{now:%Y%m%dT%H%M%S}"
        self._force = force

    def put_all(self, files: Iterable[Planned]) -> Iterator[Placed]:
        """Put one after the other where it belongs; each is there when it is told.

        Raises:
            OSError: one cannot be written.
        """
        return map(self._put, files)

    def make_directory(self, path: Path) -> None:
        """Make it for the account to work in, with those above it.

        Raises:
            OSError: that is not possible.
        """
        for each in _make_missing(path):
            self._give(each)

    def _put(self, file: Planned) -> Placed:
        _make_missing(file.path.parent)
        if not os.path.lexists(file.path):
            self._write(file)
            return Placed(file.path, Fate.WRITTEN)
        if not self._force:
            return Placed(file.path, Fate.FOREIGN if file.is_of_root and _is_foreign(file.path) else Fate.KEPT)
        former = file.path.with_name(file.path.name + self._suffix)
        file.path.rename(former)
        self._write(file)
        return Placed(file.path, Fate.REPLACED, former)

    def _write(self, file: Planned) -> None:
        """Nobody can read it before it has its mode."""
        handle = os.open(file.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(file.text)
            if not file.is_of_root:
                self._give(handle)
            elif os.geteuid() == 0 and file.mode == _PRIVATE:
                os.fchown(handle, 0, self._account.gid)
                os.fchmod(handle, _OF_THE_GROUP)
                return
            os.fchmod(handle, file.mode)

    def _give(self, place: Path | int) -> None:
        if os.geteuid() == 0:
            os.chown(place, self._account.uid, self._account.gid)


def _is_foreign(path: Path) -> bool:
    """Whether it is somebody's own, of an early version, or of the earlier Harvester, whose files have these names."""
    return os.access(path, os.R_OK) and WRITTEN_BY not in path.read_text(encoding="utf-8", errors="replace")


def _make_missing(directory: Path) -> list[Path]:
    """Make it, with those above it; those that were missing."""
    missing = [each for each in (directory, *directory.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(_DIRECTORY)
    return missing
