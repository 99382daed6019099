"""Gaps in the schedule of a cluster with the rules of Titan, where few nodes are given for a short time only.

See plugins reference §4.9.
"""

from collections.abc import Sequence
from typing import Final

from pydantic import Field

from harvester.plugins.api import FreeSlot, PluginContext, SlotFinder, Unknown
from harvester.plugins.slots.showbf import Showbf, ShowbfSettings

_DAY: Final = 24 * 3600
_MARGIN_S: Final = 120
"""Seconds of a gap that are left free: a batch job takes a while to begin and to end."""
_LONGEST: Final = ((125, 2 * 3600), (312, 6 * 3600), (3749, 12 * 3600))
"""Fewer nodes than this are given for so many seconds at the most; all others for a day."""


class TitanSettings(ShowbfSettings):
    """Settings of the finder.

    Attributes:
        least_walltime_s: gaps that can be used for fewer seconds are left alone.
        least_nodes: likewise, narrower ones.
        most_nodes: that are ever asked for; 0 for no such limit.
    """

    least_walltime_s: int = Field(default=0, ge=0, alias="minWalltime")
    least_nodes: int = Field(default=1, ge=1, alias="minNodes")
    most_nodes: int = Field(default=0, ge=0, alias="maxNodes")


class TitanSlots(SlotFinder[TitanSettings]):
    """What may be asked for of each gap."""

    Settings = TitanSettings

    def __init__(self, settings: TitanSettings, context: PluginContext) -> None:
        super().__init__(settings, context)
        self._showbf = Showbf(settings)

    def free_slots(self) -> Sequence[FreeSlot] | Unknown:
        """One process."""
        gaps = self._showbf.gaps()
        if isinstance(gaps, Unknown):
            return gaps
        return [slot for gap in gaps if (slot := allowed(gap, self.settings)) is not None]


def allowed(gap: FreeSlot, settings: TitanSettings) -> FreeSlot | None:
    """The part of a gap that may be asked for; None if it is too small."""
    nodes = min(gap.nodes, settings.most_nodes or gap.nodes)
    longest = next((seconds for fewer_than, seconds in _LONGEST if nodes < fewer_than), _DAY)
    walltime_s = min(gap.walltime_s, longest)
    if nodes < settings.least_nodes or walltime_s < max(settings.least_walltime_s, _MARGIN_S + 1):
        return None
    return FreeSlot(nodes, walltime_s - _MARGIN_S)
