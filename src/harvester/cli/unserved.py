"""Queues that are configured correctly and that this version cannot serve yet."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from harvester.config.findings import Finding, Findings, Location, Severity
from harvester.config.json_lines import JsonDocument
from harvester.config.queues import QueueConfig, RunMode
from harvester.config.sources import read_json
from harvester.core.workers import MapType

_SERVED_MAP_TYPES = (MapType.NO_JOB, MapType.ONE_TO_ONE)


def unserved(queues: Mapping[str, QueueConfig], path: Path) -> dict[str, Finding]:
    """Such queues, each with what to do about it.

    Args:
        queues: the valid queues.
        path: the file they come from.
    """
    reasons = {name: reason for name, queue in queues.items() if (reason := _reason(queue))}
    document = read_json(path, Findings()) if reasons else None
    return dict(_findings(reasons, queues, document, path))


def _reason(queue: QueueConfig) -> tuple[str, str, str] | None:
    """The key concerned, what is wrong, and what to do."""
    if queue.map_type not in _SERVED_MAP_TYPES:
        what = f"{queue.map_type} is accepted and comes with a later version; until then the queue is not served"
        return "mapType", what, f"write {' or '.join(_SERVED_MAP_TYPES)}, or take the queue out of [qconf] queueList"
    if queue.run_mode is RunMode.SLAVE:
        what = "slave is accepted and comes with a later version; until then the queue is not served"
        return "runMode", what, "write self, or take the queue out of [qconf] queueList"
    return None


def _findings(
    reasons: Mapping[str, tuple[str, str, str]],
    queues: Mapping[str, QueueConfig],
    document: JsonDocument | None,
    path: Path,
) -> Iterator[tuple[str, Finding]]:
    for name, (key, problem, advice) in reasons.items():
        at = _place(document, (name, queues[name].template_queue_name or name), key) or Location(str(path))
        yield name, Finding(Severity.ERROR, at.file, at.line, f"{name}.{key}", problem, advice)


def _place(document: JsonDocument | None, entries: tuple[str, ...], key: str) -> Location | None:
    """Where the key is written: in the queue's own entry, else in that of its template."""
    if document is None or not isinstance(document.value, dict):
        return None
    for entry in entries:
        attributes = document.value.get(entry)
        if isinstance(attributes, dict) and key in attributes:
            return document.at((entry, key))
    return document.at((entries[0],))
