"""Asks resources that can tell which batch jobs changed lately, and has the queues of those workers checked at once.

A listing of everything may be slow, so that the monitor asks for it rarely; what changed is told quickly (core
reference §3.7, event-based check).
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import structlog
from pydantic import JsonValue

from harvester.agents.base import Instance
from harvester.agents.complaints import Complaints
from harvester.config.plugin_blocks import PluginBlock
from harvester.core.workers import worker_of
from harvester.plugins.api import PluginContext, TellsChanges
from harvester.plugins.registry import Role, UnusablePluginError, build
from harvester.store import leases, workers
from harvester.store.leases import QUEUE_MONITOR

log = structlog.get_logger(__name__)


class ChangeWatcher:
    """One round every `[monitor] eventBasedCheckInterval`.

    Args:
        instance: whose workers are watched.
        context: of plugins that belong to no queue.
    """

    name: Final = "change watcher"

    def __init__(self, instance: Instance, context: PluginContext) -> None:
        self._instance = instance
        self._context = context
        self._complaints = Complaints[str]()

    def round(self) -> None:
        """Ask all plugins; one that cannot tell hurts none of the others.

        Raises:
            StoreUnavailableError: the database is away; the next round asks again for a time that covers this one.
        """
        section = self._instance.settings.monitor
        window = timedelta(seconds=section.event_based_time_window)
        troubles: dict[str, str] = {}
        changed: list[str] = []
        for number, configured in enumerate(section.event_based_plugins, 1):
            try:
                changed += self._ask(configured, window)
            except (Exception, SystemExit) as error:  # noqa: BLE001 (a plugin may raise anything, and the others have to be asked)
                troubles[f"entry {number}"] = str(error) or type(error).__name__
        for entry, reason in self._complaints.fresh(self.name, troubles).items():
            log.warning("[monitor] eventBasedPlugins: changes are not told", entry=entry, reason=reason)
        self._have_checked(changed)

    def _ask(self, configured: dict[str, JsonValue], window: timedelta) -> Sequence[str]:
        plugin = build(Role.MONITOR, PluginBlock.of(configured, {}), self._context)
        if not isinstance(plugin, TellsChanges):
            raise UnusablePluginError(f"{type(plugin).__name__} cannot tell what changed; take it out of the list")
        return plugin.changed(window)

    def _have_checked(self, markers: Sequence[str]) -> None:
        known = (worker_of(self._instance.id, marker) for marker in markers)
        ids = {worker for worker in known if worker is not None}
        if not ids:
            return
        with self._instance.db.write() as connection:
            names = workers.monitored_queues_of(connection, ids)
            leases.nudge_queues(connection, QUEUE_MONITOR, names, self._instance.clock(), timedelta())
        self._instance.wake("monitor")
