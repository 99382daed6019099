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

from harvester.config.findings import Findings
from harvester.config.plugin_blocks import PluginDefaults
from harvester.config.queue_builder import build_queue
from harvester.config.queue_merge import Attributes, MergedQueue
from harvester.config.queue_model import QueueConfig
from harvester.config.secrets import without_secrets
from harvester.core.masking import masked

_HIDDEN: Final = "(not stored)"
_NO_DEFAULTS: Final[PluginDefaults] = {}


def digest_of(queue: QueueConfig) -> str:
    """The same for configurations with the same plugins."""
    blocks = {role: block.fingerprint for role, block in queue.blocks.items()}
    return hashlib.sha256(json.dumps(blocks, sort_keys=True).encode()).hexdigest()


def storable(raw: Attributes) -> dict[str, JsonValue]:
    """The attributes as the database may hold them; of a text with a secret in it nothing is stored."""
    return without_secrets(raw, _HIDDEN, _whole_or_hidden)


def _whole_or_hidden(text: str) -> str:
    return text if masked(text) == text else _HIDDEN


def stored_queue(
    name: str, stored: Attributes, present: Attributes, work_dir: Path, plugin_defaults: PluginDefaults = _NO_DEFAULTS
) -> QueueConfig | None:
    """A configuration as it was; secrets are those of the present one, and what the instance gives to plugins is.

    None if it cannot be used any more.
    """
    merged = MergedQueue(name, _with_secrets(stored, present), plugin_defaults=plugin_defaults)
    return build_queue(merged, work_dir, Findings())


def _with_secrets(stored: Attributes, present: JsonValue | Attributes) -> dict[str, JsonValue]:
    there: Attributes = present if isinstance(present, Mapping) else {}
    pairs = {key: (value, there.get(key)) for key, value in stored.items()}
    return {key: _filled(*pair) for key, pair in pairs.items() if not _is_lost(*pair)}


def _is_lost(stored: JsonValue, present: JsonValue) -> bool:
    """Whether nobody knows a secret any more."""
    return stored == _HIDDEN and present is None


def _filled(stored: JsonValue, present: JsonValue) -> JsonValue:
    """A value with its secrets; those of a list are known only if all else in it is as it was: nothing names them."""
    if isinstance(stored, dict):
        return _with_secrets(stored, present)
    if isinstance(stored, list):
        is_the_same = _differs_in_secrets_alone(stored, present)
        return present if is_the_same else [_filled(each, None) for each in stored if each != _HIDDEN]
    return present if stored == _HIDDEN else stored


def _differs_in_secrets_alone(stored: JsonValue, present: JsonValue) -> bool:
    if isinstance(stored, dict) and isinstance(present, dict):
        pairs = [(value, present.get(key)) for key, value in stored.items()]
        return stored.keys() == present.keys() and all(_differs_in_secrets_alone(*pair) for pair in pairs)
    if isinstance(stored, list) and isinstance(present, list):
        return len(stored) == len(present) and all(map(_differs_in_secrets_alone, stored, present))
    return stored in (present, _HIDDEN)
