"""Asks the plugins about their blocks of the queue configuration."""

from collections.abc import Sequence

from harvester.config.plugin_blocks import PluginBlock, PluginProblem
from harvester.plugins import registry


def check_plugin(queue: str, role: str, block: PluginBlock) -> Sequence[PluginProblem]:
    """What keeps the plugin of a block from being built; nothing is built and no resource is asked."""
    said = registry.problems(queue, role, block)
    return [_with_key(text.removeprefix(f"queue {queue}: "), block) for text in said]


def _with_key(text: str, block: PluginBlock) -> PluginProblem:
    """A complaint about one setting begins with its name."""
    key, colon, problem = text.partition(": ")
    name = key.partition(".")[0]
    if colon and name in block.settings:
        return PluginProblem(problem if key == name else text, "correct this setting", key=name)
    return PluginProblem(text)
