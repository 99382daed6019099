"""What a worker does through the door to the files of its access point (plugins reference §5.3).

They are the files of the shared-file messenger, which reads what is written here as if the worker itself had put it
there. No name and no path comes from the worker: the names are those of its queue, the directories those that the
database knows. The last directory is opened without following a link, and everything happens relative to it.
"""

import errno
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from harvester.core.errors import HarvesterError
from harvester.core.workers import MapType
from harvester.plugins.messengers.file_names import FileNames
from harvester.plugins.tools.regular_files import open_regular
from harvester.plugins.tools.untrusted_files import read_json

TAKEN: Final = ".taken"
"""Added to the name of what a worker has got: it may get it again, and Harvester sees that it was taken up."""

_LARGEST_ANSWER: Final = 64_000_000
_LONGEST_LIST: Final = 1_000_000
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
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

    def directory(self, job_id: int | None) -> str:
        """Where the files of a job are; those of the worker itself for None."""
        return f"{self.access_point}/{job_id}" if self.has_directories and job_id is not None else self.access_point

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


def put(directory: str, name: str, data: JsonValue) -> None:
    """Write what a worker says, in place of what it said before.

    Raises:
        OutOfReachError: it cannot be written.
    """
    with _opened(directory) as place, _written(place, name, data) as new:
        os.rename(new, name, src_dir_fd=place, dst_dir_fd=place)


def put_once(directory: str, name: str, data: JsonValue) -> None:
    """Write what a worker says, if nothing is there that Harvester has not read yet.

    Raises:
        NotNowError: there is.
        OutOfReachError: it cannot be written.
    """
    with _opened(directory) as place:
        if _is_there(place, name):
            raise NotNowError
        with _written(place, name, data) as new:
            _name_once(place, new, name)


def is_waiting(directory: str, name: str) -> bool:
    """Whether something is there that Harvester has not read yet.

    Raises:
        OutOfReachError: the access point cannot be used.
    """
    with _opened(directory) as place:
        return _is_there(place, name)


def take(directory: str, name: str) -> bytes:
    """What Harvester has put there for the worker; what is new first, else what was taken last.

    Raises:
        NotNowError: there is nothing.
        OutOfReachError: it cannot be read.
    """
    with _opened(directory) as place:
        with suppress(FileNotFoundError):
            os.rename(name, f"{name}{TAKEN}", src_dir_fd=place, dst_dir_fd=place)
        try:
            with open_regular(f"{name}{TAKEN}", follow=False, directory=place) as file:
                content = file.read(_LARGEST_ANSWER + 1)
        except FileNotFoundError:
            raise NotNowError from None
    if len(content) > _LARGEST_ANSWER:
        raise OutOfReachError("the file is too large")
    return content


def forget_taken(directory: str, name: str) -> None:
    """The worker goes on to what comes next, so that it must not get once more what it has.

    Raises:
        OutOfReachError: it cannot be removed.
    """
    with _opened(directory) as place, suppress(FileNotFoundError):
        os.unlink(f"{name}{TAKEN}", dir_fd=place)


@contextmanager
def _opened(directory: str) -> Iterator[int]:
    """A directory, and the trouble with it in words for the worker."""
    try:
        place = os.open(directory, _DIRECTORY)
        try:
            yield place
        finally:
            os.close(place)
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}:
            raise OutOfReachError("the access point is not there") from None
        raise OutOfReachError(f"the access point cannot be used now: {error.strerror}") from error


@contextmanager
def _written(place: int, name: str, data: JsonValue) -> Iterator[str]:
    """A file beside the one that it is to become, of which nothing is left in the end."""
    left = json.dumps(data).encode()
    new = f".{name}.{secrets.token_hex(8)}"
    handle = os.open(new, _NEW, 0o644, dir_fd=place)
    try:
        try:
            while left:  # a disk that is nearly full takes a part
                left = left[os.write(handle, left) :]
        finally:
            os.close(handle)
        yield new
    finally:
        with suppress(FileNotFoundError):
            os.unlink(new, dir_fd=place)


def _name_once(place: int, new: str, name: str) -> None:
    """Give a file its name unless somebody has it already, in one step where the file system knows links."""
    try:
        os.link(new, name, src_dir_fd=place, dst_dir_fd=place, follow_symlinks=False)
    except FileExistsError:
        raise NotNowError from None
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        os.rename(new, name, src_dir_fd=place, dst_dir_fd=place)


def _is_there(place: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=place, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
