"""Gaps in the schedule of a cluster that Moab runs, as `showbf` lists them (plugins reference §4.9, §4.11)."""

import os
from collections.abc import Iterator, Sequence
from typing import Final

from pydantic import Field

from harvester.plugins.api import FreeSlot, PluginContext, PluginSettings, SlotFinder, Unknown
from harvester.plugins.tools.command_settings import Command
from harvester.plugins.tools.commands import Commands, Ran, complaint

_ENDLESS: Final = "INFINITY"
_YEAR: Final = 365 * 24 * 3600
"""Seconds that stand for no end."""
_COLUMNS: Final = 4


class ShowbfSettings(PluginSettings):
    """Settings of the finder.

    Attributes:
        partition: whose gaps are looked for; None for those of all.
        showbf: the command with its first arguments.
        command_timeout: seconds after which it is ended.
    """

    partition: str | None = None
    showbf: Command = ("showbf",)
    command_timeout: float = Field(default=60.0, gt=0, alias="commandTimeout")


class Showbf:
    """The command; safe to use from several threads."""

    def __init__(self, settings: ShowbfSettings) -> None:
        self._settings = settings
        self._commands = Commands(settings.command_timeout)

    def gaps(self) -> list[FreeSlot] | Unknown:
        """Nodes and how long they stay free, from one process; lines in another form are headings."""
        settings = self._settings
        where = ("-p", settings.partition) if settings.partition else ()
        result = self._commands.run("showbf", (*settings.showbf, "--blocking", *where), environment=os.environ)
        if problem := complaint("showbf", result):
            return Unknown(problem)
        text = result.out if isinstance(result, Ran) else ""
        return [gap for line in text.splitlines() for gap in self._read(line.split())]

    def _read(self, columns: Sequence[str]) -> Iterator[FreeSlot]:
        """A line begins with partition, tasks, nodes and duration."""
        partition = self._settings.partition
        if len(columns) < _COLUMNS or (partition and columns[0] != partition) or not columns[2].isdecimal():
            return
        seconds = seconds_of(columns[3])
        if seconds is not None:
            yield FreeSlot(int(columns[2]), seconds)


def seconds_of(duration: str) -> int | None:
    """`[days:]hours:minutes:seconds`, or no end; None if it is neither."""
    if duration == _ENDLESS:
        return _YEAR
    parts = duration.split(":")
    if len(parts) not in {3, 4} or not all(part.isdecimal() for part in parts):
        return None
    days, hours, minutes, seconds = [0] * (4 - len(parts)) + [int(part) for part in parts]
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


class ShowbfSlots(SlotFinder[ShowbfSettings]):
    """All gaps as they are."""

    Settings = ShowbfSettings

    def __init__(self, settings: ShowbfSettings, context: PluginContext) -> None:
        super().__init__(settings, context)
        self._showbf = Showbf(settings)

    def free_slots(self) -> Sequence[FreeSlot] | Unknown:
        """One process."""
        return self._showbf.gaps()
