"""What makes one version of a queue's configuration, and how it is stored: without what is secret.

A version is what jobs and workers stay with: the plugins of their queue with all settings. Limits, time-outs and
statuses are not part of it; they count as they are now.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from harvester.config.findings import Findings, is_secret
from harvester.config.plugin_blocks import PluginDefaults
from harvester.config.queue_builder import build_queue
from harvester.config.queue_merge import Attributes, MergedQueue
from harvester.config.queue_model import QueueConfig

_HIDDEN: Final = "(not stored)"
_NO_DEFAULTS: Final[PluginDefaults] = {}
_PATHS: Final = ("/", "file:", "$")
"""How values begin that only say where a secret is."""


def digest_of(queue: QueueConfig) -> str:
    """The same for configurations with the same plugins."""
    blocks = {role: block.fingerprint for role, block in queue.blocks.items()}
    return hashlib.sha256(json.dumps(blocks, sort_keys=True).encode()).hexdigest()


def without_secrets(raw: Attributes) -> dict[str, JsonValue]:
    """The attributes as the database may hold them."""
    return {key: _HIDDEN if _is_hidden(key, value) else _inside(value) for key, value in raw.items()}


def _inside(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return without_secrets(value)
    return [_inside(each) for each in value] if isinstance(value, list) else value


def _is_hidden(key: str, value: JsonValue) -> bool:
    tells_place = isinstance(value, str) and value.startswith(_PATHS)
    return is_secret(key) and not tells_place and not isinstance(value, dict | bool | None)


def stored_queue(
    name: str, stored: Attributes, present: Attributes, work_dir: Path, plugin_defaults: PluginDefaults = _NO_DEFAULTS
) -> QueueConfig | None:
    """A configuration as it was; secrets are those of the present one, and what the instance gives to plugins is.

    None if it cannot be used any more.
    """
    merged = MergedQueue(name, _with_secrets(stored, present), plugin_defaults=plugin_defaults)
    return build_queue(merged, work_dir, Findings())


def _with_secrets(stored: Mapping[str, JsonValue], present: JsonValue | Attributes) -> dict[str, JsonValue]:
    there: Mapping[str, JsonValue] = present if isinstance(present, Mapping) else {}
    filled = {key: there.get(key) if value == _HIDDEN else value for key, value in stored.items()}
    return {
        key: _with_secrets(value, there.get(key)) if isinstance(value, dict) else value
        for key, value in filled.items()
        if value is not None or stored[key] is None
    }
