"""Plugins that move and pack nothing: for queues whose workers reach their data themselves."""

from collections.abc import Sequence

from harvester.core.files import File
from harvester.plugins.api import (
    Done,
    Failed,
    FileOutcome,
    Later,
    Moved,
    Packed,
    Parcel,
    PluginSettings,
    Preparator,
    Stager,
    Zipper,
)


class DummyPreparator(Preparator[PluginSettings]):
    """Every input is ready at once, where it is said to be or at `dummypath/<lfn>` (plugins reference §4.12)."""

    def trigger(self, files: Sequence[File]) -> Sequence[Done | Later | Failed]:
        """Nothing to start."""
        return [Done() for _ in files]

    def check(self, files: Sequence[File]) -> Sequence[FileOutcome]:
        """All are ready."""
        return [Moved(file.path or f"dummypath/{file.lfn}") for file in files]


class DummyStager(Stager[PluginSettings]):
    """Every output counts as stored where the worker left it."""

    def trigger(self, files: Sequence[File]) -> Sequence[Done | Later | Failed]:
        """Nothing to start."""
        return [Done() for _ in files]

    def check(self, files: Sequence[File]) -> Sequence[FileOutcome]:
        """All are stored, as the worker said."""
        return [Moved(file.path or file.lfn, file.size, file.checksum) for file in files]


class DummyZipper(Zipper[PluginSettings]):
    """Every parcel counts as made, at `dummypath/<lfn>`, as large as its members together."""

    def pack(self, parcels: Sequence[Parcel]) -> Sequence[Packed | Later | Failed]:
        """All are made; the checksum is that of nothing."""
        return [
            Packed(f"dummypath/{each.file.lfn}", sum(member.size or 0 for member in each.members), "ad:00000001")
            for each in parcels
        ]
