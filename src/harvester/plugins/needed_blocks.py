"""Which plugins a queue needs: those that it has blocks for, and those that its blocks imply."""

from collections.abc import Iterable
from typing import Final

from harvester.config.queues import PluginBlock, QueueConfig
from harvester.plugins.registry import Role

_GENERIC_ZIPPER: Final = "tar"
_GAPS: Final = "showbf"
_ALWAYS: Final = (
    Role.SUBMITTER,
    Role.MONITOR,
    Role.SWEEPER,
    Role.MESSENGER,
    Role.WORKER_MAKER,
    Role.PREPARATOR,
    Role.STAGER,
    Role.EXTRACTOR,
    Role.AUX_PREPARATOR,
    Role.THROTTLER,
    Role.RESOURCE,
)


def needed_at_once(queue: QueueConfig) -> tuple[Role, ...]:
    """The plugins that a queue which is served needs at once, as far as it has a block for them."""
    packs = queue.zipper is not None or queue.zip_per_mb is not None
    return (*_ALWAYS, Role.ZIPPER) if packs else _ALWAYS


def zipper_block(queue: QueueConfig) -> PluginBlock:
    """The block of whoever packs output files; without one the stager's says where, as upstream's stagers do that."""
    return queue.zipper or PluginBlock(plugin=_GENERIC_ZIPPER, settings=queue.stager.settings)


def slot_finder_block(queue: QueueConfig) -> PluginBlock | None:
    """The block of whoever knows the free nodes.

    Without one a worker maker that names a partition has its gaps looked for, as upstream's does itself.
    """
    own = queue.worker_maker.settings
    return queue.resource or (PluginBlock(plugin=_GAPS, settings=own) if own.get("partition") else None)


def blocks_of(queue: QueueConfig, roles: Iterable[Role]) -> list[tuple[Role, PluginBlock]]:
    """The blocks that the queue has for these roles, or that others of its blocks imply."""
    blocks = {**queue.blocks, Role.ZIPPER.value: zipper_block(queue), Role.RESOURCE.value: slot_finder_block(queue)}
    return [(role, block) for role in roles if (block := blocks.get(role.value)) is not None]
