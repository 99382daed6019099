"""What is known of the world outside: the documents that the cacher fetched, read from the database now and then.

Asking costs nothing and never waits: a loop of the service keeps this process's copy fresh.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import structlog
from pydantic import JsonValue

from harvester.agents.private_documents import PrivateDocuments
from harvester.config.cache_lines import QUEUE_CONFIGURATION, QUEUE_FACTS
from harvester.core.clock import Clock
from harvester.core.facts import QueueBook, QueueFacts, read_queues
from harvester.store import cache
from harvester.store.cache import CacheKey, CacheState
from harvester.store.engine import Database

log = structlog.get_logger(__name__)

PERIOD: Final = 5.0
"""Seconds between two looks at the database."""
QUEUES: Final = CacheKey(QUEUE_FACTS)
"""The queues of the information system."""
REMOTE_QUEUES: Final = CacheKey(QUEUE_CONFIGURATION)
"""The remote queue configuration."""
_MOST_TOLD: Final = 5


@dataclass(frozen=True, slots=True)
class _Picture:
    """What was known at one moment."""

    states: Mapping[CacheKey, CacheState] = field(default_factory=dict)
    documents: Mapping[CacheKey, JsonValue] = field(default_factory=dict)
    book: QueueBook = field(default_factory=QueueBook)


class Facts:
    """The last good documents; safe to ask from any thread.

    Args:
        db: where the cacher keeps them.
        clock: tells how old they are.
        harvester_id: this instance, to know which queues are its own.
        private: the documents that the database must not hold.
    """

    def __init__(self, db: Database, clock: Clock, harvester_id: str, private: PrivateDocuments | None = None) -> None:
        self._db = db
        self._clock = clock
        self._harvester_id = harvester_id
        self._private = private
        self._lock = threading.Lock()
        self._picture = _Picture()

    def of(self, queue: str) -> QueueFacts | None:
        """What the information system says of a queue of the configuration; None if it does not know it."""
        return self._picture.book.find(queue)

    @property
    def book(self) -> QueueBook:
        """All queues of the information system."""
        return self._picture.book

    def document(self, main_key: str, sub_key: str = "") -> JsonValue:
        """A document, which must not be changed; None if it never came."""
        return self._picture.documents.get(CacheKey(main_key, sub_key))

    def digest(self, key: CacheKey) -> str:
        """Tells one state of a document from the next; empty if it never came."""
        state = self._picture.states.get(key)
        return state.digest if state else cache.NOTHING

    def state(self, key: CacheKey) -> CacheState | None:
        """What is known of a document without looking into it; None if nobody ever asked for it."""
        return self._picture.states.get(key)

    def age(self, main_key: str, sub_key: str = "") -> timedelta | None:
        """For how long nobody has seen that a document is still so; None if it never came."""
        state = self._picture.states.get(CacheKey(main_key, sub_key))
        return None if state is None or state.refreshed_at is None else self._clock() - state.refreshed_at

    def refresh(self) -> None:
        """Take over what has changed: one small statement, and one more for the documents that are new.

        Raises:
            StoreUnavailableError: the database is away; what was known stays.
        """
        with self._lock:
            self._picture = self._fresh(self._picture)

    def _fresh(self, known: _Picture) -> _Picture:
        with self._db.read() as connection:
            states = {each.key: each for each in cache.states(connection)}
            changed = [key for key in states if self._is_new(states[key], known)]
            news = cache.documents(connection, changed)
        if self._private:
            news |= {key: self._private.load(key) for key in changed if key not in news}
        kept = {key: text for key, text in known.documents.items() if key in states}
        documents = {**kept, **news}
        if QUEUES in news or (QUEUES in known.documents) != (QUEUES in documents):
            return _Picture(states, documents, self._read_queues(documents.get(QUEUES)))
        return _Picture(states, documents, known.book)

    @staticmethod
    def _is_new(state: CacheState, known: _Picture) -> bool:
        before = known.states.get(state.key)
        return state.digest != (before.digest if before else cache.NOTHING)

    def _read_queues(self, document: JsonValue) -> QueueBook:
        if document is None:
            return QueueBook()
        book = read_queues(document, self._harvester_id)
        if book.problems:
            first = "; ".join(f"{name or 'all'}: {why}" for name, why in list(book.problems.items())[:_MOST_TOLD])
            log.warning("entries were left out", cache_key=str(QUEUES), number=len(book.problems), first=first)
        return book
