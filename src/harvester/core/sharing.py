"""How rooms that are too small are shared between kinds of workers (core reference §4.6 step 4)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from harvester.core.kinds import Want
from harvester.core.limits import Room


@dataclass(frozen=True, slots=True)
class Shares:
    """How many workers each want gets, and what that leaves of the rooms."""

    numbers: tuple[int, ...]
    left: tuple[Room, ...]


def share_out(wants: Sequence[Want], rooms: Sequence[Room]) -> Shares:
    """Give each want its share: in proportion, within every room, and so that no further worker fits.

    What is left after rounding goes one by one to the wants that go first, then to the larger remainders, then to the
    smaller wants.
    """
    exact = _in_proportion(wants, rooms)
    sharing = _Sharing(wants, rooms)
    for place, share in enumerate(exact):
        sharing.add(place, int(share))
    for place in sorted(range(len(wants)), key=lambda place: _turn(wants[place], exact[place])):
        sharing.add(place, 1)
    for place, want in enumerate(wants):
        sharing.add(place, want.number)
    return Shares(tuple(sharing.numbers), tuple(sharing.rooms))


def _in_proportion(wants: Sequence[Want], rooms: Sequence[Room]) -> list[Fraction]:
    shares = [Fraction(min([want.number, *(room.places(want) for room in rooms)])) for want in wants]
    for room in rooms:
        needed = sum(share * room.measure.cost(want) for share, want in zip(shares, wants, strict=True))
        if needed > max(room.left, 0):
            shares = [share * max(room.left, 0) / needed for share in shares]
    return shares


def _turn(want: Want, share: Fraction) -> tuple[bool, bool, Fraction, int]:
    return share == 0, not want.goes_first, int(share) - share, want.number


class _Sharing:
    """Hands out workers one after the other as long as they fit."""

    def __init__(self, wants: Sequence[Want], rooms: Sequence[Room]) -> None:
        self._wants = wants
        self.rooms = list(rooms)
        self.numbers = [0 for _ in wants]

    def add(self, place: int, number: int) -> None:
        """Give a want up to so many more, as far as it has a use for them."""
        want = self._wants[place]
        more = min([number, want.number - self.numbers[place], *(room.places(want) for room in self.rooms)])
        if more > 0:
            self.numbers[place] += more
            self.rooms = [replace(room, left=room.left - more * room.measure.cost(want)) for room in self.rooms]
