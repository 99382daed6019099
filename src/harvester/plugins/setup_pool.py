"""The plugins of set-ups: credential managers and file syncers, of the instance and of its queues."""

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar, cast

from harvester.config.setups import Setup
from harvester.core.errors import HarvesterError
from harvester.core.masking import masked
from harvester.plugins.api import Plugin, PluginContext, PluginSettings
from harvester.plugins.registry import Role, build

PluginT = TypeVar("PluginT", bound=Plugin[PluginSettings])


class SetupPool(Generic[PluginT]):
    """Builds plugins when they are first asked for and keeps them while their set-up stays the same.

    Args:
        role: what the plugins are for.
        make_context: the context of a set-up's plugin.
        setups: the present set-ups.
    """

    def __init__(
        self, role: Role, make_context: Callable[[Setup], PluginContext], setups: Callable[[], Iterable[Setup]]
    ) -> None:
        self._role = role
        self._make_context = make_context
        self._setups = setups
        self._built: dict[tuple[str, str, str], tuple[Setup, PluginT]] = {}

    def plugins(self) -> list[tuple[Setup, PluginT | str]]:
        """The plugin of each present set-up, or why it cannot be built; those of others are forgotten."""
        found = [(setup, self._plugin(setup)) for setup in self._setups()]
        self._built = {_key(setup): (setup, each) for setup, each in found if not isinstance(each, str)}
        return found

    def _plugin(self, setup: Setup) -> PluginT | str:
        known = self._built.get(_key(setup))
        if known and known[0] == setup:
            return known[1]
        try:
            return cast("PluginT", build(self._role, setup.block, self._make_context(setup)))
        except HarvesterError as error:
            return str(error)
        except (Exception, SystemExit) as error:  # noqa: BLE001 (a plugin may raise anything; the other set-ups must not suffer)
            return masked(f"{setup.block.label} cannot be built: {type(error).__name__}: {error}")


def _key(setup: Setup) -> tuple[str, str, str]:
    return setup.queue, setup.name, setup.block.label
