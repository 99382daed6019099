"""The composition root: builds store, client, plugins and agents; starts and stops them.

All of it stands in this one file, long as it is: what an instance is made of, and in which order that comes and goes,
is seen at one place or nowhere.
"""

import gc
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

import structlog
from sqlalchemy import URL
from sqlalchemy.exc import SQLAlchemyError

from harvester.agents import failpoints
from harvester.agents.base import Agent, Instance, Wakeups
from harvester.agents.cacher import Cacher
from harvester.agents.change_watcher import ChangeWatcher
from harvester.agents.command_manager import CommandManager
from harvester.agents.config_versions import ConfigVersions
from harvester.agents.duties import LOOK, Duty
from harvester.agents.early_stager import EarlyStager
from harvester.agents.event_feeder import EventFeeder
from harvester.agents.facts import PERIOD as FACTS_PERIOD
from harvester.agents.facts import REMOTE_QUEUES, Facts
from harvester.agents.feeder import Feeder
from harvester.agents.fetching import Fetcher
from harvester.agents.housekeeper import PERIOD, Housekeeper
from harvester.agents.job_fetcher import JobFetcher
from harvester.agents.killer import Killer
from harvester.agents.log_uploader import LogUploader
from harvester.agents.loops import Loop
from harvester.agents.monitor import Monitor
from harvester.agents.preparator import PreparatorAgent
from harvester.agents.private_documents import PrivateDocuments
from harvester.agents.propagator import JobPropagator
from harvester.agents.reconciler import Reconciler
from harvester.agents.refusals import Refusals
from harvester.agents.reloader import QueueReloader
from harvester.agents.reporting import Reporter
from harvester.agents.runner import AgentRunner
from harvester.agents.sizer import Sizer
from harvester.agents.stager import StagerAgent
from harvester.agents.statistics import StatisticsReporter
from harvester.agents.submitter import Submitter
from harvester.agents.sweeper import Sweeper
from harvester.agents.watcher import Watcher, signs_of
from harvester.agents.worker_propagator import WorkerPropagator
from harvester.clients import checkpoints_client, file_server, idds_client, panda_client
from harvester.config.cache_lines import QUEUE_CONFIGURATION, read_lines
from harvester.config.queue_loader import QueueLoader
from harvester.config.queues import LoadedQueues
from harvester.config.remote import QUEUE_URL, RemoteError
from harvester.config.service import Settings
from harvester.core.clock import Clock, SteadyClock, utc_now
from harvester.core.errors import HarvesterError
from harvester.core.watching import Sign
from harvester.panda.client import PandaClient
from harvester.panda.errors import PandaError
from harvester.plugins.api import PluginContext
from harvester.plugins.calling import PluginCalls
from harvester.plugins.pool import REBUILD, PluginPool
from harvester.plugins.worker_door import WorkerDoor
from harvester.store import belonging, duties, migrate, worker_ids
from harvester.store.cache import NOTHING, CacheKey
from harvester.store.engine import Database, StoreUnavailableError, server_url, sqlite_url
from harvester.upkeep import DIALOGS_PERIOD, Upkeep

log = structlog.get_logger(__name__)

_HOUSEKEEPER: Final = "housekeeper"
_DUTY_RETRY: Final = 60.0
_FIRST_FETCH: Final = 180.0
"""Seconds that a first start waits for another process that fetches the queue configuration."""
_NOBODY: Final = f"no process did so within {_FIRST_FETCH:.0f} s; see the log of the one that is at it"
_NOWHERE: Final = (
    "there is no queue configuration: [qconf] configFromCacher wants it fetched, but no usable line of [cacher] data "
    f"is for {QUEUE_CONFIGURATION}; add one, or write the queues into a local file"
)
_GLANCE: Final = 0.5
_LEAVE_SECONDS: Final = 2.5
"""How long a process that stops waits for the database when its time is over: its claims run out anyhow."""
_OBJECTS_BEFORE_COLLECTION: Final = 20_000
_DEFAULT_PORTS: Final = {"mariadb": 3306, "postgresql": 5432}
_AGENTS: Final[Sequence[type[Agent[Any, Any]]]] = (  # each agent has unit and result types of its own
    JobFetcher,
    PreparatorAgent,
    Sizer,
    Submitter,
    Feeder,
    Reconciler,
    Monitor,
    EventFeeder,
    StagerAgent,
    EarlyStager,
    JobPropagator,
    WorkerPropagator,
    Killer,
    Sweeper,
)


class WorkerIdsError(HarvesterError):
    """Nobody tells which ids of workers are in use, and none may be given twice."""


def database_url(settings: Settings) -> URL:
    """Where the instance's database is."""
    db = settings.db
    if db.engine == "sqlite":
        return sqlite_url(Path(db.database_filename))
    return server_url(
        db.kind,
        host=db.host,
        port=db.port or _DEFAULT_PORTS[db.engine],
        user=db.user,
        password=db.password.get_secret_value() if db.password else "",
        schema=db.schema_name,
    )


def open_database(settings: Settings) -> Database:
    """The instance's database, with its tables up to date; it belongs to the instance from the first time on.

    Raises:
        StoreUnavailableError: it cannot be reached.
        TablesError: it belongs to another instance, or its tables are not Harvester's, or those of a newer version.
        OSError: the directory of an SQLite file cannot be made.
    """
    if settings.db.engine == "sqlite":
        Path(settings.db.database_filename).parent.mkdir(parents=True, exist_ok=True)
    db = Database(database_url(settings), settings.db.n_connections)
    harvester_id = settings.master.harvester_id
    with ExitStack() as undone:
        undone.callback(db.close)  # who waits for a database that cannot be used opens one every few seconds
        with db.read() as connection:  # the tables of another instance are not changed
            migrate.require_ours(connection)
            belonging.require(connection, harvester_id)
        migrate.upgrade(db)
        db.transact(lambda connection: belonging.claim(connection, harvester_id))
        undone.pop_all()
    return db


def plugin_context(
    settings: Settings, clock: Clock, ahead: Callable[[], timedelta] = timedelta
) -> Callable[[str], PluginContext]:
    """Makes the context of a queue's plugins, whose clock is `ahead` of the system's."""
    state = Path(settings.master.work_dir) / "plugins"
    names = settings.payload_interaction.model_dump(by_alias=True, exclude_none=True)
    threads = settings.zipper.n_threads_for_zip or os.cpu_count() or 1
    door = WorkerDoor.of(settings, clock)
    make_place = cache(lambda: state.mkdir(parents=True, exist_ok=True, mode=0o700))

    def make(queue: str) -> PluginContext:
        make_place()
        return PluginContext(
            settings.master.harvester_id, queue, clock, state, names, ahead, packing_threads=threads, door=door
        )

    return make


class Harvester:
    """One process of an instance.

    Args:
        settings: the main configuration.
        loaded: the queue configuration as it was read last.
        loader: reads it again.
        clock: what time it is for the system; the instance has a steady one of its own.
        tick: seconds of a clock that never goes back.
        db: the database, if it is open already; it is closed with the service.
        panda: the client for the server, if there is one already; it is closed with the service.
    """

    def __init__(
        self,
        settings: Settings,
        loaded: LoadedQueues,
        loader: QueueLoader,
        *,
        clock: Clock = utc_now,
        tick: Callable[[], float] = time.monotonic,
        db: Database | None = None,
        panda: PandaClient | None = None,
    ) -> None:
        self.settings = settings
        self.host = socket.gethostname()
        self.is_running = False
        """Whether the agents work: from the end of the start to the order to stop."""
        self.clock = steady = SteadyClock(clock, tick)
        self.db = db or open_database(settings)
        failpoints.freeze_only_with(self.db.writer)
        make_context = plugin_context(settings, steady, steady.ahead)
        self.plugins = PluginPool(
            loaded.queues, make_context, loaded.active, keeps_versions=settings.master.dynamic_plugin_change
        )
        private = PrivateDocuments(Path(settings.master.work_dir) / "private")
        self.facts = Facts(self.db, steady, settings.master.harvester_id, private)
        with suppress(StoreUnavailableError):  # they are read again before anything else needs them
            self.facts.refresh()
        self.upkeep = Upkeep(
            settings,
            self.db,
            steady,
            self.host,
            plugins=self.plugins,
            make_context=make_context,
            book=lambda: self.facts.book,
        )
        self.upkeep.credentials.first_look()  # a new host may have none yet to call the server with
        self.panda = panda or panda_client(settings, steady)
        self._stopping = threading.Event()
        self.wake = Wakeups()
        instance = Instance(
            settings,
            self.plugins,
            self.db,
            self.panda,
            steady,
            self.wake,
            self.host,
            self.facts,
            PluginCalls(tick),
            Refusals(tick),
            ahead=steady.ahead,
            tick=tick,
            files=file_server(settings, steady),
            idds=idds_client(settings),
            checkpoints=checkpoints_client(settings, steady),
        )
        self._clients = [each for each in (self.panda, instance.files, instance.idds, instance.checkpoints) if each]
        self.housekeeper = Housekeeper(self.db, steady, self.host, tick=tick, report=lambda: self.reporter.report())  # noqa: PLW0108 (it is made later)
        agents: Sequence[type[Agent[Any, Any]]] = (*_AGENTS, LogUploader) if instance.files else _AGENTS
        self.runners = [
            AgentRunner(agent(instance), self.db, self.housekeeper.owner, self.housekeeper.is_alive, tick)
            for agent in agents
        ]
        master = settings.master
        versions = ConfigVersions(self.db, steady, Path(master.work_dir), master.extra_plugin_configs)
        self.reloader = QueueReloader(instance, loader, loaded, versions)
        self.watcher = self.upkeep.watcher(self._signs)
        self._commands = CommandManager(instance, steady())
        self._duties = self._make_duties(instance, private)
        self._loops = self._make_loops()
        self._needs_remote_queues = bool(settings.queue_address) or not loaded.readable
        self._threads: list[threading.Thread] = []
        self.reporter = Reporter(
            self.runners,
            lambda: {loop.name: loop.figures for loop in self._loops},
            self._loop_signs,
            lambda: self.watcher.complaints,
            record=self.panda.record,
            db=self.db,
            clock=steady,
            origin=settings.origin,
        )

    def _make_duties(self, instance: Instance, private: PrivateDocuments) -> list[Duty]:
        """What one process does for all."""
        statistics = StatisticsReporter(instance, self._commands.introduced)
        lines, left_out = read_lines(self.settings.cacher.data, os.environ)
        fetcher = Fetcher(self.panda, self.settings.pandacon)
        cacher = Cacher(instance, lines, fetcher, private, forgets=not left_out)
        rounds: list[tuple[str, float, Callable[[], None]]] = [
            (StatisticsReporter.name, StatisticsReporter.period, statistics.round),
            (Cacher.name, self.settings.cacher.sleep_time, cacher.round),
        ]
        monitor = self.settings.monitor
        if monitor.event_based_enable:
            changes = ChangeWatcher(instance, plugin_context(self.settings, self.clock, self.clock.ahead)(""))
            rounds.append((ChangeWatcher.name, monitor.event_based_check_interval, changes.round))
        owner = self.housekeeper.owner
        ours = [Duty(instance, owner, name=name, period=period, work=work) for name, period, work in rounds]
        return [*ours, *self.upkeep.duties(instance, owner)]

    def _make_loops(self) -> list[Loop]:
        qconf, watching = self.settings.qconf, self.settings.watcher
        return [
            Loop(_HOUSEKEEPER, PERIOD, 1.0, lambda: self.housekeeper.round([*self.runners, *self._duties])),
            Loop("plugins", REBUILD, REBUILD, self.plugins.rebuild),
            Loop("facts", FACTS_PERIOD, FACTS_PERIOD, self.facts.refresh),
            Loop(QueueReloader.name, qconf.check_interval, qconf.check_interval, self.reloader.round),
            Loop(CommandManager.name, self.settings.commandmanager.sleep_time, 10.0, self._commands.round),
            Loop("dialogs", DIALOGS_PERIOD, DIALOGS_PERIOD, self.upkeep.write_dialogs),
            Loop(Watcher.name, watching.sleep_time, 60.0, self.watcher.round),
            *(Loop(duty.name, min(duty.period, LOOK), _DUTY_RETRY, duty.round) for duty in self._duties),
        ]

    def _signs(self) -> list[Sign]:
        """How agents and loops do."""
        return [*signs_of(self.runners, self.db), *self._loop_signs()]

    def _loop_signs(self) -> list[Sign]:
        return [sign for loop in self._loops if (sign := loop.sign())]

    @property
    def silence(self) -> float:
        """Seconds since the housekeeper last began a round, whether that went well or not; 0 before the start."""
        began = next(loop.began for loop in self._loops if loop.name == _HOUSEKEEPER)
        return 0.0 if began is None else time.monotonic() - began

    def has_looked_everywhere(self) -> bool:
        """Whether every agent has looked for work since the start, and taken what there was."""
        return all(runner.has_looked or not runner.is_on for runner in self.runners)

    def start(self, pause: Callable[[float], object] | None = None) -> None:
        """Take over from dead predecessors and let the agents work.

        Args:
            pause: waits so many seconds; it may raise what ends the start.

        Raises:
            StoreUnavailableError: the database cannot be reached.
            WorkerIdsError: a database that is new or was brought back needs to know which ids of workers the server
                has seen.
            RemoteError: the queues stand elsewhere and were never fetched, which is not possible now either.
        """
        self.upkeep.listen()
        self.housekeeper.register()
        self._continue_worker_ids()
        self.facts.refresh()
        if self._needs_remote_queues:
            self._have_queues_fetched(pause or self._stopping.wait)
        self.reloader.round()
        for problem in self.plugins.build_all(sorted(self.plugins.active)):
            log.error("plugin cannot be used, work that needs it waits", problem=problem)
        for loop in self._loops:
            self.wake.listen(loop.name, loop.nudged.set)
            thread = threading.Thread(target=loop.repeat, args=(self._stopping,), name=loop.name, daemon=True)
            thread.start()
            self._threads.append(thread)
        spare_collector()
        for runner in self.runners:
            runner.start()
        self.is_running = True
        log.info("started", instance=self.settings.master.harvester_id, queues=len(self.plugins.active))

    def _have_queues_fetched(self, pause: Callable[[float], object]) -> None:
        """Who starts for the first time waits until this process or another one has fetched the queues."""
        began, end = self.clock(), time.monotonic() + _FIRST_FETCH
        cacher = next(duty for duty in self._duties if duty.name == Cacher.name)
        if self.facts.document(QUEUE_CONFIGURATION) is None and not self._is_told_where_queues_are():
            raise RemoteError(_NOWHERE)
        while self.facts.document(QUEUE_CONFIGURATION) is None:
            self.db.transact(lambda connection: duties.hasten(connection, cacher.name, self.clock()))
            cacher.round()
            self.facts.refresh()
            state = self.facts.state(REMOTE_QUEUES)
            failed = state if state is not None and state.digest == NOTHING else None
            if (failed and failed.tried_at >= began) or time.monotonic() > end:
                why = failed.problem if failed else _NOBODY
                told = f"the queue configuration cannot be fetched, and there is no copy of it yet: {why}"
                raise RemoteError(f"{told}, or unset {QUEUE_URL} and write the queues into a local file")
            pause(_GLANCE)

    def _is_told_where_queues_are(self) -> bool:
        lines, _ = read_lines(self.settings.cacher.data, os.environ)
        return any(CacheKey(line.main_key, line.sub_key) == REMOTE_QUEUES for line in lines)

    def _continue_worker_ids(self) -> None:
        """A database that is new, or was brought back, goes on after those that the server knows of."""
        with self.db.read() as connection:
            is_new = self.settings.db.sync_max_worker_id and not worker_ids.have_begun(connection)
            if not (is_new or worker_ids.may_be_known_elsewhere(connection)):
                return
        try:
            highest = self.panda.highest_worker_id()
        except PandaError as error:
            what = "the database is new, syncMaxWorkerID is set" if is_new else "the database was brought back"
            unknown = "only the server knows which ids of workers are in use"
            raise WorkerIdsError(f"{what}, and {unknown}: {error}; start again when it answers") from error
        with self.db.write() as connection:
            worker_ids.go_on_after(connection, highest)
        log.info("ids of workers go on where the server knows of none", highest=highest)

    def stop(self, seconds: float = 25.0) -> bool:
        """Finish the work in hand, or leave it to whoever comes next; False if some had to be left.

        Args:
            seconds: how long to wait for plugins and the network.
        """
        end = time.monotonic() + seconds
        self.is_running = False
        for runner in self.runners:
            runner.stop()
        drained = [runner.drain(max(end - time.monotonic(), 0)) for runner in self.runners]
        finished = all(drained)
        self._stopping.set()
        for loop in self._loops:
            loop.nudged.set()
        for thread in self._threads:
            thread.join(max(end - time.monotonic(), 0.1))
        if self._leave(end - time.monotonic()) and finished:
            self._close()
        log.info("stopped", finished=finished)
        return finished

    def abandon(self) -> None:
        """Undo a start that failed: whoever tries it again finds nothing of this one."""
        self._stopping.set()
        for runner in self.runners:
            runner.stop()
        for loop in self._loops:
            loop.nudged.set()
        if self._leave(_LEAVE_SECONDS):
            self._close()

    def _leave(self, seconds: float) -> bool:
        """Take leave; False if the database does not answer meanwhile."""
        leaving = threading.Thread(target=self._take_leave, name="leave", daemon=True)
        leaving.start()
        leaving.join(max(seconds, _LEAVE_SECONDS))
        if leaving.is_alive():
            log.warning("claims are left to run out", error="the database does not answer")
        return not leaving.is_alive()

    def _close(self) -> None:
        for client in self._clients:
            client.close()
        self.db.close()

    def _take_leave(self) -> None:
        """Give back what is held, and keep what was complained of."""
        try:
            try:
                self.housekeeper.resign()
            finally:
                self.upkeep.stop_listening()
        except (StoreUnavailableError, SQLAlchemyError) as error:
            log.warning("claims are left to run out", error=str(error))


def spare_collector() -> None:
    """Look for cycles less often: batches of rows have none, and searching them took a quarter of the CPU time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BEFORE_COLLECTION, 20, 100)
