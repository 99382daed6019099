"""Runs agents: threads, pacing, renewing claims, containing errors, stopping.

All of it stands in this one file, long as it is: the dispatcher, the threads at work and the housekeeper look at the
same units in hand and the same rests, under one lock.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final, Generic, TypeVar

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from harvester.agents.base import Agent, ResultT, UnitT
from harvester.agents.failpoints import reach
from harvester.core.errors import HarvesterError
from harvester.core.masking import masked
from harvester.core.rests import Rest
from harvester.panda.errors import PandaUnavailable
from harvester.store import leases
from harvester.store.engine import Database, StoreUnavailableError
from harvester.store.leases import ClaimTicket, Owner

log = structlog.get_logger(__name__)

T = TypeVar("T")

_LONGEST_NAP: Final = 5.0
"""Seconds after which the database is asked even if nobody woke us: another process may have made work."""
_PATIENCE: Final = 60.0
"""Seconds after which the operator is told of a unit that is still at work."""
_BLOCKED_NAP: Final = 0.25
"""Seconds to wait when rows are due that nobody may claim now, because their queue rests or is busy; doubled each time
that nothing could be claimed again."""
_SHORTEST_NAP: Final = 0.1
"""Seconds from one look to the next when nothing is due, however short `sleepTime` is."""
_SHORTEST_LEASE: Final = 30.0
"""Seconds that a claim lasts, however short `lockInterval` is: it is renewed every few seconds only, and the clocks of
two hosts differ by some."""
_MOMENT: Final = 0.02
"""Seconds to wait when what was due has been dealt with in claiming it, and more may be due."""
_BRIEF: Final = 1.0
"""Seconds after which a unit at work no longer counts against its agent's threads: whoever hangs hangs alone."""
_SERVERS_TIME: Final = 30.0
"""The same for units that wait for the server alone: to ask it more often would not help it."""
_TO_PROBE: Final = 3
"""Rows that are taken to find out whether the server is well again."""
_MOST_SLOW: Final = 64
_MOST_HANGING: Final = 512
"""Units at work for less than `_PATIENCE`, and for however long, whatever `nThreads` says."""
_RETRY_FIRST: Final = 0.5
_RETRY_LAST: Final = 10.0
_LONGEST_PROBLEM: Final = 500


@dataclass(slots=True)
class _InHand(Generic[UnitT]):
    """A claimed unit: at work since `started`, or waiting for a thread as long as that is None.

    Attributes:
        renewed: when its claim was made to last longer.
        complain_after: seconds of work after which the operator is told next.
    """

    unit: UnitT
    renewed: float
    started: float | None = None
    complain_after: float = _PATIENCE


@dataclass(slots=True)
class Health:
    """What a runner counts for status and metrics.

    Attributes:
        looks: how often work was looked for.
        done: units that were done.
        failed: units, and looks, that failed.
        seconds: of work on units, whatever came of it.
        resting: what failed lately and is left alone, by what it is about.
    """

    looks: int = 0
    done: int = 0
    failed: int = 0
    seconds: float = 0.0
    resting: dict[str, Rest] = field(default_factory=dict)


class AgentRunner(Generic[UnitT, ResultT]):
    """One agent at work in threads of its own.

    Args:
        agent: the agent.
        db: where it finds its work.
        owner: this process as a holder of claims; another one after others took it for dead.
        is_alive: whether others still take this process for alive.
        tick: seconds of a clock that never goes back.
    """

    def __init__(
        self,
        agent: Agent[UnitT, ResultT],
        db: Database,
        owner: Callable[[], Owner],
        is_alive: Callable[[], bool],
        tick: Callable[[], float] = time.monotonic,
    ) -> None:
        self.agent = agent
        self.health = Health()
        self.has_looked = False
        self._db = db
        self._owner = owner
        self._is_alive = is_alive
        self._tick = tick
        self._wake = threading.Event()
        self._ended = threading.Event()
        self._stopping = threading.Event()
        self._given_up = threading.Event()
        self._lock = threading.Lock()
        self._in_hand: dict[int, _InHand[UnitT]] = {}
        self._fruitless = 0
        self._active = tick()
        self._dispatcher = threading.Thread(target=self._dispatch, name=agent.name, daemon=True)

    def start(self) -> None:
        """Begin to look for work."""
        self.agent.instance.wake.listen(self.agent.name, self._wake.set)
        self._wake.set()
        self._dispatcher.start()

    @property
    def is_on(self) -> bool:
        """Whether it does anything; with `nThreads` 0 it is switched off."""
        return self.agent.pace.threads > 0

    @property
    def in_hand(self) -> int:
        """Units that are claimed: at work, or waiting for a thread."""
        return self._count_in_hand()

    @property
    def silence(self) -> float:
        """Seconds since it last looked for work, began some, or knew that it need not."""
        return self._tick() - self._active

    def overdue(self, connection: Connection) -> float:
        """Seconds that work has waited which it could take; what waits for a unit in hand or a rest has its reason."""
        if self.agent.line and self.agent.line.is_in_trouble:
            return 0.0
        now = self.agent.instance.clock()
        due = self.agent.waiting_since(connection, self._busy() | self.agent.left_alone(connection, now))
        return max((now - due).total_seconds(), 0.0) if due else 0.0

    def stop(self) -> None:
        """Claim nothing more."""
        self._stopping.set()
        self._wake.set()

    def drain(self, seconds: float) -> bool:
        """Wait for the work in hand; False if some is left, which is then given up."""
        end = time.monotonic() + seconds
        self._dispatcher.join(max(end - time.monotonic(), 0))
        while self._count_in_hand() and time.monotonic() < end:
            time.sleep(0.02)
        self._given_up.set()
        return self._count_in_hand() == 0 and not self._dispatcher.is_alive()

    def renew(self) -> None:
        """Make the claims in hand last on; called regularly by the housekeeper."""
        now, lease = self._tick(), self._lease
        self._complain_of_slow_ones(now)
        with self._lock:
            old = [each for each in self._in_hand.values() if lease / 3 < now - each.renewed < lease]
        if not old:
            return
        until = self.agent.instance.clock() + timedelta(seconds=lease)
        claims = [each.unit.claim for each in old]
        self._db.transact(lambda connection: leases.extend(connection, claims, until))
        for each in old:
            each.renewed = now

    @property
    def _lease(self) -> float:
        return max(self.agent.pace.lease, _SHORTEST_LEASE)

    def _complain_of_slow_ones(self, now: float) -> None:
        """Whoever hangs in a plugin or in the network does so visibly, but not in every round."""
        with self._lock:
            begun = [each for each in self._in_hand.values() if each.started is not None]
        for each in begun:
            seconds = now - (each.started or now)
            if seconds > each.complain_after:
                each.complain_after *= 4
                log.warning("still at work", agent=self.agent.name, about=each.unit.about, seconds=round(seconds))

    # ---- looking for work --------------------------------------------------------------------------------------------

    def _dispatch(self) -> None:
        trouble = _RETRY_FIRST
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                self.health.looks += 1
                units, nap = self._look()
                self._forgive(self.agent.name)
                trouble = _RETRY_FIRST
            except StoreUnavailableError as error:
                log.warning("cannot look for work", agent=self.agent.name, error=str(error))
                self._stopping.wait(trouble)
                trouble = min(trouble * 2, _RETRY_LAST)
                continue
            except (Exception, SystemExit) as error:  # the loop's edge: one bad row or plugin must not end the agent
                self._count_failure(self.agent.name, error)
                log.exception("looking for work failed", agent=self.agent.name)
                self._stopping.wait(_RETRY_LAST)
                continue
            self._begin(units)
            self.has_looked = True
            if nap > 0:
                self._wake.wait(nap)

    def _look(self) -> tuple[Sequence[UnitT], float]:
        """Work, or the seconds until there may be some; being woken ends these early."""
        line = self.agent.line
        if not self._is_alive() or not self._has_room():
            return (), _BLOCKED_NAP
        if line and not line.is_open:
            self._active = self._tick()
            return (), _BLOCKED_NAP
        now = self.agent.instance.clock()
        with self._db.read() as connection:
            horizon = self.agent.horizon(connection)
        self._active = self._tick()
        longest = max(min(self.agent.pace.ceiling, _LONGEST_NAP), _SHORTEST_NAP)
        if horizon is None or horizon > now:
            self._fruitless = 0
            ahead = longest if horizon is None else (horizon - now).total_seconds()
            return (), min(ahead, longest)
        until = now + timedelta(seconds=self._lease)
        ticket = ClaimTicket(self._owner().next_fence(), now, until, self._busy())
        if line and line.is_in_trouble:
            ticket = replace(ticket, limit=_TO_PROBE)
        units = self._db.transact(lambda connection: self.agent.claim(connection, ticket))
        if units or ticket.reached_limit.is_set():
            self._fruitless = 0
            return units, 0.0 if units else _MOMENT
        self._fruitless += 1
        return units, min(_BLOCKED_NAP * 2 ** min(self._fruitless, 8), longest)

    def _busy(self) -> frozenset[str]:
        now = self._tick()
        with self._lock:
            in_hand = {each.unit.about for each in self._in_hand.values()}
            resting = {about for about, rest in self.health.resting.items() if rest.until > now}
        return frozenset(in_hand | resting)

    def _has_room(self) -> bool:
        """Whether one more unit may be begun; one that takes long gives its thread up to others, within limits."""
        now = self._tick()
        with self._lock:
            at_work = [(now - each.started, each.unit) for each in self._in_hand.values() if each.started is not None]
        counted = sum(age < self._counted_for(unit) for age, unit in at_work)
        slow = sum(age < _PATIENCE for age, _ in at_work)
        return counted < self.agent.pace.threads and slow < _MOST_SLOW and len(at_work) < _MOST_HANGING

    def _counted_for(self, unit: UnitT) -> float:
        """Seconds for which a unit at work takes up one of the agent's threads."""
        return _BRIEF if self.agent.line is None or unit.waits_for_others else _SERVERS_TIME

    def _count_in_hand(self) -> int:
        with self._lock:
            return len(self._in_hand)

    # ---- one unit ----------------------------------------------------------------------------------------------------

    def _begin(self, units: Sequence[UnitT]) -> None:
        """Work on the units as threads become free; their claims are renewed meanwhile."""
        now = self._tick()
        with self._lock:
            self._in_hand.update({id(unit): _InHand(unit, now) for unit in units})
        for unit in units:
            while not self._has_room() and not self._stopping.is_set():
                self._ended.clear()
                self._ended.wait(_BLOCKED_NAP)
            if self._stopping.is_set() or not self._is_still_ours(unit) or not self._may_ask():
                self._give_back(unit)
                self._drop(unit)
            else:
                self._begin_one(unit)

    def _may_ask(self) -> bool:
        """Whether the server may be asked now, if it is the server that units wait for."""
        line = self.agent.line
        if line is not None and line.is_open:
            line.begin()
            return True
        return line is None

    def _begin_one(self, unit: UnitT) -> None:
        self._active = self._tick()
        with self._lock:
            self._in_hand[id(unit)].started = self._active
        name = f"{self.agent.name}:{unit.about}"
        try:
            threading.Thread(target=self._work, args=(unit,), name=name, daemon=True).start()
        except RuntimeError as error:  # the system gives this process no more threads
            self._count_failure(unit.about, error)
            log.error("work cannot begin", agent=self.agent.name, about=unit.about, error=str(error))  # noqa: TRY400
            self._give_back(unit, problem=str(error))
            self._drop(unit)

    def _is_still_ours(self, unit: UnitT) -> bool:
        """Whether nobody else can have taken the unit: after a freeze or an absent database its lease may be over."""
        with self._lock:
            age = self._tick() - self._in_hand[id(unit)].renewed
        mine = unit.claim.owner_id == self._owner().owner_id
        return self._is_alive() and mine and age < self._lease

    def _work(self, unit: UnitT) -> None:
        began = self._tick()
        if unit.about in self.agent.instance.plugins.queues:
            structlog.contextvars.bind_contextvars(queue=unit.about)  # of this thread, which works on nothing else
        try:
            result = self.agent.act(unit)
            reach(f"{self.agent.name}.before_commit")
            wanted = self._commit(unit, result)
            self.agent.instance.wake(*wanted)
            reach(f"{self.agent.name}.after_commit")
            self.agent.after_commit(unit, result)
            self._count_success(unit.about)
        except (Exception, SystemExit) as error:  # noqa: BLE001 (the loop's edge: whatever a plugin raises stays with its unit)
            self._count_failure(unit.about, error)
            _complain(self.agent.name, unit.about, error)
            self._give_back(unit, problem=str(error) or type(error).__name__)
        finally:
            with self._lock:
                self.health.seconds += self._tick() - began
            self._drop(unit)

    def _drop(self, unit: UnitT) -> None:
        with self._lock:
            self._in_hand.pop(id(unit), None)
        self._ended.set()
        self._wake.set()

    def _commit(self, unit: UnitT, result: ResultT) -> Sequence[str]:
        """The result is kept until the database takes it.

        The order to stop gives it up at once if somebody else can get it again, and the claim then runs out; else only
        when the time for stopping is over.
        """
        over = self._stopping if self.agent.is_repeatable else self._given_up
        return self._transact(
            "result waits for the database", unit, lambda connection: self._write(connection, unit, result), over
        )

    def _transact(self, trouble: str, unit: UnitT, work: Callable[[Connection], T], over: threading.Event) -> T:
        """Do it in a transaction as soon as the database takes one.

        Raises:
            StoreUnavailableError: it takes none, and it is over.
        """
        pause = _RETRY_FIRST
        while True:
            try:
                return self._db.transact(work)
            except StoreUnavailableError as error:
                log.warning(trouble, agent=self.agent.name, about=unit.about, error=str(error))
                if over.wait(pause):
                    raise
                pause = min(pause * 2, _RETRY_LAST)

    def _write(self, connection: Connection, unit: UnitT, result: ResultT) -> Sequence[str]:
        if self._had_trouble(unit):
            self.agent.note_trouble(connection, unit, "")
        wanted = self.agent.commit(connection, unit, result)
        reach(f"{self.agent.name}.in_commit")
        return wanted

    def _had_trouble(self, unit: UnitT) -> bool:
        with self._lock:
            return unit.about in self.health.resting

    def _count_success(self, about: str) -> None:
        with self._lock:
            self.health.done += 1
        self._forgive(about)

    def _forgive(self, about: str) -> None:
        with self._lock:
            self.health.resting.pop(about, None)

    def _count_failure(self, about: str, error: Exception | SystemExit) -> None:
        with self._lock:
            self.health.failed += 1
            rest = self.health.resting.setdefault(about, Rest())
            rest.extend(self._tick(), doubling=not isinstance(error, PandaUnavailable))

    def _give_back(self, unit: UnitT, problem: str = "") -> None:
        """Let others, or us after a rest, take the unit; a problem is shown to whoever asks about the queue."""
        with self._lock:
            rest = self.health.resting.get(unit.about)
        pause = max(rest.until - self._tick(), 1.0) if rest else 0.0
        due = self.agent.instance.clock() + timedelta(seconds=pause)

        def give_back(connection: Connection) -> None:
            self.agent.give_back(connection, unit, due)
            if problem:
                self.agent.note_trouble(connection, unit, masked(problem)[:_LONGEST_PROBLEM])

        try:
            self._transact("claim waits for the database", unit, give_back, self._stopping)
        except (StoreUnavailableError, SQLAlchemyError) as error:
            log.warning("claim is left to run out", agent=self.agent.name, about=unit.about, error=str(error))


def _complain(agent: str, about: str, error: Exception | SystemExit) -> None:
    """Errors with a message made for operators need no stack."""
    if isinstance(error, HarvesterError):
        log.warning("work failed", agent=agent, about=about, error=str(error))
    else:
        log.error("work failed", agent=agent, about=about, error=repr(error), exc_info=error)
