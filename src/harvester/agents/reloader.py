"""Follows the queue configuration while the service runs (core reference §2.8).

Every process looks for itself whether the local file or a cached document has changed, which costs one look at the file
system, and takes over what has: plugins of changed queues are built anew, those of others stay. A queue with an error
keeps its last good configuration, and one that was removed the last that it had, until its work has ended.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import structlog

from harvester.agents.base import Instance
from harvester.agents.facts import QUEUES
from harvester.config.cache_lines import QUEUE_CONFIGURATION
from harvester.config.findings import Finding, Severity
from harvester.config.queue_changes import QueueChanges
from harvester.config.queue_loader import Outside, QueueLoader, Stamp, with_last_good
from harvester.config.queues import LoadedQueues
from harvester.store import queues
from harvester.store.cache import CacheKey

log = structlog.get_logger(__name__)

_REMOTE: Final = CacheKey(QUEUE_CONFIGURATION)
_WOKEN: Final = ("sizer", "job fetcher", "monitor")

_State = tuple[Stamp, str, str]
"""Of the local file, the remote document and the queues of the information system."""


class QueueReloader:
    """The queue configuration that this process works with.

    Args:
        instance: its plugins serve the queues.
        loader: reads the sources.
        loaded: what it read last.
    """

    name: Final = "queue configuration"

    def __init__(self, instance: Instance, loader: QueueLoader, loaded: LoadedQueues) -> None:
        self._instance = instance
        self._loader = loader
        self._loaded = loaded
        self._told = frozenset(loaded.findings)
        self._state: _State = (loader.stamp_read, "", "")
        self._full_at = instance.clock() + self._full_period
        self._unwritten: frozenset[str] | None = loaded.active
        """Queues to look at soon, unless the database knows already which are served."""

    def round(self) -> None:
        """Take over what has changed.

        Raises:
            StoreUnavailableError: the database is away; it is told as soon as it is back.
        """
        state, now = self._present_state(), self._instance.clock()
        if state != self._state or now >= self._full_at:
            self._reload()
            self._state, self._full_at = state, now + self._full_period
        self._write()

    @property
    def _full_period(self) -> timedelta:
        return timedelta(seconds=self._loader.qconf.update_interval)

    def _present_state(self) -> _State:
        """Only what counts: the queues of the information system change often, and few instances read them."""
        facts, qconf = self._instance.facts, self._loader.qconf
        reads_book = bool(qconf.resolver_module) or qconf.pilot_version is not None
        return (
            self._loader.stamp(),
            facts.digest(_REMOTE) if qconf.config_from_cacher else "",
            facts.digest(QUEUES) if reads_book else "",
        )

    def _reload(self) -> None:
        facts = self._instance.facts
        outside = Outside(facts.document(_REMOTE.main), facts.book)
        loaded = with_last_good(self._loader.load(outside), self._loaded)
        self._tell(loaded)
        changes = QueueChanges.between(self._loaded, loaded)
        if changes:
            self._take_over(loaded, changes)
        self._loaded = loaded

    def _take_over(self, loaded: LoadedQueues, changes: QueueChanges) -> None:
        fresh = [loaded.queues[name] for name in sorted(changes.concerned)]
        for problem in self._instance.plugins.prepare(fresh):
            log.error("plugin cannot be used, work that needs it waits", problem=problem)
        self._instance.plugins.replace(loaded.queues, loaded.active)
        self._unwritten = (self._unwritten or frozenset()) | (changes.concerned & loaded.active)
        log.info("queue configuration taken over", **changes.words())

    def _write(self) -> None:
        """All processes know from the database which queues are served."""
        if self._unwritten is None:
            return
        now = self._instance.clock()
        with self._instance.db.write() as connection:
            queues.activate(connection, self._loaded.active, now, urgent=self._unwritten)
        self._unwritten = None
        self._instance.wake(*_WOKEN)

    def _tell(self, loaded: LoadedQueues) -> None:
        """What is wrong is told once."""
        fresh = [finding for finding in loaded.findings if finding not in self._told]
        self._told = frozenset(loaded.findings)
        _log(fresh)
        kept = sorted(loaded.kept - self._loaded.kept)
        if kept:
            advice = "correct what the lines above name; `harvester check` tells it again"
            log.error("queues go on with their last good configuration", queues=", ".join(kept), advice=advice)
        mended = sorted(self._loaded.kept - loaded.kept)
        if mended:
            log.info("queues follow their present configuration again", queues=", ".join(mended))


def _log(findings: Sequence[Finding]) -> None:
    tell = {Severity.ERROR: log.error, Severity.WARNING: log.warning, Severity.INFO: log.debug}
    for each in findings:
        tell[each.severity](each.as_line())
