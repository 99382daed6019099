"""From the sources of the queue configuration to one set of attributes per queue.

Core reference §2.1. A queue is a copy of its template, overridden by the remote, the resolver's and the local entry of
its name, in this order. A template is taken whole: the local one hides the remote one.
"""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from harvester.config.cache_lines import QUEUE_CONFIGURATION, QUEUE_FACTS
from harvester.config.findings import Findings, Location, instead, is_comment
from harvester.config.json_lines import JsonDocument, JsonPath
from harvester.config.plugin_blocks import IDENTITY_KEYS, PluginDefaults
from harvester.config.queue_model import LIMIT_KEYS

Attributes = Mapping[str, JsonValue]

_LONGEST_NAME = 190
_LONGEST_SHOWN = 60

RESOLVER = f"{QUEUE_FACTS} (cached)"
"""Where what the resolver says comes from."""
REMOTE = f"{QUEUE_CONFIGURATION} (cached)"
"""Where the remote configuration comes from."""
TEMPLATE_NAME = "templateQueueName"
TEMPLATE_FLAG = "isTemplateQueue"
TEMPLATE_ENDING = "_TEMPLATE"
MERGED_BLOCKS = frozenset(
    {
        "common",
        "messenger",
        "monitor",
        "preparator",
        "stager",
        "submitter",
        "sweeper",
        "workerMaker",
        "throttler",
        "zipper",
        "aux_preparator",
        "extractor",
    }
)
"""Blocks that are merged key by key; any other attribute is replaced as a whole."""


@dataclass(frozen=True, slots=True)
class QueueSources:
    """What queues are made of.

    Attributes:
        local: the queue configuration file.
        remote: the cached remote queue configuration.
        dynamic: the resolver's queues, each with `templateQueueName` and limits.
        plugin_defaults: `[master] extraPluginConfigs`.
    """

    local: JsonDocument | None = None
    remote: JsonDocument | None = None
    dynamic: Mapping[str, Attributes] = field(default_factory=dict)
    plugin_defaults: PluginDefaults = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Layer:
    """One entry of one source."""

    document: JsonDocument = field(repr=False)
    name: str
    attributes: Attributes = field(repr=False)

    def at(self, *path: str | int) -> Location:
        """Where a key of this entry stands."""
        return self.document.at((self.name, *path))

    @property
    def template(self) -> str | None:
        """The template that this entry asks for."""
        stated = self.attributes.get(TEMPLATE_NAME)
        return stated if isinstance(stated, str) else None


@dataclass(frozen=True, slots=True)
class MergedQueue:
    """All attributes of one queue, and the entries they come from, the strongest first.

    Attributes:
        plugin_defaults: what counts where no entry gives a plugin a setting.
    """

    name: str
    raw: Attributes = field(repr=False)
    layers: tuple[Layer, ...] = ()
    plugin_defaults: PluginDefaults = field(default_factory=dict, repr=False)

    def find(self, *path: str | int) -> tuple[Location, str]:
        """Where an attribute stands, and its full name there; a missing one belongs into the strongest entry."""
        for length in range(len(path), 0, -1):
            for layer in self.layers:
                if _holds(layer.attributes, path[:length]):
                    return layer.at(*path[:length]), ".".join(map(str, (layer.name, *path)))
        name = ".".join(map(str, (self.name, *path)))
        return (self.layers[0].at() if self.layers else Location()), name


def _holds(value: JsonValue | Attributes, path: JsonPath) -> bool:
    for step in path:
        if isinstance(value, Mapping) and step in value:
            value = value[str(step)]
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return False
    return True


def merge_queues(sources: QueueSources, findings: Findings) -> dict[str, MergedQueue]:
    """All queues of all sources; an entry that names an unknown template is left out, with a finding."""
    remote_templates, remote = _split(sources.remote, findings)
    local_templates, local = _split(sources.local, findings)
    templates = {**remote_templates, **local_templates}
    _report_nesting(templates, findings)
    dynamic = _dynamic_layers(sources.dynamic)
    by_strength = [
        {name: layer for name, layer in layers.items() if _has_template(layer, templates, layers, findings)}
        for layers in (local, dynamic, remote)
    ]
    names = dict.fromkeys(name for layers in reversed(by_strength) for name in layers)
    merged = {name: [layers[name] for layers in by_strength if name in layers] for name in names}
    return {name: _merge(name, layers, templates, sources.plugin_defaults) for name, layers in merged.items()}


def queue_names(document: JsonDocument | None) -> list[str]:
    """All queues that a source has an entry for, whatever stands in it."""
    if document is None or not isinstance(document.value, dict):
        return []
    entries = document.value.items()
    return [name for name, value in entries if not is_comment(name) and not _looks_like_template(name, value)]


def _looks_like_template(name: str, value: JsonValue) -> bool:
    return name.endswith(TEMPLATE_ENDING) or (isinstance(value, dict) and value.get(TEMPLATE_FLAG) is True)


def _split(document: JsonDocument | None, findings: Findings) -> tuple[dict[str, Layer], dict[str, Layer]]:
    """The templates and the queues of one source."""
    if document is None:
        return {}, {}
    if not isinstance(document.value, dict):
        at = Location(document.file, 1)
        findings.error(at, "", "not a JSON object", 'write {"queue name": {"attribute": value}}')
        return {}, {}
    layers = [layer for name in document.value if (layer := _layer(document, name, document.value[name], findings))]
    templates = {layer.name: layer for layer in layers if _is_template(layer, findings)}
    return templates, {layer.name: layer for layer in layers if layer.name not in templates}


def _layer(document: JsonDocument, name: str, value: JsonValue, findings: Findings) -> Layer | None:
    if is_comment(name) and not isinstance(value, dict):
        return None
    if problem := _name_problem(name):
        findings.error(document.at((name,)), name[:_LONGEST_SHOWN], problem, "give the queue another name")
        return None
    if isinstance(value, dict):
        return Layer(document, name, {key: item for key, item in value.items() if not is_comment(key)})
    findings.error(document.at((name,)), name, "the queue is not a JSON object", 'write {"attribute": value}')
    return None


def _name_problem(name: str) -> str | None:
    """Why the database, the server and the log lines cannot all hold the name; None if they can."""
    if len(name) > _LONGEST_NAME:
        return f"the name of the queue has {len(name)} characters, more than {_LONGEST_NAME}"
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in name):
        return "the name of the queue holds characters that are no text"
    return None


def _is_template(layer: Layer, findings: Findings) -> bool:
    flag = layer.attributes.get(TEMPLATE_FLAG)
    if flag is not None and not isinstance(flag, bool):
        problem, advice = "neither true nor false, so it counts as false", "write true or false"
        findings.warning(layer.at(TEMPLATE_FLAG), f"{layer.name}.{TEMPLATE_FLAG}", problem, advice)
    return flag is True or layer.name.endswith(TEMPLATE_ENDING)


def _dynamic_layers(queues: Mapping[str, Attributes]) -> dict[str, Layer]:
    document = JsonDocument(RESOLVER, {})
    wanted = {TEMPLATE_NAME, *LIMIT_KEYS}
    return {
        name: Layer(document, name, {key: value for key, value in attributes.items() if key in wanted})
        for name, attributes in queues.items()
    }


def _report_nesting(templates: Mapping[str, Layer], findings: Findings) -> None:
    for layer in templates.values():
        if layer.template is None:
            continue
        trail = _trail(layer, templates)
        looping = len(set(trail)) < len(trail)
        problem = f"the templates {' → '.join(trail)} refer to each other" if looping else "a template has no template"
        findings.warning(
            layer.at(TEMPLATE_NAME),
            f"{layer.name}.{TEMPLATE_NAME}",
            f"{problem}; the key is ignored",
            "remove it, and copy what the template needs",
        )


def _trail(layer: Layer, templates: Mapping[str, Layer]) -> list[str]:
    trail = [layer.name]
    following: Layer | None = layer
    while following is not None and following.template is not None and len(set(trail)) == len(trail):
        trail.append(following.template)
        following = templates.get(following.template)
    return trail


def _has_template(
    layer: Layer, templates: Mapping[str, Layer], queues: Mapping[str, Layer], findings: Findings
) -> bool:
    """Whether the entry's template is there, or none is asked for."""
    stated = layer.attributes.get(TEMPLATE_NAME)
    if stated is None or (isinstance(stated, str) and stated in templates):
        return True
    if not isinstance(stated, str):
        problem, advice = "the name of a template must be text", 'write "templateQueueName": "name"'
    elif not stated:
        problem, advice = "the name of the template is empty; the queue was left out", f"remove {TEMPLATE_NAME}"
    elif stated in queues:
        problem = f"{stated} is a queue, not a template"
        advice = f'write "isTemplateQueue": true into {stated}, or name a template'
    else:
        problem = f"there is no template {stated}; the queue was left out"
        advice = instead(stated, templates, "define the template, or remove the key")
    findings.error(layer.at(TEMPLATE_NAME), f"{layer.name}.{TEMPLATE_NAME}", problem, advice)
    return False


def _merge(name: str, layers: list[Layer], templates: Mapping[str, Layer], defaults: PluginDefaults) -> MergedQueue:
    template = next((layer.template for layer in layers if layer.template), None)
    base = [templates[template]] if template else []
    raw: dict[str, JsonValue] = {}
    for layer in (*base, *reversed(layers)):
        _update(raw, layer.attributes)
    raw.pop(TEMPLATE_NAME, None)
    if template:
        raw[TEMPLATE_NAME] = template
    raw.pop(TEMPLATE_FLAG, None)
    return MergedQueue(name, raw, (*layers, *base), defaults)


def _update(raw: dict[str, JsonValue], stronger: Attributes) -> None:
    for key, value in stronger.items():
        present = raw.get(key)
        if key in MERGED_BLOCKS and isinstance(present, dict) and isinstance(value, dict):
            raw[key] = {**_without_other_identity(present, value), **value}
        else:
            raw[key] = value


def _without_other_identity(present: dict[str, JsonValue], stronger: Iterable[str]) -> dict[str, JsonValue]:
    """A plugin named in one way replaces one that was named in the other."""
    stated = set(stronger)
    dropped = {"module", "name"} if "plugin" in stated else {"plugin"} if stated & {*IDENTITY_KEYS} else set()
    return {key: value for key, value in present.items() if key not in dropped}
