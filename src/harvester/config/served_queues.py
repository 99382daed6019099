"""The queue configurations that one process works with: the present ones, and those that work was begun with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harvester.config.plugin_blocks import PluginBlock
from harvester.config.queue_model import QueueConfig


@dataclass(frozen=True, slots=True)
class ServedQueues:
    """One state of the queue configuration.

    Attributes:
        configured: all valid queues by name.
        active: those that get new jobs and workers.
        versions: the number of the present version by queue, which new jobs and workers keep.
        kept: other versions that jobs and workers may still have.
    """

    configured: Mapping[str, QueueConfig]
    active: frozenset[str] = frozenset()
    versions: Mapping[str, int] = field(default_factory=dict)
    kept: Mapping[int, QueueConfig] = field(default_factory=dict)

    @property
    def served(self) -> Sequence[QueueConfig]:
        """The configurations of the active queues."""
        return [config for name, config in self.configured.items() if name in self.active]

    def known(self) -> Mapping[str, QueueConfig]:
        """All queues by name; one that is not configured any more as its last version was."""
        former = {config.queue_name: config for _, config in sorted(self.kept.items())}
        return {**former, **self.configured} if former else self.configured

    def other_blocks(self, role: str) -> dict[str, dict[int, PluginBlock]]:
        """By queue, the blocks of kept versions that make another plugin than the present one."""
        known, found = self.known(), dict[str, dict[int, PluginBlock]]()
        for version, config in self.kept.items():
            block, present = config.blocks.get(role), known[config.queue_name].blocks.get(role)
            if block is not None and (present is None or block.fingerprint != present.fingerprint):
                found.setdefault(config.queue_name, {})[version] = block
        return found
