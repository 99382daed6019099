"""Asks the plugins about their blocks of the queue configuration."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from harvester.config.core_keys import CORE_KEYS
from harvester.config.findings import Severity, is_comment
from harvester.config.plugin_blocks import PluginBlock, PluginProblem
from harvester.config.problems import unknown_key
from harvester.plugins import registry
from harvester.plugins.registry import PluginError


def check_plugin(_queue: str, role: str, block: PluginBlock) -> Sequence[PluginProblem]:
    """What keeps the plugin of a block from being built or from working, and keys that nobody reads."""
    return [*registry.problems(role, block), *_unknown_keys(role, block)]


def check_plugin_at_start(queue: str, role: str, block: PluginBlock) -> Sequence[PluginProblem]:
    """The same for the service: what may mend itself takes no queue out of service."""
    return [
        replace(each, severity=Severity.WARNING) if each.may_pass else each for each in check_plugin(queue, role, block)
    ]


def _unknown_keys(role: str, block: PluginBlock) -> Iterator[PluginProblem]:
    """A block's own keys that neither its plugin reads nor Harvester itself."""
    try:
        of_plugin = registry.known_settings(role, block)
    except PluginError:
        return  # told as a problem of the whole block
    of_core = CORE_KEYS[role].by_key() if role in CORE_KEYS else {}
    known = {*of_plugin, *of_core}
    for key in sorted(block.own_keys - known):
        if not is_comment(key):
            problem, advice = unknown_key(key, known)
            yield PluginProblem(problem, advice, key, Severity.WARNING)
