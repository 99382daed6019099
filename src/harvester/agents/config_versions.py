"""Which version of a queue's configuration new work gets, and which others work still has (core reference §2.7).

Processes learn each other's versions from the database: a worker may be looked after by a process that has never read
the configuration that it was made with.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import structlog

from harvester.config.plugin_blocks import PluginDefaults
from harvester.config.queues import LoadedQueues, QueueConfig
from harvester.config.served_queues import ServedQueues
from harvester.config.versions import digest_of, storable, stored_queue
from harvester.core.clock import Clock
from harvester.store import queue_versions
from harvester.store.engine import Database
from harvester.store.queue_versions import QueueVersion

log = structlog.get_logger(__name__)

PresentVersions = Mapping[str, int]
"""The number of the present version of each queue."""

_NO_DEFAULTS: Final[PluginDefaults] = {}
_KEPT_UNUSED: Final = timedelta(hours=24)
"""A version that no process has used for so long, and no job or worker has, is deleted."""
_SETTLED: Final = timedelta(minutes=10)
"""After so long nobody can be about to write a version that is not the present one any more."""


class ConfigVersions:
    """The versions that this process knows.

    Args:
        db: where they are kept.
        clock: tells since when a version is unused.
        work_dir: `[master] workDir`, where access points are unless a queue says so.
        plugin_defaults: `[master] extraPluginConfigs`.
    """

    def __init__(
        self, db: Database, clock: Clock, work_dir: Path, plugin_defaults: PluginDefaults = _NO_DEFAULTS
    ) -> None:
        self._db = db
        self._clock = clock
        self._work_dir = work_dir
        self._plugin_defaults = plugin_defaults
        self._configs: dict[int, QueueConfig] = {}
        self._former_since: dict[int, datetime] = {}
        self._newest = 0

    def register(self, loaded: LoadedQueues) -> PresentVersions:
        """The numbers of the present versions by queue; new ones are there for all processes from now on.

        Raises:
            StoreUnavailableError: the database is away.
        """
        present = [
            QueueVersion(name, digest_of(queue), storable(loaded.raw_of(name))) for name, queue in loaded.queues.items()
        ]
        with self._db.write() as connection:
            numbers = queue_versions.register(connection, present, self._clock())
        self._configs |= {number: loaded.queues[name] for name, number in numbers.items()}
        return numbers

    def follow(self, loaded: LoadedQueues) -> bool:
        """Learn what other processes, or this one before it was restarted, have registered; whether there was any.

        Raises:
            StoreUnavailableError: the database is away.
        """
        with self._db.read() as connection:
            newest = queue_versions.newest(connection)
            if newest <= self._newest:
                return False
            found = queue_versions.beyond(connection, self._newest)
        self._newest = newest
        fresh = [each for each in found if each.number not in self._configs]
        for each in fresh:
            present = loaded.raw_of(each.queue)
            config = stored_queue(each.queue, each.config, present, self._work_dir, self._plugin_defaults)
            if config is not None:
                self._configs[each.number] = config
            else:
                what = "a former configuration cannot be used any more, its workers follow the present one"
                log.warning(what, queue=each.queue, version=each.number)
        return bool(fresh)

    def served(self, loaded: LoadedQueues, numbers: PresentVersions) -> ServedQueues:
        """The present configuration with all other versions that work may have."""
        present = set(numbers.values())
        kept = {number: config for number, config in self._configs.items() if number not in present}
        now = self._clock()
        self._former_since = {number: self._former_since.get(number, now) for number in kept}
        return ServedQueues(loaded.queues, loaded.active, numbers, kept)

    def forget_unused(self) -> None:
        """Let go of former versions that no job and no worker has.

        Raises:
            StoreUnavailableError: the database is away.
        """
        now = self._clock()
        settled = {number for number, since in self._former_since.items() if now - since >= _SETTLED}
        with self._db.write() as connection:
            queue_versions.remove_unused(connection, now - _KEPT_UNUSED)
            used = queue_versions.in_use(connection, {self._configs[number].queue_name for number in settled})
        for number in settled - used:
            del self._configs[number]
