"""Queue configuration: from its sources to the queues of an instance and which of them it serves."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harvester.config.findings import Finding, Findings, Location, Severity, instead
from harvester.config.plugin_blocks import PluginBlock, PluginChecker, PluginProblem
from harvester.config.queue_builder import build_queue
from harvester.config.queue_merge import TEMPLATE_NAME, Attributes, MergedQueue, QueueSources, merge_queues, queue_names
from harvester.config.queue_model import ROLES, QueueConfig, RunMode
from harvester.config.resolver import Resolver
from harvester.config.unserved import EVERY_QUEUE, HAS_ERROR, is_listed, why_unserved
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
    "load_queues",
    "nowhere",
]

_NO_RESOLVER = Resolver()


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
        refused: names of all queues that have an entry and no valid configuration.
        merged: what each queue is made of and where that stands, also of those with an error.
        kept: names of queues that have an error and therefore are as they were before.
        unserved: why the other queues that have an entry are not active.
        errors: what is wrong with each of the refused.
    """

    queues: Mapping[str, QueueConfig]
    active: frozenset[str]
    findings: tuple[Finding, ...] = field(repr=False)
    readable: bool = True
    left_out: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    merged: Mapping[str, MergedQueue] = field(default_factory=dict, repr=False)
    kept: frozenset[str] = frozenset()
    unserved: Mapping[str, str] = field(default_factory=dict, repr=False)
    errors: Mapping[str, Sequence[Finding]] = field(default_factory=dict, repr=False)

    @property
    def served(self) -> Sequence[QueueConfig]:
        """The configurations of the active queues."""
        return [config for name, config in self.queues.items() if name in self.active]

    def raw_of(self, queue: str) -> Attributes:
        """The merged attributes of a queue; none of one that has no entry."""
        return self.merged[queue].raw if queue in self.merged else {}


def nowhere(_place: int) -> Location:
    """For those who do not know where `[qconf] queueList` stands."""
    return Location("panda_harvester.cfg")


def load_queues(
    sources: QueueSources,
    queue_list: Sequence[str],
    *,
    work_dir: Path,
    plugin_checker: PluginChecker | None = None,
    listed_at: Callable[[int], Location] = nowhere,
    resolver: Resolver = _NO_RESOLVER,
) -> LoadedQueues:
    """Build all queues; a bad one is left out with its findings, the others stay.

    Args:
        sources: the queue configuration.
        queue_list: `[qconf] queueList`.
        work_dir: `[master] workDir`.
        plugin_checker: knows the plugins; without it any name is accepted.
        listed_at: where the n-th name of `queue_list` stands.
        resolver: decides what the configuration leaves to it.
    """
    findings = Findings()
    merged = _merge(sources, resolver, findings)
    unmerged = findings.as_tuple()
    of_queues = {name: Findings() for name in merged}
    built = {name: build_queue(queue, work_dir, of_queues[name], plugin_checker) for name, queue in merged.items()}
    for own in of_queues.values():
        findings.extend(own.as_tuple())
    queues = {name: queue for name, queue in built.items() if queue is not None}
    for place, name in enumerate(queue_list):
        _report_listed(name, merged, listed_at(place), findings)
    reasons = {name: why_unserved(queue, merged[name], queue_list, resolver) for name, queue in queues.items()}
    active = frozenset(name for name, reason in reasons.items() if not reason)
    for name in sorted(active):
        _report_missing_limit(queues[name], merged[name], findings)
    refused = {*_mentioned(sources, resolver), *merged} - queues.keys()
    unbuilt = {name for name in refused if is_listed(name, queue_list)}
    unserved = {name: reason for name, reason in reasons.items() if reason}
    return LoadedQueues(
        queues,
        active,
        findings.as_tuple(),
        left_out=frozenset(unbuilt),
        refused=frozenset(refused),
        merged=merged,
        unserved={**dict.fromkeys(refused, HAS_ERROR), **unserved},
        errors={
            name: _errors(of_queues[name].as_tuple()) if name in of_queues else _of_entry(name, unmerged)
            for name in refused
        },
    )


def _errors(findings: Sequence[Finding]) -> Sequence[Finding]:
    return [each for each in findings if each.severity is Severity.ERROR]


def _of_entry(name: str, findings: Sequence[Finding]) -> Sequence[Finding]:
    """Why the entry of a queue could not even be merged with its template."""
    return [each for each in _errors(findings) if each.key in {name, f"{name}.{TEMPLATE_NAME}"}]


def _merge(sources: QueueSources, resolver: Resolver, findings: Findings) -> dict[str, MergedQueue]:
    """All queues of the files and of the resolver, with what the latter decides of them."""
    dynamic = {**resolver.queues(_configured(sources), findings), **sources.dynamic}
    merged = merge_queues(replace(sources, dynamic=dynamic), findings)
    return {name: resolver.completed(queue) for name, queue in merged.items()}


def _configured(sources: QueueSources) -> list[str]:
    return [*queue_names(sources.remote), *queue_names(sources.local)]


def _mentioned(sources: QueueSources, resolver: Resolver) -> list[str]:
    """The queues that any source has an entry for, whatever stands in it."""
    return [*_configured(sources), *(facts.resource for facts in resolver.ours)]


def _report_listed(name: str, merged: Mapping[str, MergedQueue], at: Location, findings: Findings) -> None:
    if name not in merged and name not in EVERY_QUEUE:
        advice = instead(name, merged, "configure the queue, or remove its name")
        findings.warning(at, "qconf.queueList", f"there is no queue {name}", advice)


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
