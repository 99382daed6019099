"""Tells the monitor that workers have said something, so that it is read at once and not at the next round.

Many calls become one transaction: the queues of whoever has something to tell are noted, and a thread that lives only
while there is something to tell makes them due. A round of checks over a queue with many workers costs something, so
that a large queue is made due more rarely than a small one; its own pace it has besides.
"""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final

import structlog

from harvester.core.clock import Clock
from harvester.store import leases, worker_counts
from harvester.store.engine import Database, StoreUnavailableError
from harvester.store.leases import QUEUE_MONITOR

log = structlog.get_logger(__name__)

_GATHERED: Final = 0.2
"""Seconds for which news are gathered before they are told."""
_REST_PER_WORKER: Final = 0.0003
"""Seconds that a queue is left alone for each of its workers: ten times what a round over them costs this machine."""


class News:
    """What there is to tell.

    Args:
        db: whose queues are made due.
        clock: the instance's time.
        wake: wakes agents of this process by their names.
    """

    def __init__(self, db: Database, clock: Clock, wake: Callable[..., None]) -> None:
        self._db = db
        self._clock = clock
        self._wake = wake
        self._lock = threading.Lock()
        self._gathered: set[str] = set()
        self._rests: dict[str, float] = {}
        """Until when a queue is left alone."""
        self._teller: threading.Thread | None = None

    def tell(self, queue: str) -> None:
        """A worker of this queue has said something."""
        with self._lock:
            self._gathered.add(queue)
            if self._teller is None:
                self._teller = self._started()

    def _started(self) -> threading.Thread | None:
        """A thread that tells; None if the system gives no more, and whoever comes next tries again."""
        teller = threading.Thread(target=self._run, name="door news", daemon=True)
        try:
            teller.start()
        except RuntimeError as error:
            log.warning("news of workers are read at the next round only", reason=str(error))
            return None
        return teller

    def _run(self) -> None:
        pause = threading.Event()
        while self._has_more():
            pause.wait(_GATHERED)
            try:
                self._have_read(self._take_rested())
            except StoreUnavailableError as error:
                log.warning("news of workers are read at the next round only", reason=str(error))
            except Exception:  # the thread's edge: the monitor comes round anyhow
                log.exception("news of workers are read at the next round only")

    def _has_more(self) -> bool:
        """Whether there is something to tell; if not, the thread has ended for whoever comes next."""
        with self._lock:
            if not self._gathered:
                self._teller = None
            return bool(self._gathered)

    def _take_rested(self) -> list[str]:
        now = time.monotonic()
        with self._lock:
            rested = [queue for queue in self._gathered if self._rests.get(queue, 0.0) <= now]
            self._gathered.difference_update(rested)
        return rested

    def _have_read(self, queues: list[str]) -> None:
        if not queues:
            return
        with self._db.write() as connection:
            numbers = worker_counts.live(connection, queues)
            leases.nudge_queues(connection, QUEUE_MONITOR, queues, self._clock(), timedelta())
        now = time.monotonic()
        self._rests.update((queue, now + sum(numbers[queue].values()) * _REST_PER_WORKER) for queue in queues)
        self._wake("monitor")
