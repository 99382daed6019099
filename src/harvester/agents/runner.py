"""Runs agents: threads, pacing, renewing claims, containing errors, stopping."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Generic

import structlog

from harvester.agents.base import Agent, ClaimTicket, ResultT, UnitT
from harvester.agents.failpoints import reach
from harvester.core.errors import HarvesterError
from harvester.panda.errors import PandaUnavailable
from harvester.store import leases
from harvester.store.engine import Database, StoreUnavailableError
from harvester.store.leases import QUEUE_PAIRS, Owner

log = structlog.get_logger(__name__)

_LONGEST_NAP: Final = 5.0
"""Seconds after which the database is asked even if nobody woke us: another process may have made work."""
_PATIENCE: Final = 60.0
"""Seconds after which a unit still in hand no longer counts against its agent's threads."""
_BLOCKED_NAP: Final = 0.25
"""Seconds to wait when rows are due that nobody may claim now, because their queue rests or is busy."""
_MOST_THREADS: Final = 64
_REST_FIRST: Final = 5.0
_REST_LAST: Final = 600.0
_RETRY_FIRST: Final = 0.5
_RETRY_LAST: Final = 10.0


@dataclass(slots=True)
class _InHand(Generic[UnitT]):
    unit: UnitT
    started: float
    renewed: float


@dataclass(slots=True)
class Rest:
    """How long something that keeps failing is left alone.

    A plugin: 5 s, doubled with every failure up to ten minutes. A server that is away: 5 s each time, so that reports
    reach it soon after it is back.
    """

    failures: int = 0
    until: float = 0.0

    def extend(self, now: float, error: Exception) -> None:
        """One more failure."""
        self.failures += 1
        doublings = 0 if isinstance(error, PandaUnavailable) else min(self.failures - 1, 7)
        self.until = now + min(_REST_FIRST * 2**doublings, _REST_LAST)


@dataclass(slots=True)
class Health:
    """What a runner counts for status and metrics."""

    done: int = 0
    failed: int = 0
    last_error: str = ""
    resting: dict[str, Rest] = field(default_factory=dict)


class AgentRunner(Generic[UnitT, ResultT]):
    """One agent at work in threads of its own."""

    def __init__(
        self,
        agent: Agent[UnitT, ResultT],
        db: Database,
        owner: Callable[[], Owner],
        is_alive: Callable[[], bool],
    ) -> None:
        self.agent = agent
        self.health = Health()
        self._db = db
        self._owner = owner
        self._is_alive = is_alive
        self._wake = threading.Event()
        self._ended = threading.Event()
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._in_hand: dict[int, _InHand[UnitT]] = {}
        self._dispatcher = threading.Thread(target=self._dispatch, name=agent.name, daemon=True)

    def start(self) -> None:
        """Begin to look for work."""
        self.agent.instance.wake.listen(self.agent.name, self._wake.set)
        self._wake.set()
        self._dispatcher.start()

    def stop(self) -> None:
        """Claim nothing more."""
        self._stopping.set()
        self._wake.set()

    def drain(self, seconds: float) -> bool:
        """Wait for the work in hand; False if some is left, which is then safe to abandon."""
        end = time.monotonic() + seconds
        self._dispatcher.join(max(end - time.monotonic(), 0))
        while self._count_in_hand() and time.monotonic() < end:
            time.sleep(0.02)
        return self._count_in_hand() == 0 and not self._dispatcher.is_alive()

    def renew(self) -> None:
        """Make the claims in hand last on; called regularly by the housekeeper."""
        now = time.monotonic()
        lease = self.agent.pace.lease
        with self._lock:
            old = [each for each in self._in_hand.values() if now - each.renewed > lease / 3]
        if not old:
            return
        until = self.agent.instance.clock() + timedelta(seconds=lease)
        with self._db.write() as connection:
            for each in old:
                claim = each.unit.claim
                if claim.pair in QUEUE_PAIRS:
                    names = [str(key) for key in claim.keys]
                    leases.extend_queues(connection, claim.pair, names, claim.fence, until)
                else:
                    ids = [int(key) for key in claim.keys]
                    leases.extend_claims(connection, claim.pair, ids, claim.fence, until)
        for each in old:
            each.renewed = now

    # ---- looking for work --------------------------------------------------------------------------------------------

    def _dispatch(self) -> None:
        trouble = _RETRY_FIRST
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                units, nap = self._look()
                trouble = _RETRY_FIRST
            except StoreUnavailableError as error:
                log.warning("cannot look for work", agent=self.agent.name, error=str(error))
                self._stopping.wait(trouble)
                trouble = min(trouble * 2, _RETRY_LAST)
                continue
            except Exception as error:  # the loop's edge: one bad row or plugin must not end the agent
                self._count_failure(self.agent.name, error)
                log.exception("looking for work failed", agent=self.agent.name)
                self._stopping.wait(_RETRY_LAST)
                continue
            for unit in units:
                self._begin(unit)
            if nap > 0:
                self._wake.wait(nap)

    def _look(self) -> tuple[Sequence[UnitT], float]:
        """Work, or the seconds until there may be some; being woken ends these early."""
        if not self._has_room():
            return (), _BLOCKED_NAP
        now = self.agent.instance.clock()
        with self._db.read() as connection:
            horizon = self.agent.horizon(connection)
        pace = self.agent.pace
        longest = min(pace.ceiling, _LONGEST_NAP)
        if horizon is None or horizon > now:
            ahead = longest if horizon is None else (horizon - now).total_seconds()
            return (), min(ahead, longest)
        until = now + timedelta(seconds=pace.lease)
        ticket = ClaimTicket(self._owner().next_fence(), now, until, self._busy())
        with self._db.write() as connection:
            units = self.agent.claim(connection, ticket)
        return units, 0.0 if units else _BLOCKED_NAP

    def _busy(self) -> frozenset[str]:
        now = time.monotonic()
        with self._lock:
            in_hand = {each.unit.about for each in self._in_hand.values()}
            resting = {about for about, rest in self.health.resting.items() if rest.until > now}
        return frozenset(in_hand | resting)

    def _has_room(self) -> bool:
        now = time.monotonic()
        with self._lock:
            young = sum(1 for each in self._in_hand.values() if now - each.started < _PATIENCE)
            return young < self.agent.pace.threads and len(self._in_hand) < _MOST_THREADS

    def _count_in_hand(self) -> int:
        with self._lock:
            return len(self._in_hand)

    # ---- one unit ----------------------------------------------------------------------------------------------------

    def _begin(self, unit: UnitT) -> None:
        while not self._has_room() and not self._stopping.is_set():
            self._ended.clear()
            self._ended.wait(_BLOCKED_NAP)
        now = time.monotonic()
        with self._lock:
            self._in_hand[id(unit)] = _InHand(unit, now, now)
        threading.Thread(target=self._work, args=(unit,), name=f"{self.agent.name}:{unit.about}", daemon=True).start()

    def _work(self, unit: UnitT) -> None:
        if not self._is_alive():
            self._drop(unit)
            return
        try:
            result = self.agent.act(unit)
            reach(f"{self.agent.name}.before_commit")
            wanted = self._commit(unit, result)
            reach(f"{self.agent.name}.after_commit")
            self.agent.after_commit(unit, result)
            self._count_success(unit.about)
            self.agent.instance.wake(*wanted)
        except Exception as error:  # noqa: BLE001 (the loop's edge: whatever a plugin raises stays with its unit)
            self._count_failure(unit.about, error)
            _complain(self.agent.name, unit.about, error)
            self._give_back(unit)
        finally:
            self._drop(unit)

    def _drop(self, unit: UnitT) -> None:
        with self._lock:
            self._in_hand.pop(id(unit), None)
        self._ended.set()
        self._wake.set()

    def _commit(self, unit: UnitT, result: ResultT) -> Sequence[str]:
        """The result is kept until the database takes it; only stopping gives it up, and the claim then runs out."""
        pause = _RETRY_FIRST
        while True:
            try:
                with self._db.write() as connection:
                    return self.agent.commit(connection, unit, result)
            except StoreUnavailableError as error:
                log.warning("result waits for the database", agent=self.agent.name, about=unit.about, error=str(error))
                if self._stopping.wait(pause):
                    raise
                pause = min(pause * 2, _RETRY_LAST)

    def _count_success(self, about: str) -> None:
        with self._lock:
            self.health.done += 1
            self.health.resting.pop(about, None)

    def _count_failure(self, about: str, error: Exception) -> None:
        with self._lock:
            self.health.failed += 1
            self.health.last_error = f"{about}: {type(error).__name__}: {error}"
            self.health.resting.setdefault(about, Rest()).extend(time.monotonic(), error)

    def _give_back(self, unit: UnitT) -> None:
        pause = max(self.health.resting[unit.about].until - time.monotonic(), 1.0)
        due = self.agent.instance.clock() + timedelta(seconds=pause)
        claim = unit.claim
        try:
            with self._db.write() as connection:
                if claim.pair in QUEUE_PAIRS:
                    names = [str(key) for key in claim.keys]
                    leases.let_queues_go(connection, claim.pair, names, claim.fence, due=due, now=due)
                else:
                    leases.let_go(connection, claim.pair, [int(key) for key in claim.keys], claim.fence, due)
        except StoreUnavailableError as error:
            log.warning("claim is left to run out", agent=self.agent.name, about=unit.about, error=str(error))


def _complain(agent: str, about: str, error: Exception) -> None:
    """Errors with a message made for operators need no stack."""
    if isinstance(error, HarvesterError):
        log.warning("work failed", agent=agent, about=about, error=str(error))
    else:
        log.error("work failed", agent=agent, about=about, error=repr(error), exc_info=error)
