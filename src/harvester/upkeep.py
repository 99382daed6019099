"""The part of the composition root that keeps the instance itself in order: credentials, files, messages."""

import logging
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final

from harvester.agents.alarm_mail import AlarmMail
from harvester.agents.apfmon import ApfMonitor
from harvester.agents.base import Instance
from harvester.agents.credential_manager import CredentialKeeper, Watched
from harvester.agents.dialogs import DialogBuffer
from harvester.agents.disk_cleaner import DiskCleaner
from harvester.agents.duties import Duty
from harvester.agents.file_syncer import FileSyncing, Syncer
from harvester.agents.host_lock import HostLock
from harvester.agents.service_monitor import ServiceMonitor
from harvester.agents.service_propagator import ServicePropagator
from harvester.agents.watcher import Watcher, end_this_process
from harvester.clients import PandaCredentials, credential_files
from harvester.config.queues import QueueConfig
from harvester.config.service import Settings
from harvester.config.setups import Setup, credential_setups, syncer_setups
from harvester.core.clock import Clock
from harvester.core.facts import ComputingElement, QueueBook
from harvester.core.watching import Sign
from harvester.logs import area_of, area_of_record
from harvester.plugins.api import CredentialSource, PluginContext
from harvester.plugins.names import Role
from harvester.plugins.pool import PluginPool
from harvester.plugins.setup_pool import SetupPool
from harvester.store.engine import Database
from harvester.store.leases import Owner

_OFFLINE: Final = "offline"
DIALOGS_PERIOD: Final = 10.0
"""Seconds that a complaint may wait in memory."""


class Upkeep:
    """What runs beside the agents and serves no single queue.

    Args:
        settings: the main configuration.
        db: the database.
        clock: what time it is.
        host: this host.
        plugins: knows the present queues.
        make_context: the context of the plugins of a queue, or, with an empty name, of the instance.
        book: what the information system says of queues.

    Raises:
        CredentialError: the table of hosts cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        db: Database,
        clock: Clock,
        host: str,
        *,
        plugins: PluginPool,
        make_context: Callable[[str], PluginContext],
        book: Callable[[], QueueBook] = QueueBook,
    ) -> None:
        self._settings = settings
        self._db = db
        self._clock = clock
        self._host = host
        self._dialogs = DialogBuffer(settings.propagator.min_message_level, area_of_record, clock)
        self._plugins = plugins
        self._make_context = make_context
        self._book = book
        self._server = PandaCredentials(settings, clock)
        self.credentials = self._make_keeper()
        syncers: SetupPool[Syncer] = SetupPool(Role.FILE_SYNCER, self._context, self._syncer_setups)
        self._syncing = FileSyncing(syncers)

    def _make_keeper(self) -> CredentialKeeper:
        context = self._make_context("")
        return CredentialKeeper(
            self._db,
            self._clock,
            self._host,
            SetupPool(Role.CREDENTIAL_MANAGER, self._context, self._credential_setups),
            self._settings.credmanager.sleep_time,
            lock=turns_at_credentials(context, self._host),
            watched=self._shown_to_others(),
            ahead=context.ahead,
        )

    def _shown_to_others(self) -> list[Watched]:
        frontend = self._settings.frontend
        watched = [Watched(path, f"[pandacon] {key}") for path, key in credential_files(self._settings).items()]
        if frontend.type == "simple" and frontend.cert_file:
            watched.append(Watched(frontend.cert_file, "[frontend] certFile"))
        return watched

    def duties(self, instance: Instance, owner: Callable[[], Owner]) -> list[Duty]:
        """What one process of the instance, or of this host, does for all of them."""
        settings, propagator = self._settings, ServicePropagator(instance)
        on_this_host: list[tuple[str, float, Callable[[], None]]] = [
            (FileSyncing.name, settings.file_syncer.sleep_time, self._syncing.round),
        ]
        if settings.service_monitor.active:
            volumes, period = settings.service_monitor.disk_volumes, settings.service_monitor.sleep_time
            monitor = ServiceMonitor(self._db, self._clock, self._host, volumes)
            on_this_host.append((ServiceMonitor.name, period, monitor.round))
        sweeper = settings.sweeper
        if sweeper.disk_clean_up_interval and sweeper.disk_high_watermark:
            cleaner = DiskCleaner(self._db, sweeper.disk_high_watermark)
            on_this_host.append((DiskCleaner.name, 3600 * sweeper.disk_clean_up_interval, cleaner.round))
        for_all: list[tuple[str, float, Callable[[], None]]] = [
            (ServicePropagator.name, settings.propagator.sleep_time, propagator.round)
        ]
        if settings.apfmon.active:
            for_all.append((ApfMonitor.name, ApfMonitor.period, ApfMonitor(instance).round))
        keeping = Duty(
            instance,
            owner,
            name=CredentialKeeper.name,
            period=settings.credmanager.sleep_time,
            work=self.credentials.round,
            host=self._host,
            pause=self.credentials.pause,
        )
        return [
            keeping,
            *(Duty(instance, owner, name=name, period=period, work=work) for name, period, work in for_all),
            *(
                Duty(instance, owner, name=name, period=period, work=work, host=self._host)
                for name, period, work in on_this_host
            ),
        ]

    def watcher(self, signs: Callable[[], Iterable[Sign]]) -> Watcher:
        """What watches the parts of this process."""
        instance = self._settings.master.harvester_id
        mail = AlarmMail(self._settings, f"Harvester {instance} on {self._host}, process {os.getpid()},")
        return Watcher(self._settings, signs, _area_of_part, mail=mail, end=end_this_process)

    def listen(self) -> None:
        """Collect what is complained of from now on."""
        logging.getLogger("harvester").addHandler(self._dialogs)

    def stop_listening(self) -> None:
        """Collect no more, and keep what was collected.

        Raises:
            StoreUnavailableError: the database is away.
        """
        logging.getLogger("harvester").removeHandler(self._dialogs)
        self.write_dialogs()

    def write_dialogs(self) -> None:
        """Bring what was collected to the database.

        Raises:
            StoreUnavailableError: the database is away; nothing is lost.
        """
        self._dialogs.write(self._db)

    def _credential_setups(self) -> list[Setup]:
        settings, queues = self._settings, self._plugins.queues.values()
        cert_file, instance = settings.pandacon.cert_file, settings.master.harvester_id
        return credential_setups(settings.credmanager, cert_file, queues, instance)

    def _syncer_setups(self) -> list[Setup]:
        settings, queues = self._settings, self._plugins.queues.values()
        return syncer_setups(settings.file_syncer, queues, settings.master.harvester_id)

    def _context(self, setup: Setup) -> PluginContext:
        context = self._make_context(setup.queue)
        return setup_context(setup, context, self._server, self._book, lambda: self._plugins.queues)


def _area_of_part(name: str) -> str:
    return area_of("", name)


def turns_at_credentials(context: PluginContext, host: str) -> HostLock:
    """What the processes of a host take turns by to look after its credentials."""
    return HostLock(context.state_dir / f"credentials-{host}.lock")


def setup_context(
    setup: Setup,
    context: PluginContext,
    server: CredentialSource,
    book: Callable[[], QueueBook],
    queues: Callable[[], Mapping[str, QueueConfig]],
) -> PluginContext:
    """The context of a set-up's plugin: what that of its queue has, and what credentials are made from and for.

    Args:
        setup: of the instance or a queue.
        context: of the queue's plugins, or the instance's.
        server: the PanDA server.
        book: what the information system says of queues.
        queues: the present ones by name; of a set-up of the instance all that are in service count.
    """

    def elements() -> list[ComputingElement]:
        served = [setup.queue] if setup.queue else [name for name, each in queues().items() if not each.offline]
        known = book()
        found = [facts for name in served if (facts := known.find(name))]
        return [each for facts in found if facts.status != _OFFLINE for each in facts.elements]

    return replace(context, setup=setup.name, server=server, elements=elements)
