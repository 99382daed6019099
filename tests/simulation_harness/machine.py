"""What Harvester takes for the operating system: threads, sleep and process numbers, all of the kernel's making."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, Final, Generic, TypeVar
from unittest.mock import patch

from harvester import service
from harvester.agents import command_manager, failpoints, housekeeper, listening, runner
from harvester.plugins import pool
from simulation_harness.kernel import Host, Kernel, Task

KeyT = TypeVar("KeyT")
ResultT = TypeVar("ResultT")

_DISPATCHES: Final = "_dispatch"
_BEATS: Final = "housekeeper"
_LONGEST_NAP: Final = 86_400.0
"""Seconds: the kernel lets agents look at what is new, not the clock."""

_BLOCKED_NAP: Final = 8.0
"""Seconds, doubled again and again: the simulation does not care for what is a little late."""


class Event:
    """As `threading.Event`."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._is_set = False
        self._waiting: list[Task] = []

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        self._is_set = True
        for task in self._waiting:
            self._kernel.wake(task)
        self._waiting.clear()

    def clear(self) -> None:
        self._is_set = False

    def wait(self, timeout: float | None = None) -> bool:
        task = self._kernel.current
        if self._is_set or task is None:
            return self._is_set
        self._waiting.append(task)
        self._kernel.wait(None if timeout is None else self._kernel.now_of(task) + timeout)
        if task in self._waiting:
            self._waiting.remove(task)
        return self._is_set


class Lock:
    """As `threading.Lock` in a `with` statement."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._is_held = False
        self._free = Event(kernel)

    def __enter__(self) -> None:
        while self._is_held:
            self._free.clear()
            self._free.wait()
        self._is_held = True

    def __exit__(self, *_: object) -> None:
        self._is_held = False
        self._free.set()


class Thread:
    """As `threading.Thread`; it belongs to the process that makes it."""

    def __init__(
        self, machine: "Machine", target: Callable[..., None], args: Sequence[Any] = (), name: str = "", **_: object
    ) -> None:
        self._machine = machine
        self._work = lambda: self._run(target, args)
        self._polls = getattr(target, "__name__", "") == _DISPATCHES
        self._ended = Event(machine.kernel)
        self._begun = False
        self.name = name

    def _run(self, target: Callable[..., None], args: Sequence[Any]) -> None:
        try:
            target(*args)
        finally:
            self._ended.set()

    def start(self) -> None:
        self._begun = True
        host = self._machine.host
        self._machine.kernel.spawn(host, self.name, self._work, beats=self.name == _BEATS, polls=self._polls)

    def is_alive(self) -> bool:
        return self._begun and not self._ended.is_set()

    def join(self, timeout: float | None = None) -> None:
        if self.is_alive():
            self._ended.wait(timeout)


class InTurn(Generic[KeyT, ResultT]):
    """As `Turns`, for work that never takes long."""

    def __init__(self, work: Callable[[KeyT], ResultT], _patience: float) -> None:
        self._work = work
        self.late: Mapping[KeyT, object] = {}

    def run(self, keys: Iterable[KeyT]) -> dict[KeyT, ResultT]:
        return {key: self._work(key) for key in keys}

    def __class_getitem__(cls, _: object) -> type["InTurn[Any, Any]"]:
        return cls


class Machine:
    """The hosts on which the processes run.

    Args:
        kernel: the scheduler.
        reach: is told of every named point that a process comes to.
    """

    def __init__(self, kernel: Kernel, reach: Callable[[Any, str], None]) -> None:
        self.kernel = kernel
        self._reach = reach
        self._starting: Host | None = None
        self.births: dict[int, str] = {}

    @property
    def host(self) -> Any:  # noqa: ANN401 (the processes are of the caller's making)
        """The process that runs now."""
        task = self.kernel.current
        found = self._starting if task is None else task.host
        if found is None:
            raise AssertionError("no process runs")
        return found

    @contextmanager
    def acting_as(self, host: Host) -> Iterator[None]:
        """Make things in the name of a process, from outside."""
        before, self._starting = self._starting, host
        try:
            yield
        finally:
            self._starting = before

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Let the program run here."""
        kernel = self.kernel
        threads = SimpleNamespace(
            Event=lambda: Event(kernel), Lock=lambda: Lock(kernel), Thread=lambda **how: Thread(self, **how)
        )
        times = SimpleNamespace(monotonic=lambda: kernel.now, sleep=kernel.sleep)
        trap = SimpleNamespace(is_sprung_by=self._come_to)
        with (
            patch.object(runner, "threading", threads),
            patch.object(runner, "time", times),
            patch.object(runner, "_LONGEST_NAP", _LONGEST_NAP),
            patch.object(runner, "_BLOCKED_NAP", _BLOCKED_NAP),
            patch.object(command_manager, "threading", threads),
            patch.object(service, "threading", threads),
            patch.object(service, "time", times),
            patch.object(service, "spare_collector", lambda: None),
            patch.object(listening, "threading", threads),
            patch.object(listening, "Turns", InTurn),
            patch.object(pool, "Turns", InTurn),
            patch.object(housekeeper, "os", SimpleNamespace(getpid=lambda: self.host.pid)),
            patch.object(housekeeper, "birth_of", self.births.get),
            patch.object(failpoints, "_traps", lambda: (trap,)),
        ):
            yield

    def _come_to(self, point: str) -> bool:
        self._reach(self.host, point)
        return False
