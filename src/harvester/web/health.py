"""`/health`: whether this process works (live), and whether it is of use now (ready), with the reasons if not."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from harvester.core.errors import HarvesterError
from harvester.core.health import Verdict, liveness, readiness
from harvester.core.process_report import ProcessReport
from harvester.store.engine import Database

DATABASE_AWAY: Final = "the database cannot be used now; the log tells why"


@dataclass(frozen=True, slots=True)
class Health:
    """How this process does.

    Attributes:
        db: of the instance.
        report: what the process tells of itself.
        has_started: whether it has its configuration and its agents work.
    """

    db: Database
    report: Callable[[], ProcessReport]
    has_started: Callable[[], bool]

    def live(self) -> Verdict:
        """Whether the agents and loops turn; asks nobody."""
        return liveness(self.report())

    def ready(self) -> Verdict:
        """Whether the process can do its work now; asks the database."""
        return readiness(self.report(), has_started=self.has_started(), database_problem=self._database_problem())

    def _database_problem(self) -> str:
        try:
            with self.db.read() as connection:
                connection.execute(select(1))
        except (HarvesterError, SQLAlchemyError):
            return DATABASE_AWAY
        return ""
