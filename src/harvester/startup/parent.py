"""Keeps a number of equal processes running: replaces those that die, and all of them, one by one, on reload.

The parent takes no part in their work, and asks neither the database nor the PanDA server.
"""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import structlog

from harvester.startup.children import Child
from harvester.startup.orders import Order, Orders
from harvester.startup.states import State, Tell

log = structlog.get_logger("harvester.service")

_GLANCE: Final = 0.25
_BEAT: Final = 10.0
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 60.0
_SOUND: Final = 120.0
"""Seconds after which a child was sound, although it died: another one then comes at once."""

StartChild = Callable[[socket.socket], subprocess.Popen[bytes]]
"""Starts a process that inherits this end of its line."""


@dataclass(slots=True)
class _Place:
    """One of the processes that there are to be.

    Attributes:
        child: who works there.
        successor: who is to take over, on reload.
        died_young: how many have, one after another.
        not_before: when the next one may be started.
    """

    child: Child | None = None
    successor: Child | None = None
    died_young: int = 0
    not_before: float = 0.0

    def children(self) -> Iterator[Child]:
        """Whoever is there."""
        yield from (each for each in (self.child, self.successor) if each)


@dataclass(slots=True)
class Parent:
    """See the module.

    Attributes:
        number: how many processes.
        orders: what the parent is told to do.
        tell: takes the news of the service as a whole.
        may_reload: whether the present configuration can be used; if not, it says so itself.
    """

    start_child: StartChild
    number: int
    orders: Orders
    tell: Tell
    may_reload: Callable[[], bool]
    tick: Callable[[], float] = time.monotonic
    _places: list[_Place] = field(default_factory=list)
    _leaving: list[Child] = field(default_factory=list)
    _to_replace: list[_Place] = field(default_factory=list)
    _is_reload_wanted: bool = False
    _has_begun: bool = False
    _beaten: float = 0.0

    def run(self) -> int:
        """Keep them running until the order to stop; the exit code, 1 if they cannot even start."""
        self._places = [_Place() for _ in range(self.number)]
        self.orders.before_the_end = self._kill_all
        while self._look_after_them():
            match self.orders.wait(_GLANCE):
                case Order.STOP:
                    self._stop_all()
                    return 0
                case Order.RELOAD:
                    self._is_reload_wanted = True
                case None:
                    pass
        self._stop_all()
        return 1

    def _look_after_them(self) -> bool:
        """One look at everybody; False if the service cannot be started."""
        now = self.tick()
        for place in self._places:
            for child in place.children():
                child.listen(now)
            if place.child is None and now >= place.not_before:
                place.child = self._start(now)
            elif place.child and place.child.has_ended():
                if not self._has_begun and not place.child.state and place.child.process.returncode:
                    return False  # it has said why
                self._mourn(place, place.child, now)
            elif place.child and place.child.is_stuck(now):
                log.error("a process does nothing any more and is killed", pid=place.child.process.pid)
                place.child.process.kill()
        self._replace(now)
        self._see_off(now)
        self._spread_the_news(now)
        return True

    def _start(self, now: float) -> Child:
        ours, theirs = socket.socketpair()
        ours.settimeout(0)
        with theirs:
            process = self.start_child(theirs)
        return Child(process, ours, born=now, heard=now)

    def _mourn(self, place: _Place, child: Child, now: float) -> None:
        """A process died that nobody told to: another one is started, soon or later."""
        place.died_young = 0 if now - child.born >= _SOUND else place.died_young + 1
        pause = min(_FIRST_PAUSE * 2 ** (place.died_young - 1), _LONGEST_PAUSE) if place.died_young else 0.0
        place.child, place.not_before = None, now + pause
        log.error(
            "a process of the service died and is replaced",
            pid=child.process.pid,
            exit_code=child.process.returncode,
            pause_seconds=pause,
        )
        child.line.close()

    # ---- reload ------------------------------------------------------------------------------------------------------

    def _replace(self, now: float) -> None:
        """Go on with replacing one after another, while the others work; never two reloads at once."""
        if self._is_reload_wanted and self._has_begun and not self._to_replace:
            self._is_reload_wanted = False
            if self.may_reload():
                self.tell(State.RELOADING)
                self._to_replace = list(self._places)
        if not self._to_replace:
            return
        place = self._to_replace[0]
        if place.successor is None:
            place.successor = self._start(now)
        elif place.successor.has_ended():
            log.error("a process with the new configuration ended at once; those with the old one go on")
            place.successor.line.close()
            place.successor = None
            self._to_replace = []
            self.tell(State.READY)
        elif place.successor.is_ready:
            if place.child:
                place.child.stop(now)
                self._leaving.append(place.child)
            place.child, place.successor = place.successor, None
            self._to_replace.remove(place)
            if not self._to_replace:
                log.info("reloaded")
                self.tell(State.READY)

    def _see_off(self, now: float) -> None:
        """Those that were told to stop."""
        for child in list(self._leaving):
            if child.has_ended():
                child.line.close()
                self._leaving.remove(child)
            else:
                child.kill_if_late(now)

    # ---- the service as a whole --------------------------------------------------------------------------------------

    def _spread_the_news(self, now: float) -> None:
        children = [place.child for place in self._places]
        if not self._has_begun and all(child and child.is_ready for child in children):
            self._has_begun = True
            log.info("all processes work", processes=self.number)
            self.tell(State.READY)
        elif now - self._beaten >= _BEAT:
            self._beaten = now
            if self._has_begun:
                self.tell(State.ALIVE)
            elif any(child and child.state is State.WAITING for child in children):
                self.tell(State.WAITING)

    def _stop_all(self) -> None:
        self.tell(State.STOPPING)
        now = self.tick()
        self._leaving += [child for place in self._places for child in place.children()]
        self._places = []
        for child in self._leaving:
            child.stop(now)
        while self._leaving:
            self._see_off(self.tick())
            time.sleep(_GLANCE / 5)

    def _kill_all(self) -> None:
        for child in [*self._leaving, *(child for place in self._places for child in place.children())]:
            with suppress(OSError):
                child.process.kill()
