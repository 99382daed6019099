"""What a queue says about one of its plugins."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from harvester.config.findings import Severity

IDENTITY_KEYS = ("module", "name", "plugin")
"""The keys that say which plugin is meant; all others are its settings."""

PluginDefaults = Mapping[str, Mapping[str, JsonValue]]
"""Settings that the instance gives to plugins, by class or short name; those of a queue win."""


class PluginBlock(BaseModel):
    """One plugin of one queue, named either by module and class or by its short name here.

    Attributes:
        module: import path, as upstream names it.
        name: class in that module.
        plugin: short name, instead of module and class.
        settings: parameters, with those of the queue's `common` block.
        own_keys: the settings that are written for this plugin alone, so that it should know them.
        original: the plugin as it would run here, when middleware runs it elsewhere.
    """

    model_config = ConfigDict(frozen=True)

    module: str | None = None
    name: str | None = None
    plugin: str | None = None
    settings: Mapping[str, JsonValue] = Field(default={}, repr=False)
    own_keys: frozenset[str] = frozenset()
    original: "PluginBlock | None" = None

    @classmethod
    def of(
        cls, completed: Mapping[str, JsonValue], common: Mapping[str, JsonValue], own_keys: Iterable[str] = ()
    ) -> Self:
        """Make a block whose identity has been checked; its own settings win over the common ones."""
        identity = {key: value for key in IDENTITY_KEYS if isinstance(value := completed.get(key), str)}
        own = frozenset(own_keys) - {*IDENTITY_KEYS}
        return cls(settings=_settings({**common, **completed}), own_keys=own, **identity)

    def behind(self, middleware: Mapping[str, JsonValue]) -> Self:
        """The plugin that talks to this one at another place, core reference §2.3."""
        herder = type(self).of(middleware, self.settings)
        return herder.model_copy(update={"original": self})

    @cached_property
    def fingerprint(self) -> str:
        """The same for blocks that make the same plugin."""
        original = self.original.fingerprint if self.original else None
        text = json.dumps([self.module, self.name, self.plugin, dict(self.settings), original], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def label(self) -> str:
        """The plugin's name for people."""
        return self.plugin or f"{self.module}.{self.name}"


def _settings(keys: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    return {key: value for key, value in keys.items() if key not in IDENTITY_KEYS}


def defaults_for(written: Mapping[str, JsonValue], defaults: PluginDefaults) -> Mapping[str, JsonValue]:
    """What the instance gives to the plugin that a block names."""
    name = written.get("plugin", written.get("name"))
    return defaults.get(name, {}) if isinstance(name, str) else {}


def identity_problem(written: Mapping[str, JsonValue]) -> str | None:
    """Why a block does not say which plugin it means, None if it does."""
    stated = {key for key in IDENTITY_KEYS if key in written}
    for key in stated:
        if not isinstance(written[key], str) or not written[key]:
            return f"{key} must be a non-empty text"
    if stated in ({"plugin"}, {"module", "name"}):
        return None
    if not stated:
        return "names no plugin"
    if "plugin" in stated:
        return "says plugin as well as module or name"
    missing = [key for key in ("module", "name") if key not in stated]
    return f"does not say {' and '.join(missing)}"


@dataclass(frozen=True, slots=True)
class PluginProblem:
    """What a plugin has to say about its block.

    Attributes:
        problem: what is wrong.
        advice: what to write instead.
        key: the setting concerned, None for the block as a whole.
        severity: errors take the queue out of service.
        may_pass: it can mend itself, as a file that is not there yet; the service warns of it and serves the queue, so
            that its present workers are looked after.
        elsewhere: it is about a file that this machine has not even the directory of.
        missing: a plugin or package that is not there, which is told once, though several blocks want it.
    """

    problem: str
    advice: str = "correct this block"
    key: str | None = None
    severity: Severity = Severity.ERROR
    may_pass: bool = False
    elsewhere: bool = False
    missing: str = ""


PluginChecker = Callable[[str, str, PluginBlock], Sequence[str | PluginProblem]]
"""Looks at one block, given queue, role and block; a plain text is an error of the whole block."""
