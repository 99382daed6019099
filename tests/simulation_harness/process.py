"""One Harvester process of the simulation: the real service on a simulated machine."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, cast

from sqlalchemy import Connection, Engine, event

from harvester.agents import housekeeper
from harvester.config.queue_loader import QueueLoader
from harvester.config.service import Settings
from harvester.panda import PandaClient
from harvester.service import Harvester
from harvester.store import migrate
from harvester.store.engine import Database, StoreUnavailableError, sqlite_url
from simulation_harness.kernel import Killed
from simulation_harness.machine import Event, Machine

_NOTICED_WITHIN: Final = 30.0
"""Seconds after which others have surely taken over from a process that is dead or frozen."""
_ON_ITS_WAY: Final = 200.0
"""Seconds that a call may take that was begun before its process was frozen, with what has to be done before it."""
_LEAST_PERIOD: Final = 3600.0
"""Seconds between two rounds of what would cost the simulation much and decides little."""
_PERIODS: Final = frozenset({"housekeeper", "command manager"})


class Disk:
    """Where the database of one run after the other lies; what SQLAlchemy has learnt is kept from run to run."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "harvester.db"
        self.directory = directory
        self._template = directory / "template.db"
        self._database = Database(sqlite_url(self._template))
        migrate.upgrade(self._database)
        self._database.close()
        self._database = Database(sqlite_url(self.path))
        event.listen(self.engine, "connect", lambda raw, _: raw.cursor().execute("PRAGMA synchronous = OFF"))

    @property
    def engine(self) -> Engine:
        """What all processes of all runs share."""
        return self._database.engine

    def clear(self) -> None:
        """An empty database with all tables."""
        self._database.close()
        for left in self.path.parent.glob(f"{self.path.name}*"):
            left.unlink()
        shutil.copy(self._template, self.path)

    @contextmanager
    def at_the_prompt(self) -> Iterator[Connection]:
        """A transaction of somebody who types a command."""
        with self._database.write() as connection:
            yield connection


class _OnDemand:
    """A connection that is made when somebody asks something: most regular looks are answered elsewhere."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._made: Connection | None = None

    def __getattr__(self, name: str) -> object:
        if self._made is None:
            self._made = self._connect()
        return getattr(self._made, name)


class SharedDatabase(Database):
    """The database as one process reaches it: a dead process writes nothing, and answers may get lost."""

    def __init__(self, disk: Disk, process: "Process") -> None:
        super().__init__(disk.engine.url)
        self.engine = disk.engine
        self._process = process

    @contextmanager
    def read(self) -> Iterator[Connection]:
        self._check()
        with ExitStack() as stack:
            yield cast("Connection", _OnDemand(lambda: stack.enter_context(Database.read(self))))

    @contextmanager
    def write(self) -> Iterator[Connection]:
        self._check()
        with super().write() as connection:
            raw = connection.connection.dbapi_connection
            before = raw.total_changes
            yield connection
        self._process.machine.kernel.writes += raw.total_changes > before
        if self._process.trouble.loses_answer_of_database():
            raise StoreUnavailableError("the connection was lost while the transaction was committed")

    def _check(self) -> None:
        if self._process.is_dead:
            raise Killed
        if self._process.trouble.database_is_away():
            raise StoreUnavailableError("the database is away")


@dataclass(frozen=True, slots=True)
class Trouble:
    """What may go wrong between a process and its database."""

    database_is_away: Callable[[], bool]
    loses_answer_of_database: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Installation:
    """What all processes of the instance share."""

    settings: Settings
    loader: Callable[[], QueueLoader]
    disk: Disk
    panda: Callable[["Process"], PandaClient]
    trouble: Trouble


class Process:
    """See the module.

    Attributes:
        host: the machine's name.
        pid: the process's number.
        wrong_by: by how much the clock of its host is wrong.
        is_ended: whether it has stopped by order, or was killed.
    """

    def __init__(self, machine: Machine, installation: Installation, host: str, pid: int, wrong_by: timedelta) -> None:
        self.machine = machine
        self.host = host
        self.pid = pid
        self.name = f"{host}/{pid}"
        self.wrong_by = wrong_by
        self.trouble = installation.trouble
        self.is_dead = False
        self.is_frozen = False
        self.is_ended = False
        self.is_slow_to_act = 0
        self._skipped_pulse = 0.0
        self._frozen_at = (0.0, 0.0)
        self._stood_still: list[tuple[float, float]] = []
        machine.births[pid] = f"born as {pid}"
        with machine.acting_as(self):
            self.harvester = self._build(installation)

    def _build(self, installation: Installation) -> Harvester:
        kernel, loader = self.machine.kernel, installation.loader()
        harvester = Harvester(
            installation.settings,
            loader.load(),
            loader,
            clock=self.clock,
            tick=lambda: kernel.now,
            db=SharedDatabase(installation.disk, self),
            panda=installation.panda(self),
        )
        harvester.host = harvester.housekeeper._host = self.host
        harvester.housekeeper._tick = lambda: kernel.pulse + self._skipped_pulse
        harvester.housekeeper._pause = kernel.sleep
        harvester._loops = [
            replace(each, period=_period(each.name, each.period), nudged=Event(kernel)) for each in harvester._loops
        ]
        return harvester

    def clock(self) -> datetime:
        """What the clock of the host shows."""
        return datetime.fromtimestamp(self.machine.kernel.now, UTC) + self.wrong_by

    def steady_clock(self) -> datetime:
        """What time it is for the process."""
        return self.harvester.housekeeper._clock()

    def missing(self) -> timedelta:
        """What its time still has to make up for."""
        return self.harvester.clock._lean - self.harvester.clock.ahead()

    def last_words(self) -> dict[int, datetime]:
        """What it would have written at its last beat: as which owner it lives, and until when that holds."""
        owner = self.harvester.housekeeper._owner
        return {} if owner is None else {owner.owner_id: self.steady_clock() + housekeeper._LIFETIME}

    def start(self) -> None:
        """Start it; it takes over from its dead predecessor on the host."""
        self.machine.kernel.be_restless(_NOTICED_WITHIN)
        self.machine.kernel.spawn(self, "main", self._main)

    def _main(self) -> None:
        while True:
            try:
                self.harvester.start()
            except StoreUnavailableError:
                self.machine.kernel.sleep(5)
            else:
                return

    def stop(self) -> None:
        """Order it to stop."""
        self.machine.kernel.be_restless(_NOTICED_WITHIN)
        self.machine.kernel.spawn(self, "stop", self._stop)

    def _stop(self) -> None:
        self.harvester.stop()
        self.die()

    def die(self) -> None:
        """SIGKILL: nothing after this moment happens."""
        self.is_dead = self.is_ended = True
        self.is_frozen = False
        self.machine.births.pop(self.pid, None)
        self.machine.kernel.be_restless(_NOTICED_WITHIN)
        self.machine.kernel.bury(self)
        current = self.machine.kernel.current
        if current is not None and current.host is self:
            raise Killed

    def freeze(self) -> None:
        """SIGSTOP."""
        kernel = self.machine.kernel
        self.is_frozen = True
        self._frozen_at = (kernel.now, kernel.pulse)
        kernel.be_restless(_NOTICED_WITHIN)

    def thaw(self) -> None:
        """SIGCONT."""
        if not self.is_frozen:
            return
        kernel = self.machine.kernel
        began, pulse = self._frozen_at
        self._skipped_pulse += (kernel.now - began) - (kernel.pulse - pulse)
        self._stood_still.append((began, kernel.now))
        self.is_frozen = False
        kernel.be_restless(_NOTICED_WITHIN)

    def stood_still_at(self, moment: float) -> bool:
        """Whether it was frozen then, or was still on its way with what it had begun before."""
        return any(began <= moment <= thawed + _ON_ITS_WAY for began, thawed in self._stood_still)

    def stood_still_after(self, moment: float) -> bool:
        """Whether it was frozen before it can have ended what it had begun by then."""
        return any(moment <= began <= moment + _ON_ITS_WAY for began, _ in self._stood_still)


def _period(loop: str, period: float) -> float:
    return period if loop in _PERIODS else max(period, _LEAST_PERIOD)
