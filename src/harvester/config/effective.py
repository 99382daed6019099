"""The configuration as it counts: each value with where it comes from, and nothing that is secret."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic import BaseModel, JsonValue, SecretStr
from pydantic_core import to_jsonable_python

from harvester.config.findings import Location
from harvester.config.queue_merge import MergedQueue
from harvester.config.queue_model import QueueConfig
from harvester.config.secrets import HIDDEN, without_secrets
from harvester.config.service import Loaded, Settings, section_models

DEFAULT: Final = "default"
"""Where a value comes from that nobody has written."""
_LOG_LEVEL: Final = "log_level"
_NOT_WRITTEN: Final = ("core", "queueName", "common")


@dataclass(frozen=True, slots=True)
class Effective:
    """One value.

    Attributes:
        path: section and key, or attribute of a queue and, in an object, its key.
        origin: file and line, or `DEFAULT`.
    """

    path: tuple[str, ...]
    value: JsonValue = field(repr=False)
    origin: str

    @property
    def key(self) -> str:
        """The path in one word."""
        return ".".join(self.path)


def of_settings(loaded: Loaded, settings: Settings) -> list[Effective]:
    """All keys of `panda_harvester.cfg` and of `[logger]` in `panda_common.cfg`.

    Args:
        loaded: what was read.
        settings: what came of it.
    """
    return [*_of_sections(loaded, settings), *_of_levels(loaded, settings)]


def _of_sections(loaded: Loaded, settings: Settings) -> Iterator[Effective]:
    for name, model in section_models().items():
        section: BaseModel = getattr(settings, name)
        values = {key: _plain(getattr(section, field_name)) for field_name, key in _keys_of(model)}
        for key, value in without_secrets(values).items():
            entry = loaded.entry(name, key)
            yield Effective((name, key), value, _words_of(entry.at) if entry else DEFAULT)


def _keys_of(model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    return ((name, each.alias or name) for name, each in model.model_fields.items())


def _of_levels(loaded: Loaded, settings: Settings) -> Iterator[Effective]:
    for area, level in settings.log_level.items():
        entry = loaded.entry(_LOG_LEVEL, area)
        yield Effective((_LOG_LEVEL, area), _plain(level), _words_of(entry.at) if entry else DEFAULT)


def of_queue(merged: MergedQueue, config: QueueConfig | None) -> list[Effective]:
    """All attributes of a queue.

    Args:
        merged: what its sources say.
        config: what came of it; None if it has an error, then nothing is known of what was not written.
    """
    return [*_written(merged), *(_implied(merged, config) if config else ())]


def _written(merged: MergedQueue) -> Iterator[Effective]:
    for key, value in without_secrets(merged.raw).items():
        if isinstance(value, dict) and value:
            for name, each in value.items():
                yield Effective((key, name), each, _words_of(merged.find(key, name)[0]))
        else:
            yield Effective((key,), value, _words_of(merged.find(key)[0]))


def _implied(merged: MergedQueue, config: QueueConfig) -> Iterator[Effective]:
    """What nobody has written: attributes with their defaults, plugins that follow from others, their settings."""
    blocks = config.blocks
    for name, key in _keys_of(QueueConfig):
        if key not in merged.raw and key not in blocks and key not in _NOT_WRITTEN:
            yield Effective((key,), _plain(getattr(config, name)), DEFAULT)
    common = merged.raw.get("common")
    of_all = common if isinstance(common, Mapping) else {}
    for role, block in blocks.items():
        written = merged.raw.get(role)
        own = written if isinstance(written, Mapping) else {}
        if not own.keys() & {"plugin", "name"}:
            yield Effective((role, "plugin" if block.plugin else "name"), block.label, DEFAULT)
        implied = {key: value for key, value in block.settings.items() if key not in own and key not in of_all}
        for key, value in without_secrets(implied).items():
            yield Effective((role, key), value, DEFAULT)


def as_tree(values: Iterable[Effective]) -> dict[str, JsonValue]:
    """The values as an object of objects."""
    tree: dict[str, JsonValue] = {}
    for each in values:
        *above, last = each.path
        place = tree
        for step in above:
            below = place.setdefault(step, {})
            place = below if isinstance(below, dict) else {}
        place[last] = each.value
    return tree


def _words_of(at: Location) -> str:
    return at.file if at.line is None else f"{at.file}:{at.line}"


def _plain(value: object) -> JsonValue:
    if isinstance(value, SecretStr):
        return HIDDEN
    plain: JsonValue = to_jsonable_python(value)
    return plain
