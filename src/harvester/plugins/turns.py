"""One thing after the other, without being held up: whoever takes too long is left behind at work, in its own thread.

As long as nobody takes long, one thread does it all.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

import structlog

log = structlog.get_logger(__name__)

KeyT = TypeVar("KeyT")
ResultT = TypeVar("ResultT")

Late = dict[KeyT, threading.Event]
"""Those that were left behind, each with what tells that its work has ended after all."""


class _Walk(Generic[KeyT]):
    """One thread on its way from key to key.

    Attributes:
        at: where it is, and `since` when; None between two keys, where nobody waits for it.
        is_left: it is waited for no longer, and takes nothing more.
        ended: whether it has come back; `error` is what it met.
    """

    def __init__(self) -> None:
        self.at: KeyT | None = None
        self.since = time.monotonic()
        self.is_left = False
        self.ended = threading.Event()
        self.error: Exception | SystemExit | None = None


class Turns(Generic[KeyT, ResultT]):
    """Work that is done for one key after the other, each within `patience` seconds.

    Attributes:
        late: the keys that were left behind; their results are dropped, and what they raise is logged. Those of former
            turns may be given: as long as their work has not ended it is not begun again.
    """

    def __init__(self, work: Callable[[KeyT], ResultT], patience: float, late: Late[KeyT] | None = None) -> None:
        self._work = work
        self._patience = patience
        self._lock = threading.Lock()
        self._waiting: deque[KeyT] = deque()
        self._results: dict[KeyT, ResultT] = {}
        self.late: Late[KeyT] = {key: ended for key, ended in (late or {}).items() if not ended.is_set()}

    def run(self, keys: Iterable[KeyT]) -> dict[KeyT, ResultT]:
        """The results of all keys but the late ones; what the work raises for one of them is raised here."""
        self._waiting.extend(key for key in keys if key not in self.late)
        while self._waiting:
            walk: _Walk[KeyT] = _Walk()
            threading.Thread(target=self._go, args=(walk,), name="turns", daemon=True).start()
            self._follow(walk)
            if walk.error is not None and not walk.is_left:
                raise walk.error
        with self._lock:
            return dict(self._results)

    def _follow(self, walk: _Walk[KeyT]) -> None:
        left = self._patience
        while not walk.ended.wait(left):
            with self._lock:
                left = self._patience
                if walk.at is None:
                    continue
                left += walk.since - time.monotonic()
                if left <= 0:
                    walk.is_left = True
                    self.late[walk.at] = walk.ended
                    return

    def _go(self, walk: _Walk[KeyT]) -> None:
        try:
            for key in self._taken(walk):
                self._arrive(walk, key, self._work(key))
        except (Exception, SystemExit) as error:  # noqa: BLE001 (raised where it is waited for)
            self._fail(walk, error)
        finally:
            walk.ended.set()

    def _taken(self, walk: _Walk[KeyT]) -> Iterator[KeyT]:
        while True:
            with self._lock:
                if walk.is_left or not self._waiting:
                    return
                key = self._waiting.popleft()
                walk.at, walk.since = key, time.monotonic()
            yield key

    def _arrive(self, walk: _Walk[KeyT], key: KeyT, result: ResultT) -> None:
        with self._lock:
            if not walk.is_left:
                self._results[key] = result
            walk.at = None

    def _fail(self, walk: _Walk[KeyT], error: Exception | SystemExit) -> None:
        with self._lock:
            if walk.is_left:
                log.warning("work that took too long has failed", about=str(walk.at), error=repr(error), exc_info=error)
            walk.at, walk.error = None, error
