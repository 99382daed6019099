"""One batch job of the simulation: when it waits, runs and ends, and what its pilot does with its jobs meanwhile."""

from dataclasses import dataclass
from typing import Final

from harvester.core.workers import WorkerStatus

_NEVER: Final = float("inf")

Pair = tuple[int, int]
"""A job and its attempt."""


@dataclass(slots=True)
class Run:
    """What a pilot does with one job; times in seconds since 1970.

    Attributes:
        begins: from when on the job is this pilot's; None if it was offered and the pilot never looks.
        ends: when the pilot says how the job has ended; None if it never does.
        outcome: what it then says.
    """

    pair: Pair
    begins: float | None
    ends: float | None
    outcome: str


@dataclass(slots=True)
class BatchJob:
    """One batch job; times in seconds since 1970.

    Attributes:
        runs: what its pilot does with the jobs in the access point.
        appears: when the listing shows it first.
        ends: when it ends by itself; None if it hangs.
        outcome: how it then ends.
        asks_at: when its pilot asks for jobs next; None if it does not, or has been answered and has enough.
        asks: how often it will yet ask.
        vanished: when it was lost without a trace.
        killed: when it was killed, if that was before its end.
        cleaned: when Harvester said that nothing of it is needed any more.
    """

    batch_id: str
    marker: str
    queue: str
    runs: list[Run]
    accepted: float
    appears: float
    starts: float
    ends: float | None
    outcome: str
    asks_at: float | None = None
    asks: int = 0
    began: float | None = None
    vanished: float | None = None
    killed: float | None = None
    cleaned: float | None = None

    @property
    def ended_at(self) -> float | None:
        """When it ends or has ended; None if only a kill would end it."""
        known = [moment for moment in (self.ends, self.vanished, self.killed) if moment is not None]
        return min(known, default=None)

    def is_live(self, now: float) -> bool:
        """Whether it waits or runs."""
        return self.ended_at is None or self.ended_at > now

    def has_begun(self, now: float) -> bool:
        """Whether it has ever run."""
        return self.began is not None or (self.starts <= now and (self.ended_at is None or self.starts < self.ended_at))

    def status(self, now: float) -> WorkerStatus:
        """Where it stands, as the system itself knows."""
        if self.is_live(now):
            return WorkerStatus.RUNNING if self.starts <= now else WorkerStatus.SUBMITTED
        if self.killed is not None and self.killed == self.ended_at:
            return WorkerStatus.CANCELLED
        return WorkerStatus(self.outcome)

    @property
    def end(self) -> str:
        """How Harvester has to say that it ended."""
        if self.vanished is not None and self.vanished == self.ended_at:
            return "failed"
        if self.killed is not None and self.killed == self.ended_at:
            return "cancelled"
        return self.outcome

    def put_off(self, starts: float, now: float) -> None:
        """It stops, and goes on later with all that is not over."""
        delay = starts - now
        self.began, self.starts = self.starts, starts
        for run in self.runs:
            if not self.has_ended(run, now):
                run.begins = _later(run.begins, delay) if not self.has_taken(run, now) else run.begins
                run.ends = _later(run.ends, delay)
        self.asks_at = None if self.asks_at is None else max(self.asks_at, starts)
        self.ends = _later(self.ends, delay)

    # ---- its pilot ---------------------------------------------------------------------------------------------------

    @property
    def jobs(self) -> list[Pair]:
        """The jobs that its pilot takes, or has taken, before its end."""
        return [run.pair for run in self.runs if self.has_taken(run, _NEVER)]

    def has_taken(self, run: Run, now: float) -> bool:
        """Whether a job is the pilot's."""
        return run.begins is not None and run.begins <= min(now, self._stops)

    def has_ended(self, run: Run, now: float) -> bool:
        """Whether the pilot has come to the end of a job."""
        return run.ends is not None and run.ends <= min(now, self._stops)

    def came_to_an_end(self, run: Run) -> bool:
        """Whether the pilot has come to the end of a job before its own, or will."""
        return self.has_ended(run, _NEVER)

    def is_asking(self, now: float) -> bool:
        """Whether its pilot asks for jobs."""
        return self.asks_at is not None and self.asks_at <= now and self.is_live(now)

    @property
    def _stops(self) -> float:
        return _NEVER if self.ended_at is None else self.ended_at


def _later(moment: float | None, delay: float) -> float | None:
    return None if moment is None else moment + delay
