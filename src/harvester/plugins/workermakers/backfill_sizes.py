"""Which gaps in a schedule are used, and how much of one a worker asks for (plugins reference §4.11).

Capacity is nodes times seconds. One node of a worker processes no events: it hands them out to the others.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from harvester.plugins.api import FreeSlot

_SPARE: Final = 1
_FEWEST: Final = 2


class Band(BaseModel):
    """What workers of some numbers of nodes may ask for: one of the `adjusters`.

    Attributes:
        less_nodes: so many nodes of a gap are left free.
        less_walltime_s: so many seconds of it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    least_nodes: int = Field(default=1, ge=1, alias="minNodes")
    most_nodes: int = Field(default=125, ge=1, alias="maxNodes")
    least_walltime_s: int = Field(default=1800, ge=1, alias="minWalltimeSeconds")
    most_walltime_s: int = Field(default=7200, ge=1, alias="maxWalltimeSeconds")
    less_nodes: int = Field(default=1, ge=0, alias="nodesToDecrease")
    less_walltime_s: int = Field(default=60, ge=0, alias="walltimeSecondsToDecrease")

    @property
    def longest_s(self) -> int:
        """The most seconds that are asked for, at least 1."""
        return max(self.most_walltime_s - self.less_walltime_s, 1)


def choose(gaps: Sequence[FreeSlot], bands: Sequence[Band], most_nodes: int) -> list[FreeSlot]:
    """What may be used of the gaps, the largest capacity first."""
    usable = [part for gap in gaps if (part := _within(gap, bands, most_nodes)) is not None]
    return sorted(usable, key=lambda part: (part.nodes * part.walltime_s, part.nodes), reverse=True)


def _within(gap: FreeSlot, bands: Sequence[Band], most_nodes: int) -> FreeSlot | None:
    """The part of a gap that the band of its width allows; None for nothing."""
    width = min(gap.nodes, most_nodes)
    band = next((each for each in _by_width(bands) if each.least_nodes <= width <= each.most_nodes), None)
    if band is None or gap.walltime_s < band.least_walltime_s:
        return None
    nodes = min(width, gap.nodes - band.less_nodes)
    walltime_s = min(gap.walltime_s - band.less_walltime_s, band.longest_s)
    return FreeSlot(nodes, walltime_s) if nodes > 0 and walltime_s > 0 else None


def fit(gap: FreeSlot, bands: Sequence[Band], needed: float) -> FreeSlot | None:
    """The part of a gap that work of a capacity needs: the longest wall time of all bands, then the most nodes.

    Args:
        gap: what is free.
        bands: what may be asked for.
        needed: capacity, node seconds.

    Returns:
        None if the work is too little for every band.
    """
    found = max(_parts(gap, bands, needed), key=lambda part: (part.walltime_s, part.nodes), default=None)
    return FreeSlot(max(found.nodes, _FEWEST), found.walltime_s) if found else None


def _parts(gap: FreeSlot, bands: Sequence[Band], needed: float) -> Iterator[FreeSlot]:
    for band in _by_width(bands):
        if gap.nodes < band.least_nodes:
            continue
        most = min(gap.nodes, band.most_nodes)
        walltime_s = min(gap.walltime_s, band.longest_s)
        nodes = min(math.ceil(needed / walltime_s) + _SPARE, most)
        is_worth_it = needed / max(band.least_nodes - _SPARE, 1) >= band.least_walltime_s
        if nodes >= band.least_nodes or is_worth_it:
            yield FreeSlot(max(nodes, band.least_nodes), walltime_s)


def _by_width(bands: Sequence[Band]) -> list[Band]:
    return sorted(bands, key=lambda band: band.least_nodes)
