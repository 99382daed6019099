"""A service of several processes: the dead are replaced, reload replaces all, and none is left over."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harvester.startup.orders import SIGNALS, Orders
from harvester.startup.parent import Parent
from harvester.startup.states import State
from waiting import until

CHILD = """
import signal, socket, sys, time
line, mode = socket.socket(fileno=int(sys.argv[1])), open(sys.argv[2]).read()
if mode == "fails":
    sys.exit(1)
if mode == "stays":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
line.send(b"w")
line.send(b"r")
line.settimeout(0.1)
while True:
    try:
        line.recv(1)
        break
    except TimeoutError:
        if mode != "is silent":
            line.send(b"a")
"""
HASTE = 50
"""By how much time runs faster for the parent: pauses and patience end within a test."""
DEADLINE = 60.0


@dataclass
class Service:
    """A parent at work in a thread of its own, and the children that it has started."""

    mode_file: Path
    may_reload: bool = True
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)
    told: list[State] = field(default_factory=list)
    code: int | None = None

    def __post_init__(self) -> None:
        self.behave("")
        self.orders = Orders()
        self.orders.leave_terminal()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def behave(self, mode: str) -> None:
        """How children behave that are started from now on."""
        self.mode_file.write_text(mode)

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        parent = Parent(
            self._start_child, 3, self.orders, self._hear, lambda: self.may_reload, lambda: time.monotonic() * HASTE
        )
        self.code = parent.run()

    def _start_child(self, line: socket.socket) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-S", "-c", CHILD, str(line.fileno()), str(self.mode_file)]
        self.started.append(subprocess.Popen(command, pass_fds=[line.fileno()]))
        return self.started[-1]

    def _hear(self, state: State) -> None:
        self.told.append(state)

    @property
    def living(self) -> list[int]:
        return [each.pid for each in self.started if each.returncode is None and Path(f"/proc/{each.pid}").exists()]

    def until(self, condition: Callable[[], bool], what: str) -> None:
        until(lambda: (condition(), self.told, self.living), lambda seen: seen[0], what=what, seconds=DEADLINE)

    def until_ready(self, times: int = 1) -> None:
        self.until(lambda: self.told.count(State.READY) == times, f"ready {times} times")

    def stop(self) -> int | None:
        os.kill(os.getpid(), signal.SIGTERM)
        self._thread.join(DEADLINE)
        return self.code

    def end(self) -> None:
        self.orders.stop()
        for each in self.started:
            each.kill()
        self._thread.join(DEADLINE)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    made = Service(tmp_path / "mode")
    yield made
    made.end()
    for number, handler in before.items():
        signal.signal(number, handler)


def test_all_are_told_to_stop_and_none_is_left(service: Service):
    service.start()
    service.until_ready()
    assert len(service.living) == 3
    assert service.stop() == 0
    assert service.living == []
    assert service.told[-1] is State.STOPPING


def test_one_that_dies_is_replaced_and_the_others_are_left_alone(service: Service):
    service.start()
    service.until_ready()
    first, *others = service.living
    for _ in range(2):
        os.kill(first, signal.SIGKILL)
        service.until(lambda: len(service.living) == 3 and set(others) < set(service.living), "replaced")
        first = next(each for each in service.living if each not in others)
    assert service.stop() == 0


def test_whoever_cannot_start_ends_the_service(service: Service):
    service.behave("fails")
    service.start()
    service.until(lambda: service.code is not None, "an end")
    assert service.code == 1
    assert State.READY not in service.told
    assert service.living == []


def test_reload_replaces_all_one_after_another_as_often_as_wanted(service: Service):
    service.start()
    service.until_ready()
    for times in (2, 3):
        before = service.living
        os.kill(os.getpid(), signal.SIGHUP)
        service.until_ready(times)
        service.until(lambda: len(service.living) == 3, "the old ones have ended")
        assert not set(before) & set(service.living)
    assert len(service.started) == 9
    assert service.stop() == 0


def test_a_reload_that_fails_disturbs_nobody(service: Service):
    service.start()
    service.until_ready()
    before = service.living
    service.behave("fails")
    os.kill(os.getpid(), signal.SIGHUP)
    service.until_ready(2)
    assert service.living == before
    service.may_reload = False
    os.kill(os.getpid(), signal.SIGHUP)
    assert service.stop() == 0
    assert len(service.started) == 4


def test_one_that_will_not_stop_is_killed(service: Service):
    service.behave("stays")
    service.start()
    service.until_ready()
    assert service.stop() == 0
    assert [each.returncode for each in service.started] == [-signal.SIGKILL] * 3


def test_one_that_does_nothing_any_more_is_replaced(service: Service):
    service.behave("is silent")
    service.start()
    service.until_ready()
    silent = service.living
    service.behave("")
    service.until(lambda: len(service.living) == 3 and not set(silent) & set(service.living), "all replaced")
    assert service.stop() == 0
