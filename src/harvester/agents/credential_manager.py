"""Keeps credentials valid: looks at each, renews what is due, and tells early when that fails (core reference §3.1).

Credentials are files on hosts, so each host has a round of its own, done by one of its processes. The first look comes
before the server is called for the first time: a new host may have no credential yet to call it with. What credentials
are made from, and what the server is shown, is watched as well, since people renew it by hand.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import structlog

from harvester.agents.host_lock import HostLock
from harvester.config.setups import Fingerprint, Setup
from harvester.core.clock import Clock
from harvester.core.credentials import Gravity, outlook, pause, reason_to_renew, reason_to_worry
from harvester.core.errors import HarvesterError
from harvester.core.masking import masked
from harvester.plugins.api import CredentialManager, CredentialState, Done, Later, PluginSettings, Unknown, Valid
from harvester.plugins.calling import PluginCalls
from harvester.plugins.credentials import validity
from harvester.plugins.credentials.validity import NoCredentialError
from harvester.plugins.setup_pool import SetupPool
from harvester.plugins.turns import Late, Turns
from harvester.store import credentials
from harvester.store.credentials import CredentialRecord
from harvester.store.engine import Database

log = structlog.get_logger(__name__)

Manager = CredentialManager[PluginSettings]

_PATIENCE: Final = 150.0
"""Seconds that one set-up may take before the others are looked at without waiting for it."""
_NOTHING_YET: Final = timedelta(minutes=1)
"""A manager without anything to keep may wait for the information system, which is asked after the start."""
_MOST_COMPLAINTS: Final = 5
"""So many credentials of one set-up are complained of one by one: an issuer that is away fails hundreds alike."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A file with a credential that nobody renews here; `label` says what it is for."""

    path: str
    label: str


class CredentialKeeper:
    """One look at all credentials of this host.

    Args:
        db: where it is written how they are.
        clock: what time it is; `ahead` is by how much it is ahead of the system's.
        host: this host.
        pool: the managers.
        period: seconds between two looks, at the most.
        lock: what the processes of this host take turns by.
        watched: what is shown to servers, or to those who come to ours, whoever renews it.
    """

    name: Final = "cred manager"

    def __init__(
        self,
        db: Database,
        clock: Clock,
        host: str,
        pool: SetupPool[Manager],
        period: float,
        *,
        lock: HostLock,
        watched: Sequence[Watched] = (),
        ahead: Callable[[], timedelta] = timedelta,
    ) -> None:
        self._db = db
        self._clock = clock
        self._host = host
        self._pool = pool
        self._period = timedelta(seconds=period)
        self._lock = lock
        self._watched = watched
        self._ahead = ahead
        self._pause = self._period
        self._call = PluginCalls()
        self._late: Late[Fingerprint] = {}
        """Set-ups that hang since an earlier look: called again in each, they would fill the process with threads."""

    def round(self) -> None:
        """Look, renew, and write down how the credentials are.

        Raises:
            StoreUnavailableError: the database is away; the credentials were looked after all the same.
        """
        with self._lock.held(_PATIENCE):
            found = self.keep_valid()
        self._db.transact(lambda connection: credentials.replace(connection, self._host, found))

    def pause(self) -> timedelta:
        """From the beginning of one round to that of the next: what would run out sooner is not left so long."""
        return self._pause

    def first_look(self) -> None:
        """Renew what is due before anybody needs it, unless another process of this host has just done so."""
        with self._lock.held(_PATIENCE) as others_looked:
            if not others_looked:
                self.keep_valid()

    def keep_valid(self) -> list[CredentialRecord]:
        """Look at all credentials, renew those that are due, and complain of those that could not be."""
        built = {setup.fingerprint: (setup, plugin) for setup, plugin in self._pool.plugins()}
        turns = Turns[Fingerprint, list[CredentialRecord]](
            lambda which: self._look_after(*built[which]), _PATIENCE, self._late
        )
        results = turns.run(built)
        self._late = turns.late
        silent = built.keys() & self._late.keys()
        late = {which: [self._failed(built[which][0], "its manager does not come back")] for which in silent}
        kept = [each for which in built for each in (late.get(which) or results[which])]
        found = [*kept, *self._watch(built.values(), {each.name for each in kept})]
        self._tell_all(found)
        self._pause = pause(((each.valid_until, each.problem) for each in kept), self._clock(), self._period)
        if not all(results.values()):
            self._pause = min(self._pause, _NOTHING_YET)
        return found

    def _watch(self, built: Iterable[tuple[Setup, Manager | str]], kept: Collection[str]) -> list[CredentialRecord]:
        """What others have to renew."""
        sources = [Watched(path, f"{setup.name}: source") for setup, each in built for path in _sources_of(each)]
        files = {each.path: each for each in (*sources, *self._watched) if each.path not in kept}
        return [record for each in files.values() if (record := self._seen(each))]

    def _seen(self, watched: Watched) -> CredentialRecord | None:
        """How a watched file does; one that cannot be read is complained of by whoever needs it."""
        try:
            found = validity.of_file(Path(watched.path))
        except (NoCredentialError, OSError):
            return None
        if found.until is None:
            return None
        now, ahead = self._clock(), self._ahead()
        worry = reason_to_worry(found.since, found.until, now - ahead)
        return CredentialRecord(self._host, watched.path, watched.label, found.until + ahead, now, None, worry)

    def _look_after(self, setup: Setup, plugin: Manager | str) -> list[CredentialRecord]:
        if isinstance(plugin, str):
            return [self._failed(setup, plugin)]
        try:
            names = plugin.names()
        except HarvesterError as error:
            return [self._failed(setup, str(error))]
        except (Exception, SystemExit) as error:  # a plugin may raise anything; the other set-ups must not suffer
            log.exception("plugin failed", setup=setup.name, plugin=setup.block.label)
            return [self._failed(setup, f"{setup.block.label} failed: {type(error).__name__}: {error}")]
        states = dict(zip(names, self._call(plugin.check, names, Unknown), strict=True))
        due = [name for name, state in states.items() if self._is_due(state)]
        outcomes = dict(zip(due, self._call(plugin.renew, due, Later), strict=True))
        renewed = [name for name, outcome in outcomes.items() if isinstance(outcome, Done)]
        states |= zip(renewed, self._call(plugin.check, renewed, Unknown), strict=True)
        problems = {name: each.reason for name, each in outcomes.items() if not isinstance(each, Done)}
        return [self._record(setup, name, states[name], problems.get(name), name in renewed) for name in states]

    def _is_due(self, state: CredentialState) -> bool:
        if not isinstance(state, Valid) or state.is_due:
            return True
        return bool(reason_to_renew(state.until, self._clock(), self._period))

    def _record(
        self,
        setup: Setup,
        name: str,
        state: CredentialState,
        refusal: str | None,
        renewed: bool,  # noqa: FBT001 - one of five facts
    ) -> CredentialRecord:
        now = self._clock()
        until = state.until if isinstance(state, Valid) else None
        told = "" if isinstance(state, Valid) else state.reason
        problem = "; ".join(filter(None, (told, refusal and f"it cannot be renewed: {refusal}")))
        return CredentialRecord(self._host, name, setup.name, until, now, now if renewed else None, masked(problem))

    def _failed(self, setup: Setup, reason: str) -> CredentialRecord:
        return CredentialRecord(self._host, setup.name, setup.name, None, self._clock(), None, masked(reason))

    def _tell_all(self, found: Sequence[CredentialRecord]) -> None:
        told: Counter[str] = Counter()
        for each in found:
            told[each.setup] += bool(each.problem)
            if not each.problem or told[each.setup] <= _MOST_COMPLAINTS:
                self._tell(each)
        for setup, number in told.items():
            if number > _MOST_COMPLAINTS:
                more = number - _MOST_COMPLAINTS
                log.warning("further credentials are in danger", agent=self.name, setup=setup, number=more)

    def _tell(self, record: CredentialRecord) -> None:
        view = outlook(record.valid_until, record.problem, record.checked_at)
        about = {"agent": self.name, "file": record.name, "setup": record.setup}
        if view.gravity is Gravity.ERROR:
            log.error("credential is in danger", problem=view.words, **about)
        elif view.gravity is Gravity.WARNING:
            log.warning("credential is not renewed", problem=view.words, **about)
        elif record.renewed_at:
            log.info("credential renewed", until=_words_of(record.valid_until), **about)


def _sources_of(plugin: Manager | str) -> Sequence[str]:
    try:
        return () if isinstance(plugin, str) else plugin.sources()
    except (Exception, SystemExit) as error:  # noqa: BLE001 (a plugin may raise anything; the others must not suffer)
        log.warning("plugin failed", plugin=type(plugin).__name__, error=masked(repr(error)))
        return ()


def _words_of(moment: datetime | None) -> str:
    return "for ever" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}"
