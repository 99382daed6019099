"""One thread that pretends to be many: tasks take turns by chance, and time passes only when all of them wait.

A task runs until it pauses, sleeps or waits; who comes next is drawn from the seed. Nothing else decides, so the same
seed gives the same run.
"""

import heapq
import itertools
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from greenlet import getcurrent, greenlet

_BEAT_OF_A_JUMP: Final = 0.2
"""Seconds of pulse that a quiet stretch counts, however long it is."""
_BEAT: Final = 5.0
"""Seconds of pulse from one beat to the next."""
_TICK: Final = 0.001
"""Seconds that the shortest pause takes."""
_POLL: Final = (0.05, 1.0)
"""Seconds after which a process notices what another one has written."""


class Killed(BaseException):
    """Unwinds a task of a process that was killed; what it would still write on its way is refused."""


class Host(Protocol):
    """A process, as far as the kernel cares."""

    name: str
    is_dead: bool
    is_frozen: bool


@dataclass(eq=False, slots=True)
class Task:
    """One thread of a process.

    Attributes:
        wakes: when it goes on; None if only an event wakes it.
        beats: whether it sleeps by the pulse, not by the time.
        polls: whether it looks from time to time at what is new in the database.
        is_busy: whether it is in the middle of something that takes time.
    """

    host: Host
    name: str
    beats: bool
    polls: bool
    fiber: greenlet
    wakes: float | None = 0.0
    is_busy: bool = False
    is_over: bool = False


class Kernel:
    """The scheduler and the only clock.

    Attributes:
        now: seconds since 1970, the true time.
        pulse: seconds that housekeepers count: a quiet stretch, in which nobody has died or been frozen lately and
            none of those that live is in the middle of anything, would see them say so again and again; it counts as a
            moment.
        chance: where everything that is drawn comes from.
        writes: how often anybody has changed the database.
        outlook: tells when which of these tasks will find something in the database.
        longest_jump: how long a quiet stretch may be until housekeepers have their next round.
        jumped: is told of the end of a quiet stretch.
    """

    def __init__(self, seed: int, now: float) -> None:
        self.now = now
        self.pulse = 0.0
        self.chance = random.Random(seed)
        self.writes = 0
        self.outlook: Callable[[list[Task]], Iterable[tuple[Task, float]]] = lambda _: ()
        self.current: Task | None = None
        self.tasks: list[Task] = []
        self.longest_jump: Callable[[], float] = lambda: float("inf")
        self.jumped: Callable[[], None] = lambda: None
        self._hub = getcurrent()
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()
        self._restless_until = now
        self._known_writes = 0

    # ---- what tasks do -----------------------------------------------------------------------------------------------

    def spawn(
        self, host: Host, name: str, work: Callable[[], None], *, beats: bool = False, polls: bool = False
    ) -> Task:
        """Begin a task."""

        def run() -> None:
            try:
                work()
            except Killed:
                pass
            finally:
                task.is_over = True

        task = Task(host, name, beats, polls, greenlet(run, self._hub))
        task.wakes = self._time_of(task)
        self.tasks.append(task)
        return task

    def sleep(self, seconds: float, *, busy: bool = False) -> None:
        """Let the others run for so long."""
        task = self._running()
        self.wait(self._time_of(task) + seconds, busy=busy)

    def wait(self, until: float | None, *, busy: bool = False) -> None:
        """Let the others run until a moment of the task's time, or until somebody wakes it."""
        task = self._running()
        task.wakes = None if until is None else max(until, self._time_of(task) + _TICK)
        task.is_busy = busy
        self._hub.switch()
        task.is_busy = False

    def wake(self, task: Task) -> None:
        """Let a task that waits go on now."""
        task.wakes = self._time_of(task) if task.wakes is None else min(task.wakes, self._time_of(task))

    def now_of(self, task: Task) -> float:
        """What time the task goes by."""
        return self._time_of(task)

    def _running(self) -> Task:
        if self.current is None:
            raise AssertionError("nobody runs who could wait")
        return self.current

    def _time_of(self, task: Task) -> float:
        return self.pulse if task.beats else self.now

    # ---- what happens to them ----------------------------------------------------------------------------------------

    def at(self, moment: float, what: Callable[[], None]) -> None:
        """Let something happen at a time."""
        heapq.heappush(self._agenda, (moment, next(self._count), what))

    def after(self, seconds: float, what: Callable[[], None]) -> None:
        """Let something happen so much later."""
        self.at(self.now + seconds, what)

    def be_restless(self, seconds: float) -> None:
        """Let the pulse go with the time for so long: who is dead or frozen has to be noticed."""
        self._restless_until = max(self._restless_until, self.now + seconds)

    def bury(self, host: Host) -> None:
        """End all tasks of a process that is dead."""
        for task in [each for each in self.tasks if each.host is host and each is not self.current]:
            if task.fiber:
                self._switch(task, Killed())
            self.tasks.remove(task)

    # ---- the loop ----------------------------------------------------------------------------------------------------

    def run(self, until: float, is_over: Callable[[], bool] = lambda: False) -> None:
        """Let everything run, until a time or until it is over."""
        while self.now < until:
            if ready := self._ready():
                self._step(self.chance.choice(ready))
            elif is_over():
                return
            else:
                self._advance(until)

    def _ready(self) -> list[Task]:
        now, pulse = self.now, self.pulse
        due = [each for each in self.tasks if each.wakes is not None and each.wakes <= (pulse if each.beats else now)]
        return [each for each in due if not each.host.is_frozen]

    def _step(self, task: Task) -> None:
        self._switch(task)
        if task.host.is_dead:
            self.bury(task.host)
        if task.is_over and task in self.tasks:
            self.tasks.remove(task)

    def _switch(self, task: Task, error: BaseException | None = None) -> None:
        before, self.current = self.current, task
        try:
            if error is None:
                task.fiber.switch()
            else:
                task.fiber.throw(error)
        finally:
            self.current = before

    def _advance(self, until: float) -> None:
        self._let_poll()
        awake = [task for task in self.tasks if task.wakes is not None and not task.host.is_frozen]
        moments = [task.wakes for task in awake if not task.beats and task.wakes is not None]
        step = max(min([until, *moments, *(self._agenda[:1] and [self._agenda[0][0]])]) - self.now, 0.0)
        is_quiet = self._is_quiet()
        if is_quiet:
            longest = self.longest_jump()
            step = min(step, longest)
            beat = min(step, max(_BEAT_OF_A_JUMP, _BEAT * step / longest))
        else:
            beats = [task.wakes - self.pulse for task in awake if task.beats and task.wakes is not None]
            beat = step = max(min([step, *beats]), 0.0)
        self.now += step
        self.pulse += beat
        if is_quiet and step > _BEAT_OF_A_JUMP:
            self.jumped()
        while self._agenda and self._agenda[0][0] <= self.now:
            heapq.heappop(self._agenda)[2]()

    def _let_poll(self) -> None:
        """Processes look at the database every few seconds, and sleep on if there is nothing yet."""
        if self._known_writes == self.writes:
            return
        self._known_writes = self.writes
        for task, due in self.outlook([task for task in self.tasks if task.polls and not task.host.is_frozen]):
            if task.wakes is not None and due < task.wakes:
                task.wakes = min(task.wakes, max(due, self.now + self.chance.uniform(*_POLL)))

    def _is_quiet(self) -> bool:
        at_work = any(task.is_busy and not task.host.is_frozen for task in self.tasks)
        return self.now >= self._restless_until and not at_work
