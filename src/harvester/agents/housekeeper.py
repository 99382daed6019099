"""Keeps this process known as alive, its claims renewed, and frees the claims of processes that have died."""

import os
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog

from harvester.core.clock import Clock
from harvester.plugins.local.processes import birth_of
from harvester.store import leases
from harvester.store.engine import Database
from harvester.store.leases import Owner, OwnerRecord

log = structlog.get_logger(__name__)

PERIOD: Final = 5.0
"""Seconds between two rounds."""
_LIFETIME: Final = timedelta(seconds=20)
"""A process that has not spoken for so long is taken for dead."""


class HoldsClaims(Protocol):
    """Somebody whose claims have to be renewed."""

    def renew(self) -> None:
        """Make the claims in hand last on."""
        ...


class Housekeeper:
    """See the module; `round` has to be called every `PERIOD` seconds."""

    def __init__(self, db: Database, clock: Clock, host: str) -> None:
        self._db = db
        self._clock = clock
        self._host = host
        self._birth = birth_of(os.getpid()) or ""
        self._owner: Owner | None = None
        self._spoke = 0.0

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
        return time.monotonic() - self._spoke < _LIFETIME.total_seconds()

    def register(self) -> None:
        """Make this process a holder of claims, after freeing those of dead ones on this host."""
        self._free_dead()
        now = self._clock()
        with self._db.write() as connection:
            self._owner = leases.register_owner(
                connection, self._host, os.getpid(), self._birth, now=now, expires_at=now + _LIFETIME
            )
        self._spoke = time.monotonic()

    def round(self, holders: Sequence[HoldsClaims]) -> None:
        """Say that this process lives, renew what it holds, free what the dead held.

        Raises:
            StoreUnavailableError: the database is away; the next round tries again.
        """
        with self._db.write() as connection:
            known = leases.extend_owner(connection, self.owner(), self._clock() + _LIFETIME)
        if known:
            self._spoke = time.monotonic()
        else:
            log.warning("others took this process for dead and have its work; it goes on under a new number")
            self.register()
        for each in holders:
            each.renew()
        self._free_dead()

    def resign(self) -> None:
        """Give back everything this process still holds."""
        with self._db.write() as connection:
            leases.release_owner(connection, self.owner().owner_id, self._clock())

    def _free_dead(self) -> None:
        now = self._clock()
        with self._db.read() as connection:
            dead = [each for each in leases.list_owners(connection) if self._is_dead(each, now)]
        for each in dead:
            with self._db.write() as connection:
                freed = leases.release_owner(connection, each.owner_id, now)
            log.warning("took over from a dead process", host=each.host, pid=each.pid, claims=freed)

    def _is_dead(self, other: OwnerRecord, now: datetime) -> bool:
        if self._owner is not None and other.owner_id == self._owner.owner_id:
            return False
        if other.expires_at <= now:
            return True
        return other.host == self._host and birth_of(other.pid) != other.birth
