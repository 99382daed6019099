"""Asks what is ready for the new workers of a queue: its worker maker, and who knows the free nodes."""

from collections.abc import Sequence
from dataclasses import dataclass

from harvester.agents.base import Instance
from harvester.config.queues import QueueConfig
from harvester.core.limits import Room
from harvester.core.readiness import ASKED, CONFIGURED, FREE_NODES, READY_LIMITS, Ready, room_of
from harvester.core.sizing import Sizing
from harvester.plugins.api import FreeSlot, PluginSettings, SlotFinder, Unknown, WorkerMaker


@dataclass(frozen=True, slots=True)
class Opening:
    """What may be used at once.

    Attributes:
        room: how many workers; None if it does not matter.
        slots: the nodes of each, where the worker maker fits workers to free nodes.
    """

    room: Room | None = None
    slots: Sequence[FreeSlot] = ()

    @property
    def uses_up(self) -> bool:
        """Whether workers that are made of it leave less of it, although whoever is asked does not see that yet."""
        return self.room is not None and self.room.limit in READY_LIMITS


def opening_of(instance: Instance, queue: QueueConfig, sizing: Sizing) -> Opening:
    """What is ready for the workers of a decision; most queues do not ask."""
    name, keys = queue.queue_name, queue.core.worker_maker
    maker = instance.plugins.worker_maker(name)
    finder = instance.plugins.slot_finder(name) if maker.fits_slots else None
    if finder is not None:
        slots, ready = _free_nodes(maker, finder, sizing.new_workers, sizing.counts.queued)
    elif keys.dynamic_sizing:
        slots, ready = (), _ready(maker, keys.n_ready_resources)
    else:
        return Opening()
    return Opening(room_of(ready, keys.static_workers, sizing.counts), slots)


def _free_nodes(
    maker: WorkerMaker[PluginSettings], finder: SlotFinder[PluginSettings], number: int, waiting: int
) -> tuple[Sequence[FreeSlot], Ready]:
    """What is free counts as nothing while it is not known, and the best of it is for workers that wait already.

    Whoever tells what is free does not see what a worker takes that has not started yet.
    """
    free = finder.free_slots()
    if isinstance(free, Unknown):
        return (), Ready(0, FREE_NODES, f"it is not known which nodes are free: {free.reason}")
    slots = maker.choose_slots(free, number + waiting)[waiting:]
    found = f"{sum(slot.nodes for slot in free)} nodes are free in {len(free)} slots"
    besides = f" besides the {waiting} that have not started yet" if waiting else ""
    return slots, Ready(len(slots), FREE_NODES, f"{found}, of which {len(slots)} workers can be made{besides}")


def _ready(maker: WorkerMaker[PluginSettings], configured: int) -> Ready:
    told = maker.ready_resources()
    if told is None:
        return Ready(configured, CONFIGURED, _words(configured))
    return Ready(told, ASKED, _words(told))


def _words(number: int) -> str:
    return f"{number} resources are ready" if number else "no resource is ready"
