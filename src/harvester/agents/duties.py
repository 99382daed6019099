"""Work that one process of the instance does for all of them, such as fetching what is cached in the database.

What concerns a host, such as its credentials, is done by one process of each host.
"""

import threading
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from typing import Final

from harvester.agents.base import Instance
from harvester.store import duties
from harvester.store.leases import Owner

_LEASE: Final = timedelta(seconds=60)
LOOK: Final = 60.0
"""Seconds after which a process looks at the latest whether a round is due: the one that did the last may be gone."""
_LONGEST_NAME: Final = 64


class Duty:
    """A round that is done once per period, whoever does it; if that process dies, another one takes over.

    Args:
        instance: where the processes agree.
        owner: this process as a holder of claims.
        name: of the agent whose round it is; at most 64 characters.
        period: seconds from the beginning of one round to that of the next.
        work: the round.
        host: whose round it is; empty for one that is done once for all hosts.
        pause: the time from the beginning of a round that went well to that of the next, if it is not always `period`.
    """

    def __init__(
        self,
        instance: Instance,
        owner: Callable[[], Owner],
        *,
        name: str,
        period: float,
        work: Callable[[], None],
        host: str = "",
        pause: Callable[[], timedelta] | None = None,
    ) -> None:
        self.name = name
        self.period = period
        self._key = _key(name, host)
        self._work = work
        self._pause = pause or (lambda: timedelta(seconds=period))
        self._db = instance.db
        self._owner = owner
        self._clock = instance.clock
        self._lock = threading.Lock()
        self._fence: int | None = None

    def round(self) -> None:
        """Do the work if it is due and nobody else is at it.

        Raises:
            StoreUnavailableError: the database is away; and whatever the work raises, which then is due again.
        """
        now, fence = self._clock(), self._owner().next_fence()
        with self._db.write() as connection:
            taken = duties.take(connection, self._key, fence, now=now, until=now + _LEASE)
        if not taken:
            return
        with self._lock:
            self._fence = fence
        due = now
        try:
            self._work()
            due = now + self._pause()
        finally:
            with self._lock:
                self._fence = None
            with self._db.write() as connection:
                duties.put_down(connection, self._key, fence, due)

    def renew(self) -> None:
        """Keep a round in hand ours; called regularly by the housekeeper."""
        with self._lock:
            fence = self._fence
        if fence is not None:
            with self._db.write() as connection:
                duties.extend(connection, self._key, fence, self._clock() + _LEASE)


def _key(name: str, host: str) -> str:
    """What processes agree on; a host with a long name is called by its beginning and a digest."""
    key = f"{name}@{host}" if host else name
    if len(key) <= _LONGEST_NAME:
        return key
    digest = sha256(key.encode()).hexdigest()[:12]
    return f"{key[: _LONGEST_NAME - len(digest) - 1]}~{digest}"
