"""Follows the queue configuration while the service runs (core reference §2.8).

Every process looks for itself whether the local file or a cached document has changed, which costs one look at the file
system, and takes over what has: plugins of changed queues are built anew, those of others stay. A queue with an error
keeps its last good configuration, and one that was removed the last that it had, until its work has ended.
"""

from datetime import datetime, timedelta
from typing import Final

import structlog

from harvester.agents.base import Instance
from harvester.agents.config_versions import ConfigVersions, PresentVersions
from harvester.agents.facts import QUEUES, REMOTE_QUEUES
from harvester.agents.told_findings import tell_findings
from harvester.config.queue_changes import QueueChanges
from harvester.config.queue_loader import Outside, QueueLoader, Stamp, with_last_good
from harvester.config.queues import LoadedQueues
from harvester.store import leases, queues, reload_orders

log = structlog.get_logger(__name__)

_LEEWAY: Final = timedelta(seconds=2)
_WOKEN: Final = ("sizer", "job fetcher", "monitor")

_State = tuple[Stamp, str, str, int]
"""Of the local file, the remote document, the queues of the information system, and people's orders to read again."""


class QueueReloader:
    """The queue configuration that this process works with.

    Args:
        instance: its plugins serve the queues.
        loader: reads the sources.
        loaded: what it read last.
        versions: knows what work was begun with.
    """

    name: Final = "queue configuration"

    def __init__(self, instance: Instance, loader: QueueLoader, loaded: LoadedQueues, versions: ConfigVersions) -> None:
        self._instance = instance
        self._loader = loader
        self._loaded = loaded
        self._versions = versions
        self._numbers: PresentVersions = {}
        self._told = loaded
        self._state: _State = (loader.stamp_read, "", "", 0)
        self._full_at: datetime | None = None
        self._waiting: tuple[LoadedQueues, datetime] | None = None
        self._unwritten: frozenset[str] | None = loaded.active
        """Queues to look at soon, unless the database knows already which are served."""

    def round(self) -> None:
        """Take over what has changed.

        Raises:
            StoreUnavailableError: the database is away; what is left is done as soon as it is back.
        """
        state, now = self._present_state(), self._instance.clock()
        if self._full_at is None:
            self._state = (*self._state[:3], state[3])  # what was ordered before this process has read its files
        is_full = self._full_at is not None and now >= self._full_at
        if state != self._state or is_full:
            self._reload(now)
            if state[3] != self._state[3]:
                log.info("queue configuration read again, as it was ordered")
            self._state = state
        if self._waiting and now >= self._waiting[1]:
            self._take_over(self._waiting[0])
        if is_full or self._full_at is None:
            self._confirm()
            self._full_at = now + timedelta(seconds=self._loader.qconf.update_interval)
        elif self._versions.follow(self._loaded):
            self._serve()
        self._write()

    def _present_state(self) -> _State:
        """Only what counts: the queues of the information system change often, and few instances read them."""
        facts, qconf = self._instance.facts, self._loader.qconf
        reads_book = bool(qconf.resolver_module) or qconf.pilot_version is not None
        with self._instance.db.read() as connection:
            orders = reload_orders.number(connection)
        return (
            self._loader.stamp(),
            facts.digest(REMOTE_QUEUES) if qconf.config_from_cacher else "",
            facts.digest(QUEUES) if reads_book else "",
            orders,
        )

    def _reload(self, now: datetime) -> None:
        """Read all sources, and take over what they say, at once or when all processes can know of it."""
        facts = self._instance.facts
        outside = Outside(facts.document(REMOTE_QUEUES.main), facts.book)
        loaded = with_last_good(self._loader.load(outside), self._loaded)
        self._tell(loaded)
        if not QueueChanges.between(self._loaded, loaded):
            self._loaded, self._waiting = loaded, None
            return
        numbers = self._versions.register(loaded)
        changed = any(self._numbers.get(name, number) != number for name, number in numbers.items())
        self._waiting = loaded, now + (self._until_heard() if changed else timedelta())

    def _until_heard(self) -> timedelta:
        """How long the other processes need to learn of a version, before a worker of it may meet them."""
        with self._instance.db.read() as connection:
            is_alone = len(leases.list_owners(connection)) < 2  # noqa: PLR2004 (this process and another)
        return timedelta() if is_alone else timedelta(seconds=self._loader.qconf.check_interval) + _LEEWAY

    def _take_over(self, loaded: LoadedQueues) -> None:
        changes = QueueChanges.between(self._loaded, loaded)
        fresh = [loaded.queues[name] for name in sorted(changes.concerned)]
        for problem in self._instance.plugins.prepare(fresh):
            log.error("plugin cannot be used, work that needs it waits", problem=problem)
        self._numbers = self._versions.register(loaded)
        self._loaded, self._waiting = loaded, None
        self._versions.follow(loaded)
        self._serve()
        self._unwritten = (self._unwritten or frozenset()) | (changes.concerned & loaded.active)
        log.info("queue configuration taken over", **changes.words())

    def _confirm(self) -> None:
        """Say which versions are in use, and forget those that are not."""
        self._numbers = self._versions.register(self._loaded)
        self._versions.follow(self._loaded)
        self._versions.forget_unused()
        self._serve()
        with self._instance.db.write() as connection:
            queues.leave_alone(connection, self._instance.plugins.queues)

    def _serve(self) -> None:
        self._instance.plugins.replace(self._versions.served(self._loaded, self._numbers))

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
        last, self._told = self._told, loaded
        known = frozenset(last.findings)
        tell_findings(finding for finding in loaded.findings if finding not in known)
        kept = sorted(loaded.kept - last.kept)
        if kept:
            advice = "correct what the lines above name; `harvester check` tells it again"
            log.error("queues go on with their last good configuration", queues=", ".join(kept), advice=advice)
        mended = sorted(last.kept - loaded.kept)
        if mended:
            log.info("queues follow their present configuration again", queues=", ".join(mended))
