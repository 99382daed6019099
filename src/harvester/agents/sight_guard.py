"""Stops new workers for queues that suddenly lose sight of those they have, and lets them come again (`core.sight`)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy import Connection

from harvester.core.judging import Observation
from harvester.core.sight import Blindness, Sight, judge_sight
from harvester.plugins.api import Gone, Unknown
from harvester.store import leases, queues
from harvester.store.leases import QUEUE_SIZE

log = structlog.get_logger(__name__)

_SIZER: Final = "sizer"
"""In whose name it is said: it is the last word on new workers."""


class NotListedYet(Unknown):
    """The batch job was submitted a moment ago: that it is missing from a listing means nothing."""


def guard_sight(connection: Connection, seen: Sequence[Observation], now: datetime) -> None:
    """Take account of one round of checks, in the transaction that writes it."""
    before = Counter(each.held.worker.queue for each in seen if each.held.worker.unseen_since is not None)
    lost = [each for each in seen if _is_lost(each)]
    if not lost and not before:
        return
    present = Counter(each.held.worker.queue for each in seen)
    known = {name for name, unseen in before.items() if judge_sight(Sight(present[name], unseen))}
    found = {name: blind for name, sight in _sights(present, lost).items() if (blind := judge_sight(sight))}
    leases.rest_queues(connection, QUEUE_SIZE, sorted(known - found.keys()), now)
    _stop(connection, found, now)
    for name in found.keys() - known:
        log.error("no new workers", queue=name, reason=found[name].reason)


def _stop(connection: Connection, found: Mapping[str, Blindness], now: datetime) -> None:
    for rest in {blindness.rest for blindness in found.values()}:
        names = [name for name, blindness in found.items() if blindness.rest == rest]
        leases.rest_queues(connection, QUEUE_SIZE, names, now + rest)
    notes = {name: {"limit": "circuit breaker", "problem": each.reason} for name, each in found.items()}
    queues.note(connection, _SIZER, notes, now)


def _is_lost(each: Observation) -> bool:
    return isinstance(each.outcome, Unknown | Gone) and not isinstance(each.outcome, NotListedYet)


def _sights(present: Mapping[str, int], lost: Sequence[Observation]) -> dict[str, Sight]:
    """What the round saw, by the queues that have lost a worker in it."""
    unseen = Counter(each.held.worker.queue for each in lost if isinstance(each.outcome, Unknown))
    vanished = Counter(each.held.worker.queue for each in lost if isinstance(each.outcome, Gone))
    return {name: Sight(present[name], unseen[name], vanished[name]) for name in {*unseen, *vanished}}
