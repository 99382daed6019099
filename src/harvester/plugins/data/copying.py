"""Copies files between directories of this machine, with checksums: the simplest real preparator and stager.

A file is stored as `<directory>/<scope, or panda>/<lfn>`. It appears under that name only when it is complete, verified
and on disk, so that whatever stands there after a crash is either right or of somebody else: an input is put in its
place, an output never is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeVar

from pydantic import AliasChoices, Field

from harvester.config.plugin_blocks import PluginProblem
from harvester.core.files import File
from harvester.plugins.api import (
    Done,
    Failed,
    FileOutcome,
    Later,
    Moved,
    Plugin,
    PluginSettings,
    Preparator,
    Stager,
)
from harvester.plugins.data.atomic_copy import BusyError, WrongContentError, copy_verified, summarise
from harvester.plugins.data.checksums import Content
from harvester.plugins.tools.names import is_plain_name
from harvester.plugins.tools.path_settings import AbsolutePath, unwritable_directory

_DEFAULT_SCOPE = "panda"


class CopySettings(PluginSettings):
    """Settings of both copying plugins; the names are those that queue configurations use for copying.

    Attributes:
        destination: directory that files are copied to.
        source: directory with the layout of `destination` where inputs are that do not tell their path.
        max_attempts: a transfer that was tried so often is given up.
    """

    destination: AbsolutePath = Field(
        validation_alias=AliasChoices("destination", "basePath", "localBasePath", "dstBasePath")
    )
    source: AbsolutePath | None = Field(default=None, validation_alias=AliasChoices("source", "srcBasePath"))
    max_attempts: int = Field(default=3, ge=1, alias="maxAttempts")

    def mistakes(self, _role: str) -> Iterator[PluginProblem]:
        """A place that nothing can be copied to."""
        yield from unwritable_directory(self.destination, "destination")


class CopyStagerSettings(CopySettings):
    """Settings of the stager: a plain `basePath` is where outputs are copied to, as `dstBasePath` is.

    Where a configuration has both directories of a transfer, the remote one is meant.
    """

    destination: AbsolutePath = Field(
        validation_alias=AliasChoices("destination", "dstBasePath", "basePath", "localBasePath")
    )


CopySettingsT = TypeVar("CopySettingsT", bound=CopySettings)


@dataclass(frozen=True, slots=True)
class _Route:
    source: Path | None
    destination: Path

    @property
    def known_source(self) -> Path:
        if self.source is None:
            raise FileNotFoundError("it is not known where the file is; set srcBasePath in the plugin's block")
        return self.source


class _Copying(Plugin[CopySettingsT]):
    """What both plugins do.

    Attributes:
        replaces: whether a file of other content that stands in the way is replaced.
        follows: whether what is copied may be a symbolic link.
    """

    replaces: ClassVar[bool]
    follows: ClassVar[bool]

    def trigger(self, files: Sequence[File]) -> Sequence[Done | Later | Failed]:
        """Copy the files that are not there yet."""
        return [self._transfer(file) for file in files]

    def check(self, files: Sequence[File]) -> Sequence[FileOutcome]:
        """Moved for files that are there as declared, or as their source is if they declare no checksum."""
        return [self._look(file) for file in files]

    def _transfer(self, file: File) -> Done | Later | Failed:
        route = _route(self.settings, file)
        if isinstance(route, Failed):
            return route
        try:
            return self._copy(route, file)
        except BusyError as busy:
            return Later(str(busy))
        except (OSError, WrongContentError) as error:
            reason = f"job {file.job_id}: cannot copy {file.lfn} to {route.destination}: {error}"
            return Failed(reason) if file.attempts >= self.settings.max_attempts else Later(reason)

    def _copy(self, route: _Route, file: File) -> Done | Failed:
        there = _content_at(route.destination)
        difference = self._difference(there, route, file) if there else ""
        if difference and not self.replaces:
            return _taken(route, file, difference)
        if difference or not there:
            copy_verified(
                route.known_source,
                route.destination,
                size=file.size,
                checksum=file.checksum,
                replace=self.replaces,
                follow=self.follows,
            )
        return Done()

    def _look(self, file: File) -> FileOutcome:
        route = _route(self.settings, file)
        if isinstance(route, Failed):
            return route
        try:
            there = _content_at(route.destination)
            difference = self._difference(there, route, file) if there else ""
        except OSError as error:
            return Later(f"{route.destination} cannot be checked: {error}")
        if there is None:
            return Later(f"{route.destination} is not there yet")
        if difference and self.replaces:
            return Later(f"{route.destination} {difference}; it will be copied again")
        if difference:
            return _taken(route, file, difference)
        checksum = there.md5 if (file.checksum or "").startswith("md:") else there.adler32
        return Moved(str(route.destination), there.size, checksum)

    def _difference(self, there: Content, route: _Route, file: File) -> str:
        """How what is there differs from what belongs there; without a declared checksum the source is read for that.

        Raises:
            OSError: the source cannot be read.
        """
        difference = there.differs_from(file.size, file.checksum)
        if difference or file.checksum is not None:
            return difference
        source = summarise(route.known_source, follow=self.follows)
        return there.differs_from(source.size, source.md5)


class CopyPreparator(_Copying[CopySettings], Preparator[CopySettings]):
    """Copies inputs to a directory that workers can read; a wrong file under an input's name is replaced."""

    Settings = CopySettings
    replaces = True
    follows = True


class CopyStager(_Copying[CopyStagerSettings], Stager[CopyStagerSettings]):
    """Copies outputs from the access points to a directory that outlives them; what stands there is never replaced.

    An output was no symbolic link when it was reported: one that is now would bring out what its worker may not read.
    """

    Settings = CopyStagerSettings
    replaces = False
    follows = False


def _route(settings: CopySettings, file: File) -> _Route | Failed:
    scope = file.scope or _DEFAULT_SCOPE
    for name in (scope, file.lfn):
        if not is_plain_name(name):
            return Failed(f"job {file.job_id}: {name!r} cannot be the name of a file or scope; correct it in the task")
    source = Path(file.path) if file.path else settings.source and settings.source / scope / file.lfn
    return _Route(source, settings.destination / scope / file.lfn)


def _content_at(destination: Path) -> Content | None:
    try:
        return summarise(destination)
    except FileNotFoundError:
        return None


def _taken(route: _Route, file: File, difference: str) -> Failed:
    return Failed(
        f"job {file.job_id}: cannot copy {route.source or file.lfn} to {route.destination}: another file has that name "
        f"already, which {difference}; move it away, or give the output another name or scope"
    )
