"""Plays one seed from beginning to end, and tells what was wrong and how it came about."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import stamina
import structlog
from structlog.typing import EventDict

from simulation_harness.plan import HOUR, draw
from simulation_harness.plugins import plugged_into
from simulation_harness.process import Disk
from simulation_harness.torments import TORMENTS, Torment, befall
from simulation_harness.world import World

_LAST: Final = 10 * 24 * HOUR
_AFTERWARDS: Final = 3 * HOUR
_SHOWN: Final = 40
_ALLOWED: Final = "plugin failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a seed.

    Attributes:
        findings: what was wrong.
        trace: what happened, line by line.
        hours: how much time has passed.
    """

    seed: int
    findings: list[str]
    trace: list[str]
    deaths: list[str]
    jobs: int
    workers: int
    hours: float

    def told(self) -> str:
        """For whoever has to find out why."""
        return "\n".join(
            [
                f"seed {self.seed}; play it again with: pytest tests/simulation/test_simulation.py --seed {self.seed}",
                *self.findings,
                "what happened:",
                *self.trace[-_SHOWN:],
            ]
        )


def play(seed: int, disk: Disk, torments: Sequence[Torment] = TORMENTS) -> Outcome:
    """One run, in which these things go wrong."""
    plan = draw(seed)
    disk.clear()
    world = World(plan, disk)
    log = structlog.testing.capture_logs([structlog.processors.format_exc_info])
    with log as told, _no_retries(), world.machine.installed(), plugged_into(world):
        begun = world.now
        world.give_jobs(plan.jobs // 3)
        befall(world, torments)
        world.keep_server_going()
        for seat in world.seats:
            world.start(seat)
        world.kernel.run(begun + plan.window)
        world.calm()
        world.kernel.run(world.now + _LAST, world.is_over)
        world.kernel.run(world.now + _AFTERWARDS)
        findings = [*world.judge.sum_up(), *_surprises(told)]
        hours = (world.now - begun) / HOUR
        for process in world.processes():
            process.die()
    workers = len(world.batch.jobs)
    return Outcome(plan.seed, findings, world.trace, world.deaths, len(world.server.jobs), workers, hours)


def _surprises(told: Iterable[EventDict]) -> list[str]:
    """What an agent or a round met that nobody had thought of, each once; plugins are made to fail."""
    surprises = {f"{each['event']}: {each['exception']}" for each in told if "exception" in each}
    return sorted(each for each in surprises if not each.startswith(_ALLOWED))


@contextmanager
def _no_retries() -> Iterator[None]:
    """The client tries nothing again by itself, which would take real time; the agents do."""
    stamina.set_active(False)
    try:
        yield
    finally:
        stamina.set_active(True)
