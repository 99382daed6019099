"""Queue configuration: from its sources to the queues of an instance and which of them it serves."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harvester.config.findings import Finding, Findings, Location, instead
from harvester.config.plugin_blocks import PluginBlock, PluginChecker, PluginProblem
from harvester.config.queue_builder import build_queue
from harvester.config.queue_merge import MergedQueue, QueueSources, merge_queues
from harvester.config.queue_model import ROLES, QueueConfig, RunMode
from harvester.config.sources import read_json
from harvester.config.unserved import unserved_attribute
from harvester.core.workers import MapType

__all__ = [
    "ROLES",
    "LoadedQueues",
    "PluginBlock",
    "PluginChecker",
    "PluginProblem",
    "QueueConfig",
    "QueueSources",
    "RunMode",
    "load_queue_file",
    "load_queues",
]

_DYNAMIC = "DYNAMIC"
_EVERY_QUEUE = frozenset({"ALL", _DYNAMIC})


@dataclass(frozen=True, slots=True)
class LoadedQueues:
    """What came out of reading the queue configuration.

    Attributes:
        queues: all valid queues; also those not served are needed, for workers they still have.
        active: names of the queues that fetch jobs and submit workers: wanted, not offline, and of a kind that this
            version can serve.
        findings: all that is wrong or worth knowing.
        readable: whether the source could be read at all; if not, that there are no queues means nothing.
        left_out: names of the queues that would be served but for an error.
    """

    queues: Mapping[str, QueueConfig]
    active: frozenset[str]
    findings: tuple[Finding, ...] = field(repr=False)
    readable: bool = True
    left_out: frozenset[str] = frozenset()


def _nowhere(_place: int) -> Location:
    return Location("panda_harvester.cfg")


def load_queues(
    sources: QueueSources,
    queue_list: Sequence[str],
    *,
    work_dir: Path,
    plugin_checker: PluginChecker | None = None,
    listed_at: Callable[[int], Location] = _nowhere,
) -> LoadedQueues:
    """Build all queues; a bad one is left out with its findings, the others stay.

    Args:
        sources: the queue configuration.
        queue_list: `[qconf] queueList`.
        work_dir: `[master] workDir`.
        plugin_checker: knows the plugins; without it any name is accepted.
        listed_at: where the n-th name of `queue_list` stands.
    """
    findings = Findings()
    merged = merge_queues(sources, findings)
    built = {name: build_queue(queue, work_dir, findings, plugin_checker) for name, queue in merged.items()}
    queues = {name: queue for name, queue in built.items() if queue is not None}
    for place, name in enumerate(queue_list):
        _report_listed(name, merged, listed_at(place), findings)
    wanted = _wanted(queues, queue_list)
    active = frozenset(name for name in wanted if _can_be_served(queues[name], merged[name], findings))
    for name in sorted(active):
        _report_missing_limit(queues[name], merged[name], findings)
    refused = {name for name in merged if name not in queues and _is_listed(name, queue_list)}
    left_out = frozenset({*refused, *wanted} - active)
    return LoadedQueues(queues, active, findings.as_tuple(), left_out=left_out)


def load_queue_file(
    path: Path,
    queue_list: Sequence[str],
    *,
    work_dir: Path,
    plugin_checker: PluginChecker | None = None,
    listed_at: Callable[[int], Location] = _nowhere,
) -> LoadedQueues:
    """`load_queues` from a local file alone."""
    findings = Findings()
    document = read_json(path, findings, "correct [qconf] configFile, or name the file with --queues")
    if document is None or not isinstance(document.value, dict):
        merge_queues(QueueSources(local=document), findings)
        return LoadedQueues({}, frozenset(), findings.as_tuple(), readable=False)
    loaded = load_queues(
        QueueSources(local=document), queue_list, work_dir=work_dir, plugin_checker=plugin_checker, listed_at=listed_at
    )
    return replace(loaded, findings=(*findings.as_tuple(), *loaded.findings))


def _report_listed(name: str, merged: Mapping[str, MergedQueue], at: Location, findings: Findings) -> None:
    if name == _DYNAMIC:
        problem = "DYNAMIC counts as ALL: queues of a resolver come with a later version"
        findings.warning(at, "qconf.queueList", problem, "write ALL, and configure the other queues")
    elif name not in merged and name not in _EVERY_QUEUE:
        advice = instead(name, merged, "configure the queue, or remove its name")
        findings.warning(at, "qconf.queueList", f"there is no queue {name}", advice)


def _wanted(queues: Mapping[str, QueueConfig], queue_list: Sequence[str]) -> list[str]:
    """Core reference §2.6."""
    return [name for name, queue in queues.items() if not queue.offline and _is_listed(name, queue_list)]


def _is_listed(name: str, queue_list: Sequence[str]) -> bool:
    return name in queue_list or not _EVERY_QUEUE.isdisjoint(queue_list)


def _can_be_served(queue: QueueConfig, merged: MergedQueue, findings: Findings) -> bool:
    unserved = unserved_attribute(queue)
    if unserved is None:
        return True
    key, other = unserved
    at, _ = merged.find(key)
    what = f"{merged.raw[key]} is accepted and comes with a later version; until then the queue is not served"
    findings.error(at, f"{queue.queue_name}.{key}", what, f"write {other}, or take the queue out of [qconf] queueList")
    return False


def _report_missing_limit(queue: QueueConfig, merged: MergedQueue, findings: Findings) -> None:
    """Without its limit a queue would look stuck: it asks for no jobs, or makes no workers."""
    told_already = merged.raw.get("nQueueLimitWorker") or merged.raw.get("nQueueLimitWorkerMax")
    if queue.map_type is not MapType.NO_JOB and queue.n_queue_limit_job is None:
        key, problem, limited = "nQueueLimitJob", "is not set, so no jobs are fetched", "jobs may wait"
    elif queue.map_type is MapType.NO_JOB and not queue.max_workers and not told_already:
        key, problem, limited = "maxWorkers", "is 0 or not set, so no workers are made", "workers there may be"
    else:
        return
    at, name = merged.find(key)
    findings.warning(at, name, f"{problem} for this queue", f'write "{key}": and how many {limited}')
