"""Which queues people hold back, as far as this process knows: what they say counts within a second."""

import threading
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import Connection

from harvester.core.holds import Hold, HoldMode, hold_of
from harvester.store import holds, leases, queues
from harvester.store.leases import ClaimTicket, Pair

log = structlog.get_logger(__name__)

_FRESH: Final = timedelta(seconds=1)
_NEXT_LOOK: Final = timedelta(minutes=1)
"""Who resumes a queue has it looked at at once."""


class HeldQueues:
    """Asks the database at most once a second, whichever agents ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: Sequence[Hold] = ()
        self._read_at: datetime | None = None

    def of(self, connection: Connection, queues: Collection[str], now: datetime) -> dict[str, Hold]:
        """What holds these queues back; those that nothing holds back are left out."""
        known = self._read(connection, now)
        found = {queue: hold_of(queue, known, now) for queue in queues} if known else {}
        return {queue: hold for queue, hold in found.items() if hold is not None}

    def paused(self, connection: Connection, queues: Collection[str], now: datetime) -> frozenset[str]:
        """Those of the queues for which nothing may be submitted."""
        held = self.of(connection, queues, now)
        return frozenset(queue for queue, hold in held.items() if hold.mode is HoldMode.PAUSE)

    def _read(self, connection: Connection, now: datetime) -> Sequence[Hold]:
        with self._lock:
            if self._read_at is not None and timedelta() <= now - self._read_at < _FRESH:
                return self._known
            known, before = holds.present(connection), self._known
            self._known, self._read_at = known, now
        for hold in known:
            if hold not in before:
                log.warning("queue is held back", queue=hold.queue, how=hold.words)
        for hold in before:
            if hold.queue not in {each.queue for each in known}:
                log.warning("queue is resumed", queue=hold.queue)
        return known


def leave_held(connection: Connection, pair: Pair, held: Mapping[str, Hold], ticket: ClaimTicket, agent: str) -> None:
    """Let go of claimed queues that are held back, and note by whom and why."""
    if not held:
        return
    ends = [hold.until for hold in held.values() if hold.until is not None]
    due = min([ticket.now + _NEXT_LOOK, *ends])
    leases.let_queues_go(connection, pair, list(held), ticket.fence, due=due, now=ticket.now)
    queues.note(
        connection, agent, {name: {"text": f"the queue is {hold.words}"} for name, hold in held.items()}, ticket.now
    )
