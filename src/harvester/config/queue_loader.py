"""Loads the queue configuration again and again: local file, cached remote document, and what the resolver says.

A source that cannot be read stands for what it said last, and a queue that has an error keeps its last good
configuration (`with_last_good`): a configuration pushed with mistakes disturbs nothing that works.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, TypeVar

from pydantic import JsonValue

from harvester.config.cache_lines import QUEUE_CONFIGURATION
from harvester.config.findings import Findings, Location
from harvester.config.instance_sections import Qconf
from harvester.config.json_lines import JsonDocument
from harvester.config.places import is_there
from harvester.config.plugin_blocks import PluginChecker, PluginDefaults
from harvester.config.queue_merge import REMOTE, RESOLVER, QueueSources, merge_queues
from harvester.config.queues import LoadedQueues, load_queues, nowhere
from harvester.config.remote import report_secrets
from harvester.config.resolver import Resolver
from harvester.config.sources import read_json
from harvester.core.facts import QueueBook

NAMED_PATH: Final = "check the path"
"""What to do if a queue configuration that was named is not there."""

_NO_DEFAULTS: Final[PluginDefaults] = {}

T = TypeVar("T")
Stamp = tuple[int, int, int] | None


@dataclass(frozen=True, slots=True)
class Outside:
    """What was fetched for the queues.

    Attributes:
        remote: the remote queue configuration: cached without its secrets, or as it stands at its address; None if it
            never came.
        book: the queues of the information system.
    """

    remote: JsonValue | JsonDocument = field(default=None, repr=False)
    book: QueueBook = field(default_factory=QueueBook)


NOTHING: Final = Outside()


class QueueLoader:
    """The queue configuration of one instance; remembers the last good document of each source.

    Args:
        path: the local file.
        qconf: the section `[qconf]`.
        work_dir: `[master] workDir`.
        plugin_checker: knows the plugins; without it any name is accepted.
        listed_at: where the n-th name of `[qconf] queueList` stands.
        plugin_defaults: `[master] extraPluginConfigs`.
        if_missing: what to do if the local file is not there.
        may_be_missing: whether all queues may come from elsewhere.
    """

    def __init__(
        self,
        path: Path,
        qconf: Qconf,
        work_dir: Path,
        plugin_checker: PluginChecker | None = None,
        listed_at: Callable[[int], Location] = nowhere,
        *,
        plugin_defaults: PluginDefaults = _NO_DEFAULTS,
        if_missing: str = NAMED_PATH,
        may_be_missing: bool = False,
    ) -> None:
        self.path = path
        self.qconf = qconf
        self._work_dir = work_dir
        self._plugin_checker = plugin_checker
        self._listed_at = listed_at
        self._plugin_defaults = plugin_defaults
        self._if_missing = if_missing
        self._may_be_missing = may_be_missing
        self.stamp_read: Stamp = None
        """The state of the local file that was read last."""
        self._local: JsonDocument | None = None
        self._remote: JsonDocument | None = None

    def stamp(self) -> Stamp:
        """Tells one state of the local file from the next; None while it is not there."""
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino

    def load(self, outside: Outside = NOTHING) -> LoadedQueues:
        """All queues as the sources describe them now, or did when they could be read last."""
        findings = Findings()
        self.stamp_read = self.stamp()
        resolver = Resolver.of(self.qconf, outside.book)
        self._local = self._read_local(findings) or self._local
        if self.qconf.config_from_cacher:
            local = self._local.value if self._local else None
            self._remote = _remote_document(outside.remote, local, findings) or self._remote
        if self._local is None and self._remote is None and not resolver.makes_queues:
            return LoadedQueues({}, frozenset(), findings.as_tuple(), readable=False)
        loaded = load_queues(
            QueueSources(self._local, self._remote, plugin_defaults=self._plugin_defaults),
            self.qconf.queue_list,
            work_dir=self._work_dir,
            plugin_checker=self._plugin_checker,
            listed_at=self._listed_at,
            resolver=resolver,
        )
        self._report_waiting(outside, findings)
        return replace(loaded, findings=(*findings.as_tuple(), *loaded.findings))

    def _report_waiting(self, outside: Outside, findings: Findings) -> None:
        """Nobody should take a picture that is not there yet for an empty one."""
        problem, advice = "it was not fetched yet, so nothing comes from it", "`harvester run` fetches it and goes on"
        if self.qconf.config_from_cacher and self._remote is None:
            findings.info(Location(REMOTE), "", problem, advice)
        if self.qconf.resolver_module and not outside.book.by_name:
            findings.info(Location(RESOLVER), "", problem, advice)

    def _read_local(self, findings: Findings) -> JsonDocument | None:
        """The local file; none at all is no mistake where others say which queues there are, unless it was there."""
        if self._may_be_missing and self._local is None and not is_there(self.path):
            findings.info(Location(str(self.path)), "", "there is no such file", "all queues come from elsewhere")
            return None
        document = read_json(self.path, findings, self._if_missing)
        if document is not None and not isinstance(document.value, dict):
            merge_queues(QueueSources(local=document), findings)
            return None
        return document


def with_last_good(new: LoadedQueues, last: LoadedQueues) -> LoadedQueues:
    """The new configuration, in which queues that have an error are as they were before; `kept` names them."""
    if not new.readable:
        return replace(last, findings=new.findings, kept=frozenset(last.queues))
    kept = new.refused & last.queues.keys()
    if not kept:
        return new
    return replace(
        new,
        queues={**new.queues, **_some(last.queues, kept)},
        merged={**new.merged, **_some(last.merged, kept)},
        active=new.active | (last.active & kept),
        left_out=new.left_out - (last.active & kept),
        kept=kept,
    )


def _some(of_queues: Mapping[str, T], names: frozenset[str]) -> dict[str, T]:
    return {name: of_queues[name] for name in names if name in of_queues}


def _remote_document(value: JsonValue | JsonDocument, local: JsonValue, findings: Findings) -> JsonDocument | None:
    """The remote document; one that never came is no mistake, it may come soon."""
    if isinstance(value, JsonDocument):
        return report_secrets(value, local, findings)
    if isinstance(value, dict):
        return JsonDocument(REMOTE, value)
    if value is not None:
        advice = f"correct what the line {QUEUE_CONFIGURATION} of [cacher] data fetches"
        findings.error(Location(REMOTE), "", "not a JSON object of queues", advice)
    return None
