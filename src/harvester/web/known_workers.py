"""The workers that come to the door, as the database knows them, without asking it each time."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from harvester.core.errors import HarvesterError
from harvester.core.workers import Worker
from harvester.plugins.messengers.door_files import Place
from harvester.plugins.messengers.http import HttpMessenger
from harvester.plugins.pool import PluginPool
from harvester.store import marks, workers
from harvester.store.engine import Database, StoreUnavailableError

_LOOK_AGAIN: Final = 1.0
"""Seconds from one look at what has become of workers to the next; so long an ended one may still be let in."""
_BELIEVED: Final = 60.0
"""Seconds for which a worker of which nothing was heard is taken to be as it was."""
_REMEMBERED: Final = 100_000
_EVENTS_AT_ONCE: Final = 5000
_MOST_EVENTS: Final = 50_000
"""After more events, as after a quiet night, it costs less to read workers anew than to read who has changed."""


@dataclass(frozen=True, slots=True)
class KnownWorker:
    """A worker, and where its files are.

    Attributes:
        place: None if the workers of its queue do not talk HTTP.
        largest: bytes of a report that its messenger reads.
    """

    worker: Worker
    place: Place | None
    largest: int = 0

    @property
    def has_ended(self) -> bool:
        """Whether nothing of it can run any more."""
        return self.worker.status.is_final


@dataclass(frozen=True, slots=True)
class _Entry:
    """What was read of a worker.

    Attributes:
        known: None if there is none, or it cannot be served.
        trouble: why it cannot be served.
        until: when this is to be read anew, by the tick.
    """

    known: KnownWorker | None
    until: float
    trouble: str = ""


class KnownWorkers:
    """Looks workers up: in memory, else together with all others who wait for one, in one statement.

    What the history tells of a worker makes it be read anew, so that an end is known within a second at the cost of one
    statement for all.
    """

    def __init__(self, db: Database, plugins: PluginPool, tick: Callable[[], float] = time.monotonic) -> None:
        self._db = db
        self._plugins = plugins
        self._tick = tick
        self._entries: OrderedDict[int, _Entry] = OrderedDict()
        """What was read last stands last; an entry is replaced at once, for it is looked up without the lock."""
        self._wanted: set[int] = set()
        self._asking = threading.Lock()
        self._following = threading.Lock()
        self._looked: tuple[int, int] | None = None
        """The last event of the look before the last, and of the last."""
        self._look_at = float("-inf")

    def find(self, worker_id: int, *, anew: bool = False) -> KnownWorker | None:
        """The worker; None if the database does not have it.

        Args:
            worker_id: its number.
            anew: whether it has to be read now, for what is known of it may be too old.

        Raises:
            StoreUnavailableError: the database is away, and it is not known.
            HarvesterError: the plugin that knows its files cannot be used.
        """
        self._follow()
        entry = None if anew else self._entries.get(worker_id)
        if entry is None or self._tick() >= entry.until:
            entry = self._ask(worker_id)
        if entry.trouble:
            raise HarvesterError(entry.trouble)
        return entry.known

    def _ask(self, worker_id: int) -> _Entry:
        """Whoever has the lock reads for all who wait for it; if that failed, each asks for itself."""
        self._wanted.add(worker_id)
        with self._asking:
            if worker_id in self._wanted or worker_id not in self._entries:  # or forgotten again meanwhile
                self._wanted.add(worker_id)
                self._read()
            return self._entries[worker_id]

    def _follow(self) -> None:
        """Forget those of whom there are news; whoever finds somebody else at it does not wait."""
        if self._tick() < self._look_at or not self._following.acquire(blocking=False):
            return
        try:
            self._forget_changed()
        except StoreUnavailableError:
            return  # what is known is believed a little longer
        finally:
            self._look_at = self._tick() + _LOOK_AGAIN
            self._following.release()

    def _forget_changed(self) -> None:
        """Forget those with news since the look before the last: one may have been read just before it changed."""
        with self._db.read() as connection:
            newest = marks.newest(connection)
            if self._looked is None or not 0 <= newest - self._looked[1] <= _MOST_EVENTS:
                self._forget(list(self._entries))
                self._looked = newest, newest
            place = self._looked[0]
            while place < newest:
                news = marks.changed_workers(connection, place, _EVENTS_AT_ONCE)
                self._forget(news.became)
                place = news.last if news.is_cut else newest
        self._looked = self._looked[1], newest

    def _forget(self, worker_ids: Iterable[int]) -> None:
        with self._asking:
            for worker_id in worker_ids:
                self._entries.pop(worker_id, None)

    def _read(self) -> None:
        """Read all that are wanted; who comes later may want to know what is true later. The lock is held."""
        ids = self._wanted.copy()
        self._wanted -= ids
        try:
            with self._db.read() as connection:
                found = workers.find(connection, sorted(ids))
        except BaseException:
            self._wanted |= ids
            raise
        now = self._tick()
        missing = dict.fromkeys(ids, _Entry(None, now + _LOOK_AGAIN))
        self._entries |= missing | {each.worker.worker_id: self._entry(each.worker, now) for each in found}
        for worker_id in ids:
            self._entries.move_to_end(worker_id)
        while len(self._entries) > _REMEMBERED:
            self._entries.popitem(last=False)

    def _entry(self, worker: Worker, now: float) -> _Entry:
        try:
            return _Entry(self._known(worker), now + _BELIEVED)
        except HarvesterError as error:
            return _Entry(None, now + _LOOK_AGAIN, str(error))

    def _known(self, worker: Worker) -> KnownWorker:
        messenger = self._plugins.messenger_of(worker)
        if not isinstance(messenger, HttpMessenger):  # files alone are no reason to come: nobody made it a token
            return KnownWorker(worker, None)
        place = Place.of(worker.access_point, messenger.names, worker.map_type)
        return KnownWorker(worker, place, messenger.settings.max_report_size)
