"""Keeps this process known as alive, its claims renewed, its time that of the others, and frees the claims of the dead.

A process is alive as long as its record changes. That is watched by a clock of one's own that never goes back, so it
does not matter what time it is on the other's host.
"""

import os
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog

from harvester.core.clock import MOST_APART, SteadyClock
from harvester.core.process_report import ProcessReport, stored_form
from harvester.plugins.local.processes import birth_of
from harvester.store import leases, moments
from harvester.store.engine import Database
from harvester.store.leases import Owner, OwnerRecord

log = structlog.get_logger(__name__)

PERIOD: Final = 5.0
"""Seconds between two rounds."""
_LIFETIME: Final = timedelta(seconds=20)
"""A process that has not spoken for so long is taken for dead."""
_TOLERANCE: Final = MOST_APART - timedelta(seconds=PERIOD)
"""Clocks of hosts may differ by so much: no claim is that short. In a period more it is noticed."""


class HoldsClaims(Protocol):
    """Somebody whose claims have to be renewed."""

    def renew(self) -> None:
        """Make the claims in hand last on."""
        ...


class Housekeeper:
    """See the module; `round` has to be called every `PERIOD` seconds.

    Args:
        db: where the processes agree.
        clock: the time of the instance.
        host: this host.
        tick: seconds of a clock that never goes back.
        pause: waits so many seconds.
        report: what this process tells of itself; it goes along with the word that it lives.
    """

    def __init__(
        self,
        db: Database,
        clock: SteadyClock,
        host: str,
        *,
        tick: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
        report: Callable[[], ProcessReport] = ProcessReport,
    ) -> None:
        self._db = db
        self._report = report
        self._clock = clock
        self._host = host
        self._tick = tick
        self._pause = pause
        self._birth = birth_of(os.getpid()) or ""
        self._owner: Owner | None = None
        self._spoke = 0.0
        self._heard: dict[int, tuple[datetime, float]] = {}
        """By owner: the word of it that was heard last, and when by our tick."""
        self._listened = 0.0
        self._is_off = False

    def owner(self) -> Owner:
        """This process as a holder of claims.

        Raises:
            RuntimeError: it was not registered yet.
        """
        if self._owner is None:
            raise RuntimeError("register comes before the first claim")
        return self._owner

    def is_alive(self) -> bool:
        """Whether others still take this process for alive; after a long freeze its work may be theirs."""
        return self._tick() - self._spoke < _LIFETIME.total_seconds()

    def register(self) -> None:
        """Make this process a holder of claims, after freeing those of dead ones on this host."""
        if self._owner is None:
            self._join_time()
        self._free_dead(self._listen())
        now = self._clock()
        with self._db.write() as connection:
            moments.note(connection, now)
            owner = leases.register_owner(
                connection, self._host, os.getpid(), self._birth, now=now, expires_at=now + _LIFETIME
            )
        self._owner = owner
        self._spoke = self._tick()

    def round(self, holders: Sequence[HoldsClaims]) -> None:
        """Say that this process lives, renew what it holds, free what the dead held.

        Raises:
            StoreUnavailableError: the database is away; the next round tries again.
        """
        now, report = self._clock(), stored_form(self._report())
        with self._db.write() as connection:
            moments.note(connection, now)
            known = leases.extend_owner(connection, self.owner(), now + _LIFETIME, report)
        if known:
            self._spoke = self._tick()
        else:
            log.warning("others took this process for dead and have its work; it goes on under a new number")
            self.register()
        for each in holders:
            each.renew()
        others = self._listen()
        self._keep_time(others)
        self._free_dead(others)

    def resign(self) -> None:
        """Give back everything this process still holds; one that was never registered holds nothing."""
        if self._owner is None:
            return
        with self._db.write() as connection:
            leases.release_owner(connection, self._owner.owner_id, self._clock())

    # ---- who lives ---------------------------------------------------------------------------------------------------

    def _listen(self) -> list[OwnerRecord]:
        """The other processes; when each was heard first with its present word is remembered."""
        with self._db.read() as connection:
            mine = None if self._owner is None else self._owner.owner_id
            others = [each for each in leases.list_owners(connection) if each.owner_id != mine]
        self._listened = self._tick()
        heard = {each.owner_id: (each.expires_at, self._listened) for each in others}
        known = {owner: word for owner, word in self._heard.items() if heard.get(owner, word)[0] == word[0]}
        self._heard = {owner: known.get(owner, word) for owner, word in heard.items()}
        return others

    def _free_dead(self, others: Sequence[OwnerRecord]) -> None:
        for each in filter(self._is_dead, others):
            with self._db.write() as connection:
                freed = leases.release_owner(connection, each.owner_id, self._clock())
            log.warning("took over from a dead process", host=each.host, pid=each.pid, claims=freed)

    def _is_dead(self, other: OwnerRecord) -> bool:
        silent = self._tick() - self._heard[other.owner_id][1]
        return self._has_ended(other) or silent >= _LIFETIME.total_seconds()

    def _has_ended(self, other: OwnerRecord) -> bool:
        return other.host == self._host and birth_of(other.pid) != other.birth

    # ---- what time it is ---------------------------------------------------------------------------------------------

    def _join_time(self) -> None:
        """Begin with the time of the instance, which others may keep while the clock of this host has been set.

        A moment that the database knows is past; if it is not by the system's clock, that was put back. A process whose
        last word is old has died, or lives by an earlier time: then it soon speaks again.
        """
        now = self._clock()
        old = {
            each.owner_id: each.expires_at
            for each in self._listen()
            if _spoken(each) < now - MOST_APART and not self._has_ended(each)
        }
        if old:
            self._pause(PERIOD + 1)
        living = [each for each in self._listen() if each.expires_at != old.get(each.owner_id, each.expires_at)]
        with self._db.read() as connection:
            last = moments.last(connection)
        if living:
            self._clock.begin_at(_spoken(min(living, key=_age)))
        elif last is not None and last > now:
            self._clock.begin_at(last)

    def _keep_time(self, others: Sequence[OwnerRecord]) -> None:
        """Live by the time of the eldest process, unless the clock of this host agrees with that anyhow."""
        me = self.owner().owner_id
        elders = [each for each in others if each.owner_id < me and not self._is_dead(each)]
        eldest = min(elders, key=_age, default=None)
        if eldest is None:
            self._clock.lean(timedelta())
        elif self._heard[eldest.owner_id][1] == self._listened:
            off = _spoken(eldest) - self._clock() + self._clock.ahead()
            agrees = -MOST_APART < off < _TOLERANCE
            self._clock.lean(timedelta() if agrees else off)
        self._warn_of_difference()

    def _warn_of_difference(self) -> None:
        ahead = self._clock.ahead()
        was_off, self._is_off = self._is_off, abs(ahead) > _TOLERANCE
        if self._is_off and not was_off:
            log.warning(
                "the clock of this host was set, or differs from that of another; Harvester goes on by its own time "
                "and makes up for the difference slowly, see docs/reliability.md",
                host=self._host,
                seconds=round(ahead.total_seconds()),
            )


def _spoken(other: OwnerRecord) -> datetime:
    """What time it was for a process when it spoke last."""
    return other.expires_at - _LIFETIME


def _age(other: OwnerRecord) -> int:
    """Numbers are given in the order of registration."""
    return other.owner_id
