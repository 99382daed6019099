"""Keeps what queues and plugins want to know of the world (core reference §1.8 `[cacher]`, §3.11).

What cannot be fetched stays as it was, is told once and noted, and is tried again in every round. Secrets have no place
in a remote queue configuration: it is kept without them.
"""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import structlog
from pydantic import JsonValue

from harvester.agents.base import Instance
from harvester.agents.facts import REMOTE_QUEUES
from harvester.agents.fetching import Fetcher, FetchError
from harvester.agents.private_documents import PrivateDocuments, is_private
from harvester.config.cache_lines import CacheLine
from harvester.config.remote import open_part, words_of_refused
from harvester.plugins.tools.atomic_files import write_atomically
from harvester.store import cache
from harvester.store.cache import Attempt, CacheKey, CacheState

log = structlog.get_logger(__name__)

_AT_ONCE: Final = 4
"""Documents that are fetched at the same time: one slow server does not make the others late."""


class Cacher:
    """Fetches what is older than `refreshInterval`.

    Args:
        instance: its database, clock and facts.
        lines: what to keep.
        fetcher: gets the documents.
        private: takes those that are secret.
        forgets: whether documents that no line asks for any more are forgotten; not where lines may be missing, because
            a variable is not set there or they cannot be read.
    """

    name: Final = "cacher"

    def __init__(
        self,
        instance: Instance,
        lines: Sequence[CacheLine],
        fetcher: Fetcher,
        private: PrivateDocuments,
        *,
        forgets: bool = True,
    ) -> None:
        self._instance = instance
        self._lines = {CacheKey(line.main_key, line.sub_key): line for line in lines}
        self._fetcher = fetcher
        self._private = private
        self._forgets = forgets

    def round(self) -> None:
        """Fetch what is due.

        Raises:
            StoreUnavailableError: the database is away.
        """
        self._fetch(all_of_them=False)

    def refresh(self) -> Sequence[Attempt]:
        """Fetch everything now, and tell what came of it.

        Raises:
            StoreUnavailableError: the database is away.
        """
        return self._fetch(all_of_them=True)

    def _fetch(self, *, all_of_them: bool) -> Sequence[Attempt]:
        now, db = self._instance.clock(), self._instance.db
        with db.read() as connection:
            states = {state.key: state for state in cache.states(connection)}
        if self._forgets:
            self._forget(states.keys() - self._lines.keys())
        due = [key for key in self._lines if all_of_them or self._is_due(states.get(key), now)]
        if not due:
            return ()
        with ThreadPoolExecutor(min(_AT_ONCE, len(due)), "cacher") as threads:
            attempts = list(threads.map(self._attempt, due))
        db.transact(lambda connection: cache.note(connection, attempts, now))
        for attempt in attempts:
            _tell(attempt, states.get(attempt.key))
        self._instance.facts.refresh()
        return attempts

    def _is_due(self, state: CacheState | None, now: datetime) -> bool:
        age = timedelta(minutes=self._instance.settings.cacher.refresh_interval)
        return state is None or state.refreshed_at is None or now - state.refreshed_at >= age

    def _attempt(self, key: CacheKey) -> Attempt:
        line = self._lines[key]
        try:
            document = self._fetcher.fetch(line)
        except FetchError as error:
            return Attempt(key, problem=str(error))
        if key == REMOTE_QUEUES:
            document, refused = open_part(document)
            return self._kept(Attempt(key, document, words_of_refused(refused) if refused else ""), line)
        return self._kept(Attempt(key, document, is_private=is_private(key, document)), line)

    def _kept(self, attempt: Attempt, line: CacheLine) -> Attempt:
        """Put the document into its files."""
        try:
            if attempt.is_private:
                self._private.save(attempt.key, attempt.document)
            if line.dump_file:
                text = _text_of(attempt.document)
                write_atomically(line.dump_file, text, private=attempt.is_private, tidily=True)
        except OSError as error:
            what = f"{error.filename or line.dump_file} cannot be written: {error.strerror or error}"
            return replace(attempt, problem=f"{what}; check its directory and the disk")
        return attempt

    def _forget(self, keys: set[CacheKey]) -> None:
        if not keys:
            return
        with self._instance.db.write() as connection:
            cache.remove(connection, keys)
        for key in keys:
            self._private.remove(key)
        log.info("no longer kept, [cacher] data does not ask for it", cache_keys=", ".join(map(str, sorted(keys))))


def _text_of(document: JsonValue) -> str:
    return document if isinstance(document, str) else json.dumps(document)


def _tell(attempt: Attempt, before: CacheState | None) -> None:
    """Say what has become different; the last good document stays in use."""
    known = before.problem if before else ""
    key = str(attempt.key)
    if attempt.problem and attempt.problem != known and attempt.document is not None:
        log.warning("cannot be taken or kept as it is", cache_key=key, problem=attempt.problem)
    elif attempt.problem and attempt.problem != known:
        since = before and before.refreshed_at
        log.warning("cannot be fetched", cache_key=key, problem=attempt.problem, still_used_from=str(since))
    elif known and not attempt.problem:
        log.info("is fetched again", cache_key=key)
