"""From a plugin block of the queue configuration to a plugin.

A block names its plugin in one of three ways, tried in this order:

* `{"plugin": "slurm"}`: a short name of ours, or of an installed package (entry points of the group
  `harvester.plugins`, named `name` or `role.name`);
* `{"module": "pandaharvester.…", "name": …}`: a name of upstream, by the table in `names.py`;
* `{"module": …, "name": …}`: any class that can be imported and keeps the contract of its role.

Plugins are imported when they are first asked for: a broken one hurts only the queues that use it.
"""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from pydantic import AliasChoices, ValidationError
from pydantic.fields import FieldInfo

from harvester.config.plugin_blocks import PluginBlock, PluginProblem
from harvester.config.setting_problems import setting_problems
from harvester.core.errors import HarvesterError
from harvester.core.masking import masked
from harvester.plugins.api import (
    CredentialManager,
    Extractor,
    FileSyncer,
    Messenger,
    Plugin,
    PluginContext,
    PluginSettings,
    Preparator,
    Resource,
    SlotFinder,
    Stager,
    Throttler,
    WorkerMaker,
    Zipper,
)
from harvester.plugins.names import NOT_NEEDED, NOT_NEEDED_ANYWHERE, OURS, UPSTREAM, Role

__all__ = [
    "NotBuiltYetError",
    "PluginError",
    "PluginSettingsError",
    "Role",
    "UnknownPluginError",
    "UnusablePluginError",
    "build",
    "known_settings",
    "problems",
    "resolve",
    "settings_of",
]

ENTRY_POINT_GROUP: Final = "harvester.plugins"
_EARLIER: Final = "pandaharvester"
_WRITE_ANEW: Final = "write it anew, which is one class: docs/plugins.md"

AnyPlugin = Plugin[PluginSettings]

_CONTRACTS: Final[Mapping[Role, type[Plugin[PluginSettings]]]] = {
    Role.SUBMITTER: Resource,
    Role.MONITOR: Resource,
    Role.SWEEPER: Resource,
    Role.MESSENGER: Messenger,
    Role.WORKER_MAKER: WorkerMaker,
    Role.PREPARATOR: Preparator,
    Role.AUX_PREPARATOR: Preparator,
    Role.STAGER: Stager,
    Role.CREDENTIAL_MANAGER: CredentialManager,
    Role.FILE_SYNCER: FileSyncer,
    Role.ZIPPER: Zipper,
    Role.EXTRACTOR: Extractor,
    Role.THROTTLER: Throttler,
    Role.RESOURCE: SlotFinder,
}


class PluginError(HarvesterError):
    """A plugin block that cannot be turned into a plugin.

    Attributes:
        missing: the plugin or package that is not there; several blocks of a queue may want the same.
    """

    def __init__(self, message: str, missing: str = "") -> None:
        super().__init__(message)
        self.missing = missing


class UnknownPluginError(PluginError):
    """Nobody knows a plugin of this name."""


class NotBuiltYetError(PluginError):
    """The name is known, but Harvester has no plugin for it yet."""


class UnusablePluginError(PluginError):
    """The plugin cannot be imported or does not keep the contract of its role."""


class PluginSettingsError(PluginError):
    """The settings of the block are not what the plugin wants."""


def resolve(role: Role, block: PluginBlock) -> type[AnyPlugin]:
    """The class that a block names.

    Raises:
        UnknownPluginError: no such plugin.
        NotBuiltYetError: an upstream plugin without a successor yet.
        UnusablePluginError: it cannot be imported, or is no plugin for this role.
    """
    if block.plugin is not None:
        return _by_short_name(role, block.plugin)
    if block.module is None or block.name is None:
        raise UnknownPluginError(f'no plugin is named; add "plugin" with one of {_listed(_short_names(role))}')
    return _by_class(role, block.module, block.name)


def build(role: Role, block: PluginBlock, context: PluginContext) -> AnyPlugin:
    """The plugin of a block, with its settings checked.

    Raises:
        PluginError: as `resolve`, and PluginSettingsError; the message names the queue, the block and the keys.
    """
    place = f"{context.place}, block {role}"
    try:
        plugin = resolve(role, block)
    except PluginError as error:
        raise type(error)(f"{place}: {error}") from error
    try:
        settings = _settings(plugin, role, block)
    except ValidationError as error:
        told = (f"{each.key or 'the block'}: {each.problem}" for each in setting_problems(error, block))
        raise PluginSettingsError(f"{place}: {'; '.join(told)}") from None
    return plugin(settings, context)


def problems(role: str, block: PluginBlock) -> Sequence[PluginProblem]:
    """What keeps a block's plugin from being built or from working; nothing is built, no resource is asked.

    Args:
        role: key of the block in the queue configuration; an unknown key is a block of middleware.
        block: as in the configuration, `common` merged in.
    """
    known = _role(role)
    try:
        return list(_settings(resolve(known, block), known, block).mistakes(known.value))
    except PluginError as error:
        problem, _, advice = str(error).rpartition("; ")
        return [PluginProblem(problem, advice, missing=error.missing)]
    except ValidationError as error:
        return setting_problems(error, block)
    except (Exception, SystemExit) as error:  # noqa: BLE001 (a plugin may raise anything; the other queues must not suffer)
        what = masked(f"{block.label} fails when it looks at its settings: {type(error).__name__}: {error}")
        return [PluginProblem(what, "report this to whoever wrote the plugin")]


def settings_of(role: str, block: PluginBlock) -> PluginSettings | None:
    """The settings of a block, with which its plugin would be built; None if it cannot be."""
    known = _role(role)
    try:
        return _settings(resolve(known, block), known, block)
    except (Exception, SystemExit):  # noqa: BLE001 (whatever it is, `problems` tells of it)
        return None


def known_settings(role: str, block: PluginBlock) -> frozenset[str]:
    """The keys that the plugin of a block reads, and those that it need not read although upstream's does.

    Raises:
        PluginError: as `resolve`.
    """
    known = _role(role)
    settings = resolve(known, block).Settings
    if settings.model_config.get("extra") == "allow":
        return frozenset(block.settings)
    fields = settings.model_fields.items()
    read = {key for name, field in fields for key in _names(name, field)}
    return frozenset(read) | NOT_NEEDED_ANYWHERE | NOT_NEEDED.get(known, frozenset())


def _names(name: str, field: FieldInfo) -> Iterable[str]:
    """Under which keys a field is read."""
    alias = field.validation_alias
    choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
    return (name, *(choice for choice in choices if isinstance(choice, str)))


def _role(key: str) -> Role:
    return Role(key) if key in {each.value for each in Role} else Role.MIDDLEWARE


def _settings(plugin: type[AnyPlugin], role: Role, block: PluginBlock) -> PluginSettings:
    """A plugin that serves several roles finds the role in the validation context."""
    upstream = UPSTREAM.get((block.module or "", block.name or ""))
    always = upstream.settings if upstream else {}
    return plugin.Settings.model_validate({**always, **block.settings}, context={"role": role.value})


# ---- by short name ---------------------------------------------------------------------------------------------------


def _by_short_name(role: Role, short: str) -> type[AnyPlugin]:
    if short in OURS.get(role, {}):
        module, _, name = OURS[role][short].partition(":")
        return _checked(role, f"plugin '{short}'", _imported(module, name))
    if entry := _entry_point(role, short):
        module, _, name = entry.value.partition(":")
        return _checked(role, f"plugin '{short}'", _imported(module, name))
    if any(short == each.plugin and role in each.roles for each in UPSTREAM.values()):
        raise NotBuiltYetError(
            f"plugin '{short}' is not built yet for {role}; there is {_listed(_short_names(role))}", short
        )
    names = _short_names(role)
    advice = _nearest(short, names) or f"there is {_listed(names)}"
    raise UnknownPluginError(f"plugin '{short}' is not known for {role}; {advice}", short)


@cache
def _installed() -> Mapping[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=ENTRY_POINT_GROUP)}


def _entry_point(role: Role, short: str) -> EntryPoint | None:
    return _installed().get(f"{role}.{short}") or _installed().get(short)


def _short_names(role: Role) -> Sequence[str]:
    """Ours, and what installed packages bring: `role.name`, or a name without role, which may suit any."""
    installed = [name.removeprefix(f"{role}.") for name in _installed()]
    return sorted({*OURS.get(role, {}), *(name for name in installed if "." not in name)})


# ---- by module and class ---------------------------------------------------------------------------------------------


def _by_class(role: Role, module: str, name: str) -> type[AnyPlugin]:
    if known := UPSTREAM.get((module, name)):
        if role not in known.roles:
            served = _listed(each.value for each in known.roles)
            raise UnknownPluginError(f"{module} : {name} is made for {served}, not for {role}; name one that is")
        plugin = known.plugin_for(role)
        if plugin not in OURS.get(role, {}):
            raise NotBuiltYetError(
                f"{module} : {name} is known, but its successor '{plugin}' is not built yet; "
                f"for {role} there is {_listed(_short_names(role))}",
                plugin,
            )
        return _by_short_name(role, plugin)
    return _checked(role, f"{module} : {name}", _imported(module, name))


def _imported(module: str, name: str) -> object:
    try:
        found: object = getattr(import_module(module), name, None)
    except (Exception, SystemExit) as error:
        missing = error.name or "" if isinstance(error, ModuleNotFoundError) else ""
        if missing and f"{module}.".startswith(f"{missing}."):
            raise _unknown_class(module, name, f"there is no module {missing}", missing) from error
        if f"{missing}.".startswith(f"{_EARLIER}."):
            what = f"{module} : {name} is made for the earlier Harvester, whose package {_EARLIER} it imports"
            raise UnusablePluginError(f"{what}; {_WRITE_ANEW}", _EARLIER) from error
        reason = f"{type(error).__name__}: {error}"
        raise UnusablePluginError(f"{module} cannot be imported ({reason}); repair its package", module) from error
    if found is None:
        raise _unknown_class(module, name, f"{module} has no {name}")
    return found


def _unknown_class(module: str, name: str, reason: str, missing: str = "") -> UnknownPluginError:
    known = [f"{each.module} : {each.name}" for each in UPSTREAM.values()]
    of_earlier = f"{module}.".startswith(f"{_EARLIER}.")
    otherwise = f"if it is your own, {_WRITE_ANEW}" if of_earlier else "check the spelling and install its package"
    advice = _nearest(f"{module} : {name}", known) or otherwise
    return UnknownPluginError(f"{module} : {name} is not known: {reason}; {advice}", "" if of_earlier else missing)


def _checked(role: Role, what: str, found: object) -> type[AnyPlugin]:
    contract = _CONTRACTS.get(role, Plugin)
    if not (isinstance(found, type) and issubclass(found, contract)):
        raise UnusablePluginError(
            f"{what} is not a plugin for {role}; it has to derive from harvester.plugins.api.{contract.__name__}"
        )
    return found


# ---- words -----------------------------------------------------------------------------------------------------------


def _nearest(wanted: str, names: Sequence[str]) -> str:
    near = get_close_matches(wanted, names, n=1)
    return f"did you mean {near[0]}?" if near else ""


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
