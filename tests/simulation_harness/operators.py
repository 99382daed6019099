"""People of the simulation who hold queues back and let them go on, as `harvester queue pause|drain|resume` does."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from harvester.core.holds import EVERY_QUEUE, Hold, HoldMode
from harvester.store import holds
from simulation_harness.kinds import OF_JOBS, Kind

if TYPE_CHECKING:
    from simulation_harness.process import Process
    from simulation_harness.world import World

_NOTICED_WITHIN: Final = 180.0
"""Seconds after which nobody does any more what he was about to do, however slow server and resource are."""
_LOOKS_EVERY: Final = 3600.0
_AT_LONGEST: Final = 5 * 86_400.0
"""Seconds after which a queue that is drained has surely ended, when all is well."""


@dataclass(slots=True)
class Holding:
    """A queue, or all of them, is held back; times in seconds since 1970."""

    queue: str
    mode: HoldMode
    began: float

    def concerns(self, queue: str) -> bool:
        """Whether a queue is held back by it."""
        return self.queue in {queue, EVERY_QUEUE}


@dataclass(slots=True)
class Operators:
    """See the module.

    Attributes:
        holdings: what is held back now.
        drained: the queue that is being drained at the end, until it has ended.
    """

    world: "World"
    holdings: list[Holding] = field(default_factory=list)
    drained: Holding | None = None

    def hold_back(self, queue: str, mode: HoldMode) -> Holding:
        """Nothing new is fetched for the queue, or for all, and nothing is submitted if it is paused."""
        world = self.world
        now = datetime.fromtimestamp(world.now, UTC)
        with world.disk.at_the_prompt() as connection:
            holds.put(connection, Hold(queue, mode, "somebody wants it", "operator@simulated", now))
        world.kernel.writes += 1
        holding = Holding(queue, mode, world.now)
        self.holdings = [*(each for each in self.holdings if each.queue != queue), holding]
        world.note(f"queue {queue}: {mode}")
        return holding

    def resume(self, holding: Holding) -> None:
        """The queue goes on, unless it was held back otherwise meanwhile."""
        if holding not in self.holdings:
            return
        with self.world.disk.at_the_prompt() as connection:
            holds.remove(connection, holding.queue, datetime.fromtimestamp(self.world.now, UTC))
        self.world.kernel.writes += 1
        self.holdings.remove(holding)
        self.world.note(f"queue {holding.queue} is resumed")

    def resume_all(self) -> None:
        """Everything goes on."""
        for holding in list(self.holdings):
            self.resume(holding)

    # ---- a drained queue ends ----------------------------------------------------------------------------------------

    def drain_at_the_end(self, queue: str) -> None:
        """When all is well, drain a queue until nothing is left, and let it go on then."""
        self.drained = self.hold_back(queue, HoldMode.DRAIN)
        self.world.kernel.after(_LOOKS_EVERY, self._look_after_drain)

    def _look_after_drain(self) -> None:
        if self.drained is None:
            return
        if left := self._left(self.drained.queue):
            if self.world.now - self.drained.began < _AT_LONGEST:
                self.world.kernel.after(_LOOKS_EVERY, self._look_after_drain)
                return
            self.world.judge.find(f"hold: queue {self.drained.queue} is drained and does not end: {left}")
        self.resume(self.drained)
        self.drained = None

    def _left(self, queue: str) -> list[str]:
        jobs = [each for each in self.world.server.jobs if each.site == queue and not each.is_final]
        found = [f"job {each.job_id} {each.status}" for each in jobs if each.status != "activated"]
        return found + [f"batch job {each.batch_id}" for each in self.world.batch.live(queue)]

    # ---- what they find ----------------------------------------------------------------------------------------------

    def note_submission(self, queue: str) -> None:
        """A batch job was accepted."""
        modes = {HoldMode.PAUSE} if Kind(queue) in OF_JOBS else set(HoldMode)
        if holding := self._breaks(queue, modes):
            self.world.judge.find(f"hold: a batch job of queue {queue} was submitted after {holding.mode}")

    def note_fetching(self, queue: str, job: int) -> None:
        """The server has given a job out."""
        if holding := self._breaks(queue, set(HoldMode)):
            self.world.judge.find(f"hold: job {job} of queue {queue} was fetched after {holding.mode}")

    def _breaks(self, queue: str, modes: set[HoldMode]) -> Holding | None:
        """What is not heeded; a process that stood still meanwhile may end what it had begun."""
        process: Process = self.world.machine.host
        latest = self.world.now - _NOTICED_WITHIN
        held = [each for each in self.holdings if each.concerns(queue) and each.mode in modes and each.began < latest]
        return None if process.stood_still_at(self.world.now) or not held else held[0]
