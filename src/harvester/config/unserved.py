"""Whether a queue gets new jobs and workers; if not, why (core reference §2.6)."""

from collections.abc import Collection
from typing import Final

from harvester.config.findings import Location
from harvester.config.queue_merge import RESOLVER, MergedQueue
from harvester.config.queue_model import QueueConfig
from harvester.config.resolver import DYNAMIC, Resolver

EVERY_QUEUE: Final = frozenset({"ALL", DYNAMIC})
HAS_ERROR: Final = "its configuration has an error, which `harvester check` tells"


def is_listed(name: str, queue_list: Collection[str]) -> bool:
    """Whether `[qconf] queueList` names a queue, alone or with all others."""
    return name in queue_list or not EVERY_QUEUE.isdisjoint(queue_list)


def why_unserved(queue: QueueConfig, merged: MergedQueue, queue_list: Collection[str], resolver: Resolver) -> str:
    """Why a valid queue gets no new jobs and workers, for operators; empty if it does.

    Args:
        queue: its configuration.
        merged: where that comes from.
        queue_list: `[qconf] queueList`.
        resolver: what the information system decides.
    """
    if queue.offline:
        at, _ = merged.find("queueStatus")
        return resolver.why_offline(queue.queue_name) if at.file == RESOLVER else _told_offline(at)
    if not is_listed(queue.queue_name, queue_list):
        return "[qconf] queueList does not name it"
    return resolver.why_refused(queue.queue_name)


def _told_offline(at: Location) -> str:
    return f"its queueStatus is offline ({at.file if at.line is None else f'{at.file}, line {at.line}'})"
