"""`/health`: whether this process works (live), and whether it is of use now (ready), with the reasons if not."""

import threading
import time
from collections.abc import Callable
from typing import Final

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from harvester.core.errors import HarvesterError
from harvester.core.health import Verdict, liveness, readiness
from harvester.core.process_report import ProcessReport
from harvester.store.engine import Database

DATABASE_AWAY: Final = "the database cannot be used now; the log tells why"
_KEPT_SECONDS: Final = 1.0
"""How long the database counts as it was: everybody may ask, and none shall burden it so."""


class Health:
    """How this process does; may be asked in many threads.

    Args:
        db: of the instance.
        report: what the process tells of itself.
        has_started: whether it has its configuration and its agents work.
        tick: seconds of a clock that never goes back.
    """

    def __init__(
        self,
        db: Database,
        report: Callable[[], ProcessReport],
        has_started: Callable[[], bool],
        tick: Callable[[], float] = time.monotonic,
    ) -> None:
        self._db = db
        self._report = report
        self._has_started = has_started
        self._tick = tick
        self._lock = threading.Lock()
        self._problem = ""
        self._until = float("-inf")

    def live(self) -> Verdict:
        """Whether the agents and loops turn; asks nobody."""
        return liveness(self._report())

    def ready(self) -> Verdict:
        """Whether the process can do its work now; asks the database, once a second at the most."""
        return readiness(self._report(), has_started=self._has_started(), database_problem=self._database_problem())

    def _database_problem(self) -> str:
        with self._lock:
            if self._tick() >= self._until:
                self._problem = self._ask()
                self._until = self._tick() + _KEPT_SECONDS
            return self._problem

    def _ask(self) -> str:
        try:
            with self._db.read() as connection:
                connection.execute(select(1))
        except (HarvesterError, SQLAlchemyError):
            return DATABASE_AWAY
        return ""
