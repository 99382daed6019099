"""How many workers a queue should get now, and which limit decided (core reference §4.5, §4.6).

Limits count what Harvester's own rows say (live, in flight and out of sight), never what a listing returned, so a
blind moment cannot cause over-submission. Workers of all kinds count, whatever their type of pilot.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from harvester.core.kinds import Want, WorkerKind
from harvester.core.limits import Measure, Room, WorkerCounts, WorkerLimits, rooms_of
from harvester.core.sharing import Shares, share_out

_QUEUE_CYCLE: Final = "maxNewWorkersPerCycle"
_INSTANCE_CYCLE: Final = "submitter.maxNewWorkers"
CYCLE_LIMITS: Final = frozenset({_QUEUE_CYCLE, _INSTANCE_CYCLE})
"""Limits on what one cycle may add: where one of them decided, the next workers have to wait for the next cycle."""
_NO_END: Final = 2**31


@dataclass(frozen=True, slots=True)
class Demand:
    """The workers that somebody has a use for.

    Attributes:
        limit: what is said to have decided if all of them are made.
        reason: likewise, in words.
    """

    wants: tuple[Want, ...]
    limit: str
    reason: str

    @property
    def number(self) -> int:
        """All of them together."""
        return sum(want.number for want in self.wants)


NO_END: Final = Demand((Want(_NO_END),), "no limit set", "nothing limits the workers")
"""As many workers as the limits allow."""


@dataclass(frozen=True, slots=True)
class Share:
    """The workers of one kind in a decision, and what kept there from being more of them."""

    kind: WorkerKind
    wanted: int
    number: int
    limit: str


@dataclass(frozen=True, slots=True)
class Sizing:
    """A decision: how many new workers, and the reason in words an operator understands.

    Attributes:
        shares: the workers by kind; their numbers add up to `new_workers`.
        rooms: what the limits on cores and memory allow, which only the plans of the workers tell exactly.
        counts: what the queue held when it was made.
    """

    new_workers: int
    limit: str
    reason: str
    shares: tuple[Share, ...] = ()
    rooms: tuple[Room, ...] = ()
    counts: WorkerCounts = field(default_factory=WorkerCounts)

    def kinds(self, number: int) -> Iterator[WorkerKind]:
        """The kinds of the first so many workers."""
        for share in self.shares:
            yield from [share.kind] * min(share.number, number)
            number -= min(share.number, number)


NO_CEILING: Final = Sizing(
    0, "maxWorkers", "maxWorkers is 0 or not set, so no workers that fetch their own jobs are made"
)
"""The decision for a pull queue that says nowhere how many workers there may be."""


def size_workers(limits: WorkerLimits, counts: WorkerCounts, demand: Demand, further: Sequence[Room] = ()) -> Sizing:
    """The number of new workers for one queue.

    Args:
        limits: what the configuration allows.
        counts: what the queue holds now.
        demand: what there is a use for.
        further: limits that are no numbers of the configuration, such as resources that are ready.
    """
    if not demand.wants:
        return Sizing(0, demand.limit, demand.reason)
    largest = Want(1, cores=max(want.cores for want in demand.wants), ram_mb=max(want.ram_mb for want in demand.wants))
    rooms = [*rooms_of(limits, counts, largest), *further, *_cycle_rooms(limits)]
    shares = share_out(demand.wants, rooms)
    limit, reason = _decider(demand, shares, range(len(demand.wants)))
    told = [
        Share(want.kind, want.number, number, _decider(demand, shares, [place])[0])
        for place, (want, number) in enumerate(zip(demand.wants, shares.numbers, strict=True))
    ]
    by_plan = tuple(room for room in rooms if room.measure is not Measure.WORKERS)
    return Sizing(sum(shares.numbers), limit, reason, tuple(told), by_plan, counts)


def within(sizing: Sizing, room: Room) -> Sizing:
    """The decision with one more limit on the number of workers, which was not known when it was made."""
    if room.left >= sizing.new_workers:
        return sizing
    wants = [Want(share.number, share.kind, goes_first=share.kind.label is not None) for share in sizing.shares]
    numbers = share_out(wants, [room]).numbers
    shares = tuple(
        replace(share, number=number, limit=room.limit if number < share.number else share.limit)
        for share, number in zip(sizing.shares, numbers, strict=True)
    )
    return replace(sizing, new_workers=sum(numbers), limit=room.limit, reason=room.reason, shares=shares)


def _cycle_rooms(limits: WorkerLimits) -> Iterator[Room]:
    if limits.per_cycle > 0:
        yield Room(limits.per_cycle, _QUEUE_CYCLE, f"at most {limits.per_cycle} new workers in a cycle")
    if limits.instance_per_cycle > 0:
        at_most = limits.instance_per_cycle
        yield Room(at_most, _INSTANCE_CYCLE, f"at most {at_most} new workers in a cycle of any queue")


def _decider(demand: Demand, shares: Shares, places: Sequence[int]) -> tuple[str, str]:
    """What kept these wants from getting more: the demand where all is met, else the fullest room."""
    unmet = [demand.wants[place] for place in places if shares.numbers[place] < demand.wants[place].number]
    if not unmet:
        return demand.limit, demand.reason
    fullest = min(shares.left, key=lambda room: min(room.places(want) for want in unmet))
    return fullest.limit, fullest.reason


def by_resource_type(shares: Sequence[Share]) -> dict[str, dict[str, int | str]]:
    """What each resource type got of what was wanted of it, and what kept it from more."""
    found: dict[str, dict[str, int | str]] = {}
    for share in shares:
        if name := share.kind.resource_type:
            known = found.get(name, {"wanted": 0, "new": 0})
            wanted, new = int(known["wanted"]) + share.wanted, int(known["new"]) + share.number
            limit = known.get("limit", share.limit) if share.number == share.wanted else share.limit
            found[name] = {"wanted": wanted, "new": new, "limit": limit}
    return found


class Admission:
    """Lets workers in, one after the other, as long as they fit."""

    def __init__(self, rooms: Sequence[Room]) -> None:
        self._rooms = {room: room.left for room in rooms}

    def refusal(self, plan: Want) -> Room | None:
        """The room that is too small for the worker; None if it fits, which charges it."""
        for room, left in self._rooms.items():
            if room.measure.cost(plan) > left:
                return room
        for room in self._rooms:
            self._rooms[room] -= room.measure.cost(plan)
        return None
