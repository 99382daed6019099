"""Kills the processes of an instance, and its database, until they have been killed often enough."""

import random
import signal
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from crashing.points import RARE
from crashing.processes import Running, Starter
from databases import DatabaseServer

_GLANCE: Final = 0.02
_PAUSE: Final = (0.2, 1.6)
_COUNTS: Final = (1, 1, 2, 3)
_ALL_AT_ONCE: Final = 0.08
_EVERY_NTH_THE_DATABASE: Final = 12
_A_TRAP_WAITS: Final = 12.0
_MORE_AT_MOST: Final = 10
_SURPRISES_BORNE: Final = 20
_RANDOM: Final = "a random instant"
_DATABASE: Final = "the database"


@dataclass(slots=True)
class Torment:
    """See the module.

    Attributes:
        points: at which a process is to die, each at least once.
        kills: how many SIGKILLs there are to be.
        deaths: when a process was killed, in seconds since 1970.
        died: by process id, when it did, likewise.
        outages: when the database was killed, likewise.
        causes: how often which point, chance or order was the cause.
        surprises: processes that ended by themselves, or not as they were told.
        remarks: what a slow machine may be the cause of.
    """

    starter: Starter
    database: DatabaseServer | None
    points: Sequence[str]
    kills: int
    processes: int
    chance: random.Random
    deaths: list[float] = field(default_factory=list)
    died: dict[int, float] = field(default_factory=dict)
    outages: list[float] = field(default_factory=list)
    causes: Counter[str] = field(default_factory=Counter)
    surprises: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    _herd: list[Running] = field(default_factory=list)
    _pending: deque[str] = field(default_factory=deque)
    _began: float = field(default_factory=time.time)

    def run(self, meanwhile: Callable[[float], None]) -> None:
        """Start the processes, and kill and start them again until it is enough; they run on.

        Args:
            meanwhile: called again and again with the share of the kills that are over.
        """
        shuffled = self.chance.sample(self.points, len(self.points))
        self._pending.extend(sorted(shuffled, key=lambda point: point not in RARE))
        self._herd = [self._start() for _ in range(self.processes)]
        next_strike = time.monotonic() + self.chance.uniform(*_PAUSE)
        while not self._is_enough():
            meanwhile(min(self.done / self.kills, 1))
            self.replace_the_dead()
            if time.monotonic() >= next_strike:
                self._strike()
                next_strike = time.monotonic() + self.chance.uniform(*_PAUSE)
            time.sleep(_GLANCE)

    @property
    def done(self) -> int:
        """How many SIGKILLs there have been."""
        return self.causes.total()

    @property
    def idle(self) -> float:
        """Seconds since the last death."""
        return time.time() - max(self.deaths, default=self._began)

    @property
    def missed(self) -> Sequence[str]:
        """Points that no process ever came to."""
        return [point for point in self.points if not self.causes[point]]

    def stop(self) -> None:
        """Order all processes to stop; nobody who is started from now on dies at a point."""
        self._pending.clear()
        for each in self._herd:
            each.order_to_stop()
        for each in self._herd:
            if not each.has_stopped():
                self.remarks.append(f"process {each.process.pid} did not stop in time; where it was is in the log")
            elif each.exit_code not in {0, -signal.SIGTERM} and not self._died_at_its_point(each):
                self._be_surprised(f"a process stopped with exit code {each.exit_code}")
        self._herd = []

    def start(self) -> None:
        """Start the processes anew, to run undisturbed."""
        self._herd = [self.starter.start() for _ in range(self.processes)]

    def kill_all(self) -> None:
        """Leave nothing behind, however the run ended."""
        for each in self._herd:
            each.kill()

    def reconfigure(self, change: Callable[[], object]) -> None:
        """Kill all processes, change something while none looks, and start them again."""
        for each in self._herd:
            self._kill(each)
        change()
        self._herd = [self._start() for _ in self._herd]

    def replace_the_dead(self) -> None:
        """Start others for those that have died at their points, or have ended without being told to."""
        for place, each in enumerate(self._herd):
            if each.exit_code is None:
                continue
            if not self._died_at_its_point(each):
                self._be_surprised(f"a process ended by itself with exit code {each.exit_code}")
                self._take_back(each)
            self._herd[place] = self._start()

    # ---- killing -----------------------------------------------------------------------------------------------------

    def _is_enough(self) -> bool:
        if self.done >= self.kills + _MORE_AT_MOST:
            return True
        return self.done >= self.kills and not self._wanted()

    def _wanted(self) -> int:
        """Points at which nobody has died yet."""
        return len(self._pending) + sum(bool(each.trap) for each in self._herd)

    def _start(self) -> Running:
        trap = self._pending.popleft() if self._pending else ""
        return self.starter.start(trap, 1 if trap in RARE else self.chance.choice(_COUNTS))

    def _died_at_its_point(self, ended: Running) -> bool:
        if not ended.trap or ended.exit_code != -signal.SIGKILL:
            return False
        self._note(ended.trap, ended)
        return True

    def _be_surprised(self, what: str) -> None:
        self.surprises.append(what)
        if len(self.surprises) > _SURPRISES_BORNE:
            raise SystemExit(f"{what}, and so it went {len(self.surprises)} times; see {self.starter.log}")

    def _strike(self) -> None:
        """Kill somebody at random, as long as enough kills remain for the points."""
        if self.database and self.done >= _EVERY_NTH_THE_DATABASE * (self.causes[_DATABASE] + 1):
            self._kill_database(self.database)
            return
        stuck = [each for each in self._herd if each.trap and each.age > _A_TRAP_WAITS]
        if self.done + self._wanted() >= self.kills:
            victims = stuck
        elif self.chance.random() < _ALL_AT_ONCE:
            victims = list(self._herd)
        else:
            victims = [self.chance.choice(self._herd)]
        for each in victims:
            self._kill(each)
        for place, each in enumerate(self._herd):
            if each in victims:
                self._herd[place] = self._start()

    def _kill(self, victim: Running) -> None:
        victim.kill()
        self._take_back(victim)
        self._note(_RANDOM, victim)

    def _take_back(self, victim: Running) -> None:
        if victim.trap:
            self._pending.append(victim.trap)

    def _kill_database(self, database: DatabaseServer) -> None:
        self.causes[_DATABASE] += 1
        self.outages.append(time.time())
        database.kill()
        database.start()

    def _note(self, cause: str, victim: Running) -> None:
        self.causes[cause] += 1
        self.deaths.append(time.time())
        if victim.process.pid is not None:
            self.died[victim.process.pid] = self.deaths[-1]
