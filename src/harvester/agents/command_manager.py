"""Says to the server that the instance lives, and obeys its commands.

Reading commands takes them from the server, so they are stored before anything is done about them.
"""

import threading
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import Final

import structlog
from sqlalchemy import Connection

from harvester.agents.base import Instance
from harvester.agents.statistics import StatisticsReporter
from harvester.config.queues import RunMode
from harvester.core.jobs import Kill
from harvester.core.kinds import WorkerKind, said
from harvester.core.worker_orders import OrderedQueue, read_order, share_order
from harvester.core.workers import WorkerStatus
from harvester.panda.errors import PandaRefused, PandaUnavailable
from harvester.panda.messages import CommandLock
from harvester.panda.storable import whole
from harvester.store import commands, duties, leases, orders, worker_choice, workers
from harvester.store.commands import StoredCommand
from harvester.store.leases import QUEUE_SIZE
from harvester.store.worker_choice import WorkerChoice

log = structlog.get_logger(__name__)

_HEARTBEAT: Final = timedelta(minutes=10)
_AFTER_REFUSAL: Final = timedelta(minutes=1)
_AT_ONCE: Final = 1000
_AS_FOR_A_WRONG_PATH: Final = frozenset({403, 404})
"""How servers answer below a path that they do not know."""
_SET_NUMBERS: Final = "SET_N_WORKERS_JOBTYPE"
_REPORT: Final = "REPORT_WORKER_STATS"


class CommandManager:
    """One dialogue with the server every `[commandmanager] sleepTime`.

    Attributes:
        introduced: set when the server has heard of this instance.
    """

    name: Final = "command manager"

    def __init__(self, instance: Instance, started: datetime) -> None:
        self._instance = instance
        self._started = started
        self.introduced = threading.Event()
        self._next_heartbeat = started
        self._known_locks: Sequence[CommandLock] = ()
        """The commands of which the server knows that it may give them."""
        self._silent_since: datetime | None = None
        self._unsaved: list[StoredCommand] = []
        """Received and not stored yet: the server gives each command only once."""

    def round(self) -> None:
        """Heartbeat if it is time, new commands, what they ask for, acknowledgements.

        Raises:
            PandaUnavailable: the server cannot be reached; what was stored stays stored.
            StoreUnavailableError: the database cannot be reached.
        """
        try:
            self._say_alive()
            self._receive()
            self._obey()
            self._acknowledge()
        except PandaUnavailable:
            self._silent_since = self._silent_since or self._instance.clock()
            raise
        if self._silent_since is not None:
            log.info("the server answers again", silent_since=self._silent_since.isoformat(timespec="seconds"))
            self._silent_since = None

    def _say_alive(self) -> None:
        """Every ten minutes, and soon again if the server did not like it."""
        now = self._instance.clock()
        if now < self._next_heartbeat:
            return
        try:
            locks = self._locks()
            self._instance.panda.heartbeat(
                start_time=self._started,
                version=version("harvester"),
                commit="",
                commands=() if locks == self._known_locks else locks,
            )
        except PandaRefused as error:
            log.warning("heartbeat refused", reason=str(error), advice=_advice(error))
            self._next_heartbeat = now + _AFTER_REFUSAL
        else:
            self._known_locks = locks
            self.introduced.set()
            self._next_heartbeat = now + _HEARTBEAT

    def _locks(self) -> list[CommandLock]:
        """The commands that the server may give for queues in slave mode."""
        slaves = [queue for queue in self._instance.plugins.queues.values() if queue.run_mode is RunMode.SLAVE]
        reports = {queue.site_name: CommandLock(_REPORT, queue.site_name, queue.resource_type) for queue in slaves}
        numbers = [CommandLock(_SET_NUMBERS, queue.site_name, queue.resource_type) for queue in slaves]
        return [*reports.values(), *numbers]

    def _receive(self) -> None:
        """As many as are obeyed at once: a server that gives the same ones for ever must not keep us from that."""
        self._save()
        bulk = self._instance.settings.commandmanager.commands_bulk_size
        for _ in range(0, _AT_ONCE, bulk):
            received = self._instance.panda.acquire_commands(bulk)
            self._unsaved += [
                StoredCommand(each.command_id, each.name, each.target, each.params, each.ack_requested)  # type: ignore[arg-type]  # JSON kept as it came
                for each in received
            ]
            self._save()
            if len(received) < bulk:
                return

    def _save(self) -> None:
        if self._unsaved:
            with self._instance.db.write() as connection:
                commands.store(connection, self._unsaved, self._instance.clock())
            self._unsaved = []

    def _obey(self) -> None:
        with self._instance.db.write() as connection:
            pending = commands.open_commands(connection, _AT_ONCE)
            if not pending:
                return
            now = self._instance.clock()
            kills = {worker: kill for each in pending for worker, kill in _ordered_kills(connection, each).items()}
            marked = workers.request_kill(connection, kills, now, self.name)
            self._take_orders(connection, pending, now)
            if any(each.name == _REPORT for each in pending):
                duties.hasten(connection, StatisticsReporter.name, now)
            commands.finish(connection, [each.command_id for each in pending], now)
        log.info("obeyed the server", commands=[each.name for each in pending], workers_to_kill=len(marked))
        self._instance.wake("killer", "sizer", StatisticsReporter.name)

    def _take_orders(self, connection: Connection, pending: Sequence[StoredCommand], now: datetime) -> None:
        """Remember how many workers the server wants; of several orders for a site the last one counts."""
        ordered: dict[str, dict[WorkerKind, int]] = {}
        for command in pending:
            if command.name == _SET_NUMBERS:
                ordered |= self._shares(command)
        orders.replace(connection, ordered, now)
        leases.nudge_queues(connection, QUEUE_SIZE, sorted(ordered), now, timedelta())

    def _shares(self, command: StoredCommand) -> dict[str, dict[WorkerKind, int]]:
        queues = [
            OrderedQueue(queue.queue_name, WorkerKind(said(queue.job_type), said(queue.resource_type)))
            for queue in self._instance.plugins.queues.values()
            if queue.run_mode is RunMode.SLAVE and command.target in {queue.site_name, queue.queue_name}
        ]
        if not queues:
            log.warning(
                "workers ordered for a site without a queue in slave mode, nothing is done", site=command.target
            )
        return share_order(read_order(command.params), queues)

    def _acknowledge(self) -> None:
        with self._instance.db.read() as connection:
            ids = commands.to_acknowledge(connection, _AT_ONCE)
        if ids:
            self._instance.panda.acknowledge_commands(ids)
        with self._instance.db.write() as connection:
            commands.remove(connection, ids)
            commands.remove_unacknowledged(connection)


def _advice(refusal: PandaRefused) -> str:
    advice = "check that harvester_id is registered at the server"
    if refusal.status in _AS_FOR_A_WRONG_PATH:
        advice += ", and that [pandacon] server_api_url_ssl ends in /api/v1"
    return advice


def _ordered_kills(connection: Connection, command: StoredCommand) -> dict[int, Kill]:
    """Whom the command condemns, and why."""
    match command.name:
        case "KILL_WORKERS":
            condemned = _matching(connection, command)
        case "SYNC_WORKERS_KILL":
            condemned = [each for each in map(whole, _sequence(command.params)) if each is not None]
        case name if name in {_SET_NUMBERS, _REPORT}:
            return {}
        case _:
            log.warning("command not understood, it is acknowledged and dropped", command=command.name)
            return {}
    return dict.fromkeys(condemned, Kill(f"command {command.name} of the server"))


def _matching(connection: Connection, command: StoredCommand) -> Sequence[int]:
    choice = _kill_order(command.params)
    if choice is None:
        log.error("kill command without its conditions kills nothing", command_id=command.command_id)
        return ()
    return worker_choice.live(connection, choice)


def _kill_order(params: object) -> WorkerChoice | None:
    """The conditions of KILL_WORKERS (core reference §3.9): `"ALL"` is none, an empty or missing list means nobody."""
    if not isinstance(params, Mapping):
        return None
    keys = ("computingSite", "computingElement", "submissionHost")
    queues, elements, hosts = (_condition(params.get(key)) for key in keys)
    if any(each is not None and not each for each in (queues, elements, hosts)):
        return None
    named = _condition(params.get("status", ["submitted"]))
    statuses = None if named is None else frozenset(s for s in WorkerStatus if s.value in named)
    return WorkerChoice(queues=queues, statuses=statuses, computing_elements=elements, submission_hosts=hosts)


def _condition(value: object) -> Collection[str] | None:
    return None if value == "ALL" else [str(each) for each in _sequence(value)]


def _sequence(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()
