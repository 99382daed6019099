"""Tells the agents that workers have said something, so that it is read at once and not at the next round.

Many calls become one transaction: whoever has something to tell is noted, and a thread that lives only while there is
something to tell has the queues of all of them looked at.
"""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Final

import structlog

from harvester.core.clock import Clock
from harvester.store import leases, workers
from harvester.store.engine import Database, StoreUnavailableError
from harvester.store.leases import QUEUE_MONITOR

log = structlog.get_logger(__name__)

_GATHERED: Final = 0.2
"""Seconds for which news are gathered before they are told."""


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
        self._gathered: set[int] = set()
        self._teller: threading.Thread | None = None

    def tell(self, worker_id: int) -> None:
        """This worker has said something."""
        with self._lock:
            self._gathered.add(worker_id)
            if self._teller is None:
                self._teller = threading.Thread(target=self._run, name="door news", daemon=True)
                self._teller.start()

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            pause.wait(_GATHERED)
            with self._lock:
                some, self._gathered = self._gathered, set()
                if not some:
                    self._teller = None
                    return
            try:
                self._have_read(some)
            except StoreUnavailableError as error:
                log.warning("news of workers are read at the next round only", workers=len(some), reason=str(error))
            except Exception:  # the thread's edge: the monitor comes round anyhow
                log.exception("news of workers are read at the next round only", workers=len(some))

    def _have_read(self, some: set[int]) -> None:
        with self._db.write() as connection:
            names = workers.monitored_queues_of(connection, some)
            leases.nudge_queues(connection, QUEUE_MONITOR, names, self._clock(), timedelta())
        self._wake("monitor")
