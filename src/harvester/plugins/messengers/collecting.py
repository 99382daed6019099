"""Collecting what workers left, round after round, cheaply while nothing changes."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Final, Generic, TypeVar

from harvester.core.clock import Clock
from harvester.core.workers import MapType, Worker
from harvester.plugins.api import NO_NEWS, News
from harvester.plugins.messengers.access_point_files import stamp_of
from harvester.plugins.messengers.looking import Listing, Look, LookRules, State, list_wanted, looked_for

_REMEMBERED: Final = 131_072
"""Workers whose last read state is kept; a forgotten one is read again, which is right but slower."""

ValueT = TypeVar("ValueT")


class _Memory(Generic[ValueT]):
    """The latest values by worker, the oldest forgotten when there are too many; safe to use from threads."""

    def __init__(self) -> None:
        self._values: OrderedDict[int, ValueT] = OrderedDict()
        self._lock = Lock()

    def keep(self, worker_id: int, value: ValueT) -> None:
        with self._lock:
            self._values[worker_id] = value
            self._values.move_to_end(worker_id)
            if len(self._values) > _REMEMBERED:
                self._values.popitem(last=False)

    def get(self, worker_id: int) -> ValueT | None:
        with self._lock:
            return self._values.get(worker_id)

    def take(self, worker_id: int) -> ValueT | None:
        with self._lock:
            return self._values.pop(worker_id, None)


@dataclass(frozen=True, slots=True)
class _Told:
    """What the last look at a worker has told: the state of its attribute files, and the dumps that it took in."""

    state: State | None
    dumps: tuple[Path, ...]


class Collector:
    """Reads what workers left, and remembers what of it is already safe in the database."""

    def __init__(self, rules: LookRules, clock: Clock) -> None:
        self._rules = rules
        self._clock = clock
        self._wanted = {
            (map_type, asks): looked_for(rules.names, map_type, asks=asks)
            for map_type in MapType
            for asks in (True, False)
        }
        self._told: _Memory[_Told] = _Memory()
        self._safe: _Memory[State] = _Memory()

    def collect(self, workers: Sequence[Worker]) -> list[News]:
        """What each worker left since the last acknowledged look."""
        now = self._clock()
        return [self._collect(worker, now) for worker in workers]

    def _collect(self, worker: Worker, now: datetime) -> News:
        try:
            top = self._list(worker)
        except OSError as error:
            return News(problem=f"the access point {worker.access_point} cannot be read: {error.strerror}")
        if self._is_all(top, worker):
            return NO_NEWS
        look = Look(self._rules, worker, now, top)
        state = look.list_files()
        if state != self._safe.get(worker.worker_id):
            look.read_attribute_files()
        told = None if look.problems else state
        look.read_dumps()
        look.read_event_request()
        news = look.news()
        if not (news.files or news.events):
            self._put_away(look.dumps)
        self._told.keep(worker.worker_id, _Told(told, tuple(look.dumps)))
        return news

    def _put_away(self, dumps: list[Path]) -> None:
        """Lists that tell nothing have nothing to be made safe, and newer ones may wait behind them."""
        while dumps:
            self._rename(dumps.pop())

    def unsettled(self, worker: Worker) -> str:
        """Why what the worker left may still change; empty if it does not.

        Raises:
            OSError: the access point cannot be read.
        """
        top = self._list(worker)
        if self._is_all(top, worker):
            return ""
        look = Look(self._rules, worker, self._clock(), top)
        look.list_files()
        return look.unsettled()

    def _list(self, worker: Worker) -> Listing:
        asks = worker.late_binding or worker.map_type is MapType.MANY_TO_ONE
        return list_wanted(worker.access_point, self._wanted[worker.map_type, asks])

    def _is_all(self, top: Listing, worker: Worker) -> bool:
        """Whether there is nothing to look at, as with most workers in most rounds."""
        return not top and worker.map_type is not MapType.MANY_TO_ONE

    def acknowledge(self, worker: Worker) -> None:
        """What the last look has told need not be told again."""
        told = self._told.take(worker.worker_id)
        if told is None:
            return
        if told.state is not None:
            self._safe.keep(worker.worker_id, told.state)
        for dump in told.dumps:
            self._rename(dump)

    def _rename(self, dump: Path) -> None:
        """Move a dump out of the way; where that is not possible its news only comes again."""
        try:
            dump.replace(dump.with_name(f"{dump.name}.{stamp_of(self._clock())}"))
        except OSError:
            return

    def forget(self, worker: Worker) -> None:
        """The worker's access point is gone, so nothing of it needs to be remembered."""
        self._told.take(worker.worker_id)
        self._safe.take(worker.worker_id)
