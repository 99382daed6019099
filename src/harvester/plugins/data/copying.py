"""Copies files between directories of this machine, with checksums: the simplest real preparator and stager.

A file is stored as `<directory>/<scope, or panda>/<lfn>`. It appears under that name only when it is complete, verified
and on disk, so that whatever stands there after a crash is either right or of somebody else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import AliasChoices, Field, field_validator

from harvester.core.files import File
from harvester.plugins.api import Done, Failed, FileOutcome, Later, Moved, Preparator, Stager
from harvester.plugins.data.atomic_copy import BusyError, WrongContentError, copy_verified, summarise
from harvester.plugins.data.block_settings import BlockSettings
from harvester.plugins.data.names import is_plain_name

_DEFAULT_SCOPE = "panda"


class CopySettings(BlockSettings):
    """Settings of both copying plugins; the names are those that queue configurations use for copying.

    Attributes:
        destination: directory that files are copied to.
        source: directory with the layout of `destination` where inputs are that do not tell their path.
        max_attempts: a transfer that was tried so often is given up.
    """

    destination: Path = Field(validation_alias=AliasChoices("destination", "basePath", "localBasePath", "dstBasePath"))
    source: Path | None = Field(default=None, validation_alias=AliasChoices("source", "srcBasePath"))
    max_attempts: int = Field(default=3, ge=1, alias="maxAttempts")

    @field_validator("destination", "source")
    @classmethod
    def _is_absolute(cls, directory: Path | None) -> Path | None:
        if directory is not None and not directory.is_absolute():
            raise ValueError(f"{directory} is not absolute; write the whole path of the directory")
        return directory


class CopyStagerSettings(CopySettings):
    """Settings of the stager: a plain `basePath` is where outputs are copied to, as `dstBasePath` is.

    Where a configuration has both directories of a transfer, the remote one is meant.
    """

    destination: Path = Field(validation_alias=AliasChoices("destination", "dstBasePath", "basePath", "localBasePath"))


class CopyPreparator(Preparator[CopySettings]):
    """Copies inputs to a directory that workers can read."""

    Settings = CopySettings

    def trigger(self, files: Sequence[File]) -> Sequence[Done | Later | Failed]:
        """Copy the inputs that are not there yet."""
        return [_transfer(self.settings, file) for file in files]

    def check(self, files: Sequence[File]) -> Sequence[FileOutcome]:
        """Moved for inputs that are there as declared."""
        return [_look(self.settings, file) for file in files]


class CopyStager(Stager[CopyStagerSettings]):
    """Copies outputs from the access points to a directory that outlives them."""

    Settings = CopyStagerSettings

    def trigger(self, files: Sequence[File]) -> Sequence[Done | Later | Failed]:
        """Copy the outputs that are not there yet."""
        return [_transfer(self.settings, file) for file in files]

    def check(self, files: Sequence[File]) -> Sequence[FileOutcome]:
        """Moved for outputs that are there as declared."""
        return [_look(self.settings, file) for file in files]


@dataclass(frozen=True, slots=True)
class _Route:
    source: Path | None
    destination: Path


def _route(settings: CopySettings, file: File) -> _Route | Failed:
    scope = file.scope or _DEFAULT_SCOPE
    for name in (scope, file.lfn):
        if not is_plain_name(name):
            return Failed(f"job {file.job_id}: {name!r} cannot be the name of a file or scope; correct it in the task")
    source = Path(file.path) if file.path else settings.source and settings.source / scope / file.lfn
    return _Route(source, settings.destination / scope / file.lfn)


def _transfer(settings: CopySettings, file: File) -> Done | Later | Failed:
    route = _route(settings, file)
    if isinstance(route, Failed):
        return route
    try:
        if not _is_there(route.destination, file):
            _copy(route, file)
    except BusyError as busy:
        return Later(str(busy))
    except (OSError, WrongContentError) as error:
        reason = f"job {file.job_id}: cannot copy {file.lfn} to {route.destination}: {error}"
        return Failed(reason) if file.attempts >= settings.max_attempts else Later(reason)
    return Done()


def _is_there(destination: Path, file: File) -> bool:
    if file.checksum is None:
        return False
    try:
        return not summarise(destination).differs_from(file.size, file.checksum)
    except FileNotFoundError:
        return False


def _copy(route: _Route, file: File) -> None:
    if route.source is None:
        raise FileNotFoundError("it is not known where the file is; set srcBasePath in the plugin's block")
    copy_verified(route.source, route.destination, size=file.size, checksum=file.checksum)


def _look(settings: CopySettings, file: File) -> FileOutcome:
    route = _route(settings, file)
    if isinstance(route, Failed):
        return route
    try:
        content = summarise(route.destination)
    except FileNotFoundError:
        return Later(f"{route.destination} is not there yet")
    except OSError as error:
        return Later(f"{route.destination} cannot be read: {error}")
    if wrong := content.differs_from(file.size, file.checksum):
        return Later(f"{route.destination} {wrong}; it will be copied again")
    checksum = content.md5 if (file.checksum or "").startswith("md:") else content.adler32
    return Moved(str(route.destination), content.size, checksum)
