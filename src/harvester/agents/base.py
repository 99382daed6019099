"""What an agent is: claim, act, commit.

Everything else (threads, pacing, renewing claims, containing errors, stopping) belongs to `runner`.
"""

import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar, Generic, TypeVar

from sqlalchemy import Connection

from harvester.agents.facts import Facts
from harvester.agents.holds import HeldQueues
from harvester.agents.lines import Line
from harvester.agents.refusals import Refusals
from harvester.config.service import Settings
from harvester.core.clock import Clock
from harvester.panda.checkpoints import Checkpoints
from harvester.panda.client import PandaClient
from harvester.panda.file_server import FileServer
from harvester.panda.idds import Idds
from harvester.plugins.calling import PluginCalls
from harvester.plugins.pool import PluginPool
from harvester.store import leases, queues
from harvester.store.engine import Database
from harvester.store.leases import QUEUE_PAIRS, Claim, ClaimTicket


class Wakeups:
    """Tells agents of this process that there is work for them; safe to call from any thread."""

    def __init__(self) -> None:
        self._listeners: dict[str, Callable[[], None]] = {}

    def listen(self, agent: str, wake: Callable[[], None]) -> None:
        """Call `wake` whenever there is work for the agent."""
        self._listeners[agent] = wake

    def __call__(self, *agents: str) -> None:
        """There is work for these agents; those that do not run here are passed over."""
        for agent in agents:
            if wake := self._listeners.get(agent):
                wake()


@dataclass(frozen=True, slots=True)
class Instance:
    """What all agents of one process share."""

    settings: Settings
    plugins: PluginPool
    db: Database
    panda: PandaClient
    clock: Clock
    wake: Wakeups
    host: str
    facts: Facts
    call: PluginCalls = field(default_factory=PluginCalls)
    """Calls the verbs that answer for each item; what else a plugin raises ends only the unit, in the runner."""

    refusals: Refusals = field(default_factory=Refusals)
    held: HeldQueues = field(default_factory=HeldQueues)
    draw: Callable[[int], int] = secrets.randbelow
    """A number from 0 to below the one given, by chance."""

    ahead: Callable[[], timedelta] = timedelta
    """By how much our clock is ahead of the world's, whose times files and resources tell."""
    tick: Callable[[], float] = time.monotonic
    """Seconds of a clock that never goes back."""

    files: FileServer | None = None
    """Takes the logs of workers; None where nobody could read them there."""
    idds: Idds | None = None
    """Knows the points of hyper-parameter searches, if the instance has such jobs."""

    checkpoints: Checkpoints = field(default_factory=Checkpoints)
    """Of these points."""

    @property
    def id(self) -> str:
        """`harvester_id`."""
        return self.settings.master.harvester_id


@dataclass(frozen=True, slots=True)
class Unit:
    """A piece of claimed work that is done on its own: if it fails or hangs, only it does.

    Attributes:
        claim: what it holds.
        about: what an operator calls it, such as the queue's name.
    """

    claim: Claim
    about: str

    @property
    def waits_for_others(self) -> bool:
        """Whether it asks somebody besides the server that the agent's line is about, whose slowness proves nothing."""
        return False


@dataclass(frozen=True, slots=True)
class Pace:
    """How often an agent looks for work, how long it may hold what it finds, and on how many units it works at once.

    Attributes:
        ceiling: seconds, the longest pause between two looks.
        lease: seconds that a claim lasts unless it is renewed.
        threads: units at the same time; one that takes longer than a second, or half a minute of the server's time,
            makes room for another.
    """

    ceiling: float
    lease: float
    threads: int


UnitT = TypeVar("UnitT", bound=Unit)
ResultT = TypeVar("ResultT")


class Agent(ABC, Generic[UnitT, ResultT]):
    """One agent.

    Attributes:
        name: how logs, metrics and history call it.
        line: what it knows of the server, if it is the server that its units wait for; kept by the agent itself.
        is_repeatable: whether a result that is given up can be got again.
    """

    name: ClassVar[str]
    line: Line | None = None
    is_repeatable: ClassVar[bool] = True

    def __init__(self, instance: Instance) -> None:
        self.instance = instance

    @property
    @abstractmethod
    def pace(self) -> Pace:
        """How the runner treats this agent."""

    @abstractmethod
    def horizon(self, connection: Connection, besides: Collection[str] = ()) -> datetime | None:
        """When the next row is due; None if none will be. Rows of the queues `besides` do not count."""

    def waiting_since(self, connection: Connection, besides: Collection[str] = ()) -> datetime | None:
        """Since when work waits that it could take: that of `horizon`, but for rows that wait for somebody else first.

        Asked now and then, to know whether it is stuck.
        """
        return self.horizon(connection, besides)

    def left_alone(self, connection: Connection, now: datetime) -> frozenset[str]:  # noqa: ARG002 (for those who do)
        """Queues whose rows it may not claim now; none by default."""
        return frozenset()

    @abstractmethod
    def claim(self, connection: Connection, ticket: ClaimTicket) -> Sequence[UnitT]:
        """Take work, in one transaction."""

    @abstractmethod
    def act(self, unit: UnitT) -> ResultT:
        """Ask plugins and the network, in no transaction."""

    @abstractmethod
    def commit(self, connection: Connection, unit: UnitT, result: ResultT) -> Sequence[str]:
        """Write what became of it, in one transaction guarded by the claim's fence; returns the agents to wake."""

    def give_back(self, connection: Connection, unit: UnitT, due: datetime) -> None:
        """Let go of a unit that was not finished; what is still held of it is due again at `due`."""
        leases.give_back(connection, unit.claim, due)

    def note_trouble(self, connection: Connection, unit: UnitT, problem: str) -> None:
        """Say in the notes of the unit's queues why it could not be done; empty when that is over."""
        names = map(str, unit.claim.keys) if unit.claim.pair in QUEUE_PAIRS else [unit.about]
        text = "it is tried again after a rest" if problem else "it works again"
        known = {name: {"text": text, "problem": problem} for name in names if name in self.instance.plugins.queues}
        queues.note(connection, self.name, known, self.instance.clock())

    def after_commit(self, unit: UnitT, result: ResultT) -> None:
        """Tell others that the result is safe; nothing by default."""
