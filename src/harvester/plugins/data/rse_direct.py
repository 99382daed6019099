"""For sites whose workers read and write a storage element in place: nothing is moved, only paths are told.

The layout is that of the storage element: `<basePath>/<scope, its dots as directories>/<two>/<two>/<lfn>`, with the
first hex digits of the md5 of `scope:lfn` (plugins reference §3.10).
"""

import hashlib
from collections.abc import Sequence

from pydantic import Field

from harvester.core.files import File
from harvester.plugins.api import Done, Failed, FileOutcome, Moved, PluginSettings, Preparator
from harvester.plugins.tools.names import is_plain_name
from harvester.plugins.tools.path_settings import AbsolutePath


class RseSettings(PluginSettings):
    """Settings of the preparator: where the storage element is mounted."""

    base_path: AbsolutePath = Field(alias="basePath")


class RseDirectPreparator(Preparator[RseSettings]):
    """See the module."""

    Settings = RseSettings

    def trigger(self, files: Sequence[File]) -> Sequence[Done]:
        """Nothing to start."""
        return [Done() for _ in files]

    def check(self, files: Sequence[File]) -> Sequence[FileOutcome]:
        """All are there, as far as names can be paths."""
        return [self._place(file) for file in files]

    def _place(self, file: File) -> Moved | Failed:
        scope = file.scope or ""
        if not (is_plain_name(file.lfn) and all(map(is_plain_name, scope.split(".")))):
            return Failed(f"job {file.job_id}: {scope!r}, {file.lfn!r} cannot be a place in the storage element")
        digits = hashlib.md5(f"{scope}:{file.lfn}".encode(), usedforsecurity=False).hexdigest()
        return Moved(str(self.settings.base_path.joinpath(*scope.split("."), digits[:2], digits[2:4], file.lfn)))
