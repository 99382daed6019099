"""What a worker does through the door to the files of its access point (plugins reference §5.3).

They are the files of the shared-file messenger, which reads what is written here as if the worker itself had put it
there. No name and no path comes from the worker: the names are those of its queue, the access point and its jobs those
that the database knows. The directory of a job, which the worker could have replaced, is opened without following a
link, and everything happens relative to it. System calls are few: each costs the built-in server a change of threads.
"""

import errno
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from harvester.core.errors import HarvesterError
from harvester.core.workers import MapType
from harvester.plugins.messengers.file_names import FileNames
from harvester.plugins.tools.atomic_files import fill
from harvester.plugins.tools.regular_files import open_regular
from harvester.plugins.tools.untrusted_files import read_json

TAKEN: Final = ".taken"
"""Added to the name of what a worker has got: it may get it again, and Harvester sees that it was taken up."""

_LARGEST_ANSWER: Final = 64_000_000
_LONGEST_LIST: Final = 1_000_000
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OURS: Final = secrets.token_hex(4)
"""With the process id it tells apart who writes, on whatever host."""
_NUMBERS: Final = count()
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_NO_LINKS: Final = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EACCES})


class NotNowError(HarvesterError):
    """What was asked for is not there yet, or what was said before has not been read yet."""


class OutOfReachError(HarvesterError):
    """The access point cannot be used; the message is for the worker and names no path."""


@dataclass(frozen=True, slots=True)
class Place:
    """The files of one worker.

    Attributes:
        access_point: its directory.
        names: what the files are called in its queue.
        has_directories: whether each of its jobs has a directory below the access point.
    """

    access_point: str
    names: FileNames
    has_directories: bool

    @classmethod
    def of(cls, access_point: str, names: FileNames, map_type: MapType) -> "Place":
        """The files of a worker of that map type."""
        return cls(access_point, names, map_type is MapType.MANY_TO_ONE)

    @contextmanager
    def spot(self, job_id: int | None = None) -> Iterator["Spot"]:
        """Where the files of a job are; those of the worker itself for None.

        Raises:
            OutOfReachError: it is not there, or cannot be used.
        """
        handle = None
        try:
            if not self.has_directories or job_id is None:
                yield Spot(f"{self.access_point}/")
                return
            handle = os.open(f"{self.access_point}/{job_id}", _DIRECTORY)
            yield Spot("", handle)
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}:
                raise OutOfReachError("the access point is not there") from None
            raise OutOfReachError(f"the access point cannot be used now: {error.strerror}") from error
        finally:
            if handle is not None:
                os.close(handle)

    def listed_jobs(self) -> Sequence[int]:
        """The jobs whose directories are complete.

        Raises:
            NotNowError: there is no such list yet.
        """
        try:
            found = read_json(Path(self.access_point, self.names.job_ids), at_most=_LONGEST_LIST)
        except (OSError, HarvesterError):
            raise NotNowError from None
        return [each for each in found if isinstance(each, int)] if isinstance(found, list) else []


@dataclass(frozen=True, slots=True)
class Spot:
    """A directory with files of a worker; what goes wrong there is told by `Place.spot`.

    Attributes:
        prefix: what stands before the names.
        handle: the open directory that they are relative to; None if they are whole paths.
    """

    prefix: str
    handle: int | None = None

    def put(self, name: str, data: JsonValue) -> None:
        """Write what a worker says, in place of what it said before."""
        new = self._written(name, data)
        try:
            self._rename(new, name)
        except OSError:
            self._remove(new)
            raise

    def put_once(self, name: str, data: JsonValue) -> None:
        """Write what a worker says, if nothing is there that Harvester has not read yet.

        Raises:
            NotNowError: there is.
        """
        if self.has(name):
            raise NotNowError
        new = self._written(name, data)
        try:
            os.link(
                self.prefix + new,
                self.prefix + name,
                src_dir_fd=self.handle,
                dst_dir_fd=self.handle,
                follow_symlinks=False,
            )
        except FileExistsError:
            raise NotNowError from None
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            self._rename(new, name)
        finally:
            self._remove(new)

    def take(self, name: str) -> bytes:
        """What Harvester has put there for the worker; what is new first, else what was taken last.

        Raises:
            NotNowError: there is nothing.
            OutOfReachError: it is too large.
        """
        with suppress(FileNotFoundError):
            self._rename(name, f"{name}{TAKEN}")
        try:
            with open_regular(f"{self.prefix}{name}{TAKEN}", follow=False, directory=self.handle) as file:
                content = file.read(_LARGEST_ANSWER + 1)
        except FileNotFoundError:
            raise NotNowError from None
        if len(content) > _LARGEST_ANSWER:
            raise OutOfReachError("the file is too large")
        return content

    def forget_taken(self, name: str) -> None:
        """The worker goes on to what comes next, so that it must not get once more what it has."""
        self._remove(f"{name}{TAKEN}")

    def has(self, name: str) -> bool:
        """Whether something of that name is there."""
        try:
            os.stat(self.prefix + name, dir_fd=self.handle, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def _written(self, name: str, data: JsonValue) -> str:
        """The name of a file beside the one that it is to become."""
        content = json.dumps(data).encode()
        new = f".{name}.{_OURS}.{os.getpid()}.{next(_NUMBERS)}"
        handle = os.open(self.prefix + new, _NEW, 0o644, dir_fd=self.handle)
        try:
            fill(handle, content)
        except OSError:
            self._remove(new)
            raise
        return new

    def _rename(self, old: str, new: str) -> None:
        os.rename(self.prefix + old, self.prefix + new, src_dir_fd=self.handle, dst_dir_fd=self.handle)

    def _remove(self, name: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(self.prefix + name, dir_fd=self.handle)
