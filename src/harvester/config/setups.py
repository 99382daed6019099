"""Plugins that serve the instance or a queue in several ways: credential managers and file syncers.

Core reference §1.8: `[credmanager]` has parallel lists and `pluginConfigs`, `[file_syncer]` the latter; queues have
lists of plugins with placeholders (plugins reference §1.2, §2.9, §2.14).
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from harvester.config.plugin_blocks import PluginBlock, identity_problem
from harvester.config.problems import KeyProblem
from harvester.config.queue_model import QueueConfig
from harvester.config.upkeep_sections import CredManager, FileSyncer

_PLACEHOLDER: Final = re.compile(r"\$\{([\w.]+)\}")
_COMMON: Final = "common."
_NEEDED: Final = ("className", "outCertFile")

Fingerprint = tuple[str, str, str]
"""What tells a set-up from others: its queue, its name and its plugin's block."""


@dataclass(frozen=True, slots=True)
class Setup:
    """One plugin with one set of parameters.

    Attributes:
        name: what operators call it; the queue's name if it is a queue's.
        queue: whose it is; empty for the instance's own.
        key: of its section or queue, where it is written.
    """

    name: str
    queue: str
    key: str
    block: PluginBlock

    @property
    def fingerprint(self) -> Fingerprint:
        """The same as long as its plugin stays the same."""
        return self.queue, self.name, self.block.fingerprint


SetupsFound = list[Setup | KeyProblem]


def credential_setups(
    section: CredManager, cert_file: str | None, queues: Iterable[QueueConfig], instance: str
) -> list[Setup]:
    """All credential managers of an instance; what is no set-up is left out, and told when the files are read.

    Args:
        section: `[credmanager]`.
        cert_file: `[pandacon] cert_file`.
        queues: all queues.
        instance: `harvester_id`.
    """
    own = [*of_credential_lists(section, cert_file), *of_plugin_configs(section.plugin_configs)]
    theirs = [each for queue in queues for each in of_queue(queue, "credmanagers", queue.credmanagers, instance)]
    return _usable([*own, *theirs])


def syncer_setups(section: FileSyncer, queues: Iterable[QueueConfig], instance: str) -> list[Setup]:
    """All file syncers of an instance, likewise."""
    theirs = [each for queue in queues for each in of_queue(queue, "file_syncer", queue.file_syncer, instance)]
    return _usable([*of_plugin_configs(section.plugin_configs), *theirs])


def _usable(found: SetupsFound) -> list[Setup]:
    return [each for each in found if isinstance(each, Setup)]


def of_credential_lists(section: CredManager, cert_file: str | None) -> SetupsFound:
    """The set-ups of the parallel lists, paired in their order; none if one has more entries than another.

    Upstream pairs them as far as the shortest one reaches, so that a forgotten line gives a proxy the attributes of
    another one, or leaves it to run out unseen. Of lists that are not there each plugin gets nothing.

    Args:
        section: `[credmanager]`.
        cert_file: `[pandacon] cert_file`, which is made where no `outCertFile` is set.
    """
    number = len(section.module_name)
    if not number:
        return []
    lists = {
        "className": section.class_name,
        "inCertFile" if section.in_cert_file else "certFile": section.in_cert_file or section.cert_file,
        "outCertFile": section.out_cert_file or ((cert_file,) if cert_file and number == 1 else ()),
        "voms": section.voms,
    }
    if uneven := [_uneven(key, lines, number) for key, lines in lists.items() if len(lines) not in {0, number}]:
        return [*uneven]
    if missing := [key for key in _NEEDED if not lists[key]]:
        return [KeyProblem(key, "is not set", f"write a line for each of moduleName: {number}") for key in missing]
    columns = [lines or (None,) * number for lines in lists.values()]
    rows = zip(section.module_name, *columns, strict=True)
    return [_of_lists(place, module, *row) for place, (module, *row) in enumerate(rows, start=1)]


def _uneven(key: str, lines: Sequence[str], number: int) -> KeyProblem:
    problem = f"has {len(lines)} lines, and moduleName has {number}: which belongs to which is anybody's guess"
    return KeyProblem(key, problem, f"write {number} lines, one for each plugin", is_grave=True)


def _of_lists(place: int, module: str, *row: str | None) -> Setup:
    name, in_file, out_file, voms = row
    settings: dict[str, JsonValue] = {"inCertFile": in_file, "outCertFile": out_file, "voms": voms}
    return Setup(f"{place}: {out_file}", "", "moduleName", PluginBlock(module=module, name=name, settings=settings))


def of_plugin_configs(configs: Sequence[Mapping[str, JsonValue]]) -> SetupsFound:
    """The set-ups of `pluginConfigs`: `[{"module", "name", "configs": {set-up: {parameter: value}}}]`."""
    return [each for place, entry in enumerate(configs, start=1) for each in _of_config(place, entry)]


def _of_config(place: int, entry: Mapping[str, JsonValue]) -> Iterator[Setup | KeyProblem]:
    if problem := identity_problem(entry):
        yield KeyProblem("pluginConfigs", f"entry {place} {problem}", 'write "module" and "name", or "plugin" alone')
        return
    setups = entry.get("configs")
    if not isinstance(setups, dict) or not all(isinstance(each, dict) for each in setups.values()):
        problem = f'entry {place} has no "configs" of the form {{set-up: {{parameter: value}}}}, so it does nothing'
        yield KeyProblem("pluginConfigs", problem, 'write "configs": {"name of the set-up": {…}}')
        return
    identity = {key: value for key, value in entry.items() if key != "configs"}
    for name, settings in setups.items():
        if isinstance(settings, dict):
            block = PluginBlock.of({**identity, **settings, "setup_name": name}, {}, settings)
            yield Setup(name, "", "pluginConfigs", block)


def of_queue(queue: QueueConfig, key: str, listed: Sequence[Mapping[str, JsonValue]], instance: str) -> SetupsFound:
    """The set-ups that a queue lists, with its placeholders filled in; none of a queue that is out of service.

    Args:
        queue: the queue.
        key: `credmanagers` or `file_syncer`.
        listed: what it lists there.
        instance: `harvester_id`.
    """
    if queue.offline:
        return []
    return [_of_queue(queue, key, place, entry, instance) for place, entry in enumerate(listed, start=1)]


def _of_queue(
    queue: QueueConfig, key: str, place: int, entry: Mapping[str, JsonValue], instance: str
) -> Setup | KeyProblem:
    if problem := identity_problem(entry):
        return KeyProblem(key, f"entry {place} {problem}", 'write "module" and "name", or "plugin" alone')
    known: dict[str, JsonValue] = {"harvesterID": instance, "queueName": queue.queue_name}
    known |= {f"{_COMMON}{name}": value for name, value in queue.common.items()}
    filled = {name: _filled(value, known) for name, value in entry.items()}
    if missing := sorted({name for value in filled.values() for name in _left_in(value)}):
        words = ", ".join(f"${{{name}}}" for name in missing)
        problem = f"entry {place} has {words}, which stands for nothing here"
        return KeyProblem(key, problem, "write ${harvesterID}, ${queueName} or ${common.KEY} with a key of common")
    given = {"setup_name": queue.queue_name, "queueName": queue.queue_name}
    return Setup(queue.queue_name, queue.queue_name, key, PluginBlock.of({**given, **filled}, {}, entry))


def _filled(value: JsonValue, known: Mapping[str, JsonValue]) -> JsonValue:
    """Upstream fails for values that are no texts; a placeholder that is all of a text becomes the value as it is."""
    if not isinstance(value, str):
        return value
    whole = _PLACEHOLDER.fullmatch(value)
    if whole and whole[1] in known:
        return known[whole[1]]
    return _PLACEHOLDER.sub(lambda match: str(known.get(match[1], match[0])), value)


def _left_in(value: JsonValue) -> list[str]:
    return _PLACEHOLDER.findall(value) if isinstance(value, str) else []
