"""Rounds that a process repeats in threads of their own: housekeeping, reloading, duties."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

from harvester.core.errors import HarvesterError
from harvester.core.process_report import PartFigures
from harvester.core.watching import Sign

log = structlog.get_logger(__name__)

_SHORTEST_PAUSE: Final = 0.1


@dataclass(slots=True)
class Loop:
    """Something that is done again and again in a thread of its own.

    Attributes:
        period: seconds between two rounds.
        retry: seconds until the next round after one that failed.
        nudged: set when the next round has to come at once.
        patience: seconds that a round may take before it looks stuck.
        began: when the last round began, by `time.monotonic`; None before the first one.
        figures: what it has done.
    """

    name: str
    period: float
    retry: float
    round: Callable[[], None]
    nudged: threading.Event = field(default_factory=threading.Event)
    patience: float = 600.0
    began: float | None = None
    figures: PartFigures = field(default_factory=PartFigures)

    def repeat(self, stopping: threading.Event) -> None:
        """Do it until the order to stop; whatever a round raises, the next one gets its chance."""
        while not stopping.is_set():
            self.began = time.monotonic()
            failed = not self._succeeds()
            known = self.figures
            self.figures = PartFigures(
                rounds=known.rounds + 1,
                done=known.done + (not failed),
                failed=known.failed + failed,
                seconds=round(known.seconds + time.monotonic() - self.began, 3),
            )
            self.nudged.wait(self.pause(failed=failed))
            self.nudged.clear()

    def _succeeds(self) -> bool:
        try:
            self.round()
        except HarvesterError as error:
            log.warning("round failed, it is tried again", agent=self.name, error=str(error))
        except (Exception, SystemExit):  # the loop's edge, which a plugin's `sys.exit` would end without a word
            log.exception("round failed, it is tried again", agent=self.name)
        else:
            return True
        return False

    def pause(self, *, failed: bool) -> float:
        """Seconds from the end of a round to the next one, however short the configured time is."""
        return max(min(self.retry, self.period) if failed else self.period, _SHORTEST_PAUSE)

    def sign(self) -> Sign | None:
        """How it does; None before the first round."""
        if self.began is None:
            return None
        return Sign(self.name, time.monotonic() - self.began, self.period + self.patience)
