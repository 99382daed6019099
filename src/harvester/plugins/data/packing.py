"""Packs output files into one tar file, as `SimpleZipper` does: not compressed, whatever its name says.

The members stand in it under their plain names, one after the other, so that the same files always give the same bytes.
"""

import os
import tarfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, Final

from pydantic import Field, field_validator

from harvester.core.errors import HarvesterError
from harvester.core.files import File
from harvester.plugins.api import Failed, Later, Packed, Parcel, PluginSettings, Zipper
from harvester.plugins.data.atomic_copy import BusyError, write_new
from harvester.plugins.data.checksums import Content, Summary, read_content
from harvester.plugins.tools.names import is_plain_name
from harvester.plugins.tools.regular_files import NotRegularFileError, open_regular

_BESIDE_MEMBERS: Final = "${SRCDIR}"
_ACCESS_POINT: Final = "${WORKDIR}"
_TOLD: Final = 5
"""Members that are named when many are missing."""


class UnpackableError(HarvesterError):
    """A member cannot be packed, now or ever."""


class TarSettings(PluginSettings):
    """Settings of the zipper.

    Attributes:
        directory: where packed files are made: `${SRCDIR}` is the directory of the first member, `${WORKDIR}` the
            access point of the worker; below any other each job has a directory of its own.
        max_attempts: packing that was tried so often is given up.
    """

    directory: str = Field(default=_BESIDE_MEMBERS, alias="zipDir")
    max_attempts: int = Field(default=3, ge=1, alias="maxAttempts")

    @field_validator("directory")
    @classmethod
    def _is_known_or_absolute(cls, directory: str) -> str:
        if directory not in {_BESIDE_MEMBERS, _ACCESS_POINT} and not Path(directory).is_absolute():
            raise ValueError(f"{directory} is not absolute; write a whole path, {_BESIDE_MEMBERS} or {_ACCESS_POINT}")
        return directory


class TarZipper(Zipper[TarSettings]):
    """See the module."""

    Settings = TarSettings

    def pack(self, parcels: Sequence[Parcel]) -> Sequence[Packed | Later | Failed]:
        """Some parcels at once; each appears under its name when it is complete and on disk."""
        with ThreadPoolExecutor(self.context.packing_threads, thread_name_prefix="packing") as threads:
            return list(threads.map(self._pack, parcels))

    def _pack(self, parcel: Parcel) -> Packed | Later | Failed:
        try:
            destination = self._destination(parcel)
            content = write_new(destination, lambda target: _fill(target, parcel), replace=True)
        except BusyError as busy:
            return Later(str(busy))
        except UnpackableError as error:
            return Failed(f"job {parcel.file.job_id}: {error}")
        except OSError as error:
            reason = f"job {parcel.file.job_id}: cannot pack {parcel.file.lfn}: {error}"
            return Failed(reason) if parcel.file.attempts >= self.settings.max_attempts else Later(reason)
        return Packed(str(destination), content.size, content.adler32)

    def _destination(self, parcel: Parcel) -> Path:
        if not parcel.members:
            raise UnpackableError(f"{parcel.file.lfn} has no members")
        names = [parcel.file.lfn, *(each.lfn for each in parcel.members)]
        if bad := [name for name in names if not is_plain_name(name)]:
            raise UnpackableError(f"{bad[0]!r} cannot be the name of a file")
        if missing := [each.lfn for each in parcel.members if not _is_there(each)]:
            more = f" and {len(missing) - _TOLD} more" if len(missing) > _TOLD else ""
            listed = ", ".join(missing[:_TOLD])
            raise UnpackableError(f"cannot pack {parcel.file.lfn}: {listed}{more} of its members are not there")
        return self._directory(parcel) / parcel.file.lfn

    def _directory(self, parcel: Parcel) -> Path:
        if self.settings.directory == _BESIDE_MEMBERS:
            return Path(parcel.members[0].path or "").parent
        if self.settings.directory != _ACCESS_POINT:
            return Path(self.settings.directory, str(parcel.file.job_id))
        if not parcel.access_point:
            raise UnpackableError(f"cannot pack {parcel.file.lfn} into {_ACCESS_POINT}: its worker is gone")
        return Path(parcel.access_point)


def _is_there(file: File) -> bool:
    return file.path is not None and os.path.lexists(file.path)


def _fill(target: BinaryIO, parcel: Parcel) -> Content:
    """Write the members as GNU tar does, and sum up what is written."""
    summary = Summary()

    def write(piece: bytes) -> None:
        target.write(piece)
        summary.add(piece)

    for member in parcel.members:
        _add(write, member)
    write(tarfile.NUL * (2 * tarfile.BLOCKSIZE))
    write(tarfile.NUL * (-summary.size % tarfile.RECORDSIZE))
    target.flush()
    os.fsync(target.fileno())
    return summary.content


def _add(write: Callable[[bytes], None], member: File) -> None:
    with _opened(member) as source:
        there = os.fstat(source.fileno())
        about = tarfile.TarInfo(member.lfn)
        about.size, about.mtime = there.st_size, int(there.st_mtime)
        write(about.tobuf(tarfile.GNU_FORMAT, errors="surrogateescape"))
        content = read_content(source, write, at_most=there.st_size)
    write(tarfile.NUL * (-content.size % tarfile.BLOCKSIZE))
    wrong = content.differs_from(there.st_size, None) or content.differs_from(member.size, member.checksum)
    if wrong:
        raise UnpackableError(f"{member.path} {wrong}")


def _opened(member: File) -> BinaryIO:
    try:
        return open_regular(member.path or "", follow=False)
    except NotRegularFileError as error:
        raise UnpackableError(str(error)) from None
