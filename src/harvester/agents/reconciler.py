"""Finds out what became of submissions whose answer was never recorded.

Found by marker: adopted. Absent from two complete listings, the second at least the resource's settle time after the
first: submitted again under the same marker, or given up after `maxSubmissionAttempts`. No complete listing: the
workers stay charged to their queue, and `explain` says so. A resource without markers is never submitted to again.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import Connection

from harvester.agents.base import Agent, Pace, Unit
from harvester.agents.event_news import prefetch_for_found
from harvester.agents.settling import cancel_jobs_of, record_submitted, settle_absent, time_to_settle
from harvester.core.held import Held
from harvester.core.workers import Worker
from harvester.plugins.api import Grade, Refused, Search
from harvester.store import history, leases, queues, worker_claims, workers
from harvester.store.leases import WORKER_WORK, Claim, ClaimTicket
from harvester.store.schema import WorkerPhase

log = structlog.get_logger(__name__)
_ABSENCES_NEEDED: Final = 2
_HOLD: Final = timedelta(seconds=30)
_GIVEN_UP: Final = Refused("the resource never took it, and it is not submitted again")


@dataclass(frozen=True, slots=True)
class ReconcileUnit(Unit):
    """Workers of one queue that may or may not be on the resource."""

    held: Sequence[Held]


class Reconciler(Agent[ReconcileUnit, Search]):
    """See the module."""

    name = "reconciler"

    @property
    def pace(self) -> Pace:
        """`[submitter] sleepTime`, `lockInterval` and `nThreads`."""
        section = self.instance.settings.submitter
        return Pace(section.sleep_time, section.lock_interval, section.n_threads)

    def horizon(self, connection: Connection, besides: Collection[str] = ()) -> datetime | None:
        """When the next unsettled worker is to be searched."""
        return leases.next_due(connection, WORKER_WORK, WorkerPhase.SETTLE, besides=besides)

    def claim(self, connection: Connection, ticket: ClaimTicket) -> Sequence[ReconcileUnit]:
        """Unsettled workers by queue, except those of queues whose last search is still under way or rests."""
        by_queue: dict[str, list[Held]] = defaultdict(list)
        for held in worker_claims.claim_unsettled(connection, ticket):
            by_queue[held.worker.queue].append(held)
        return [
            ReconcileUnit(Claim(WORKER_WORK, [each.worker.worker_id for each in held], ticket.fence), queue, held)
            for queue, held in by_queue.items()
        ]

    def act(self, unit: ReconcileUnit) -> Search:
        """Search the resource for the markers."""
        resource = self.instance.plugins.submitter(unit.about)
        if resource.grade is Grade.BLIND:
            return Search({}, complete=False, reason="the resource keeps no marker, so nobody can tell")
        return resource.find([each.worker for each in unit.held])

    def commit(self, connection: Connection, unit: ReconcileUnit, result: Search) -> Sequence[str]:
        """Adopt, wait, submit again or give up."""
        now = self.instance.clock()
        fence = unit.claim.fence
        ours = leases.held_keys(connection, WORKER_WORK, [int(key) for key in unit.claim.keys], fence)
        mine = [each for each in unit.held if each.worker.worker_id in ours]
        found = [(each.worker, result.found[each.worker.marker]) for each in mine if each.worker.marker in result.found]
        record_submitted(connection, found, fence, now, self.name)
        wants_ranges = prefetch_for_found(connection, self.instance, unit.about, [each for each, _ in found], now)
        absent = [each for each in mine if each.worker.marker not in result.found]
        if not result.complete:
            self._hold(connection, absent, fence, now, result.reason)
        else:
            self._count_absence(connection, unit.about, absent, fence, now)
        queues.note(connection, self.name, {unit.about: self._note(mine, found, result)}, now)
        feeder = ("event feeder",) if wants_ranges else ()
        return ("submitter", "monitor", "sizer", "propagator", "worker propagator", *feeder)

    def _note(self, mine: Sequence[Held], found: Sequence[object], result: Search) -> dict[str, object]:
        text = f"{len(found)} of {len(mine)} interrupted submissions were found on the resource"
        return {"text": text if result.complete else f"{text}; the listing is not complete: {result.reason}"}

    def _hold(self, connection: Connection, absent: Sequence[Held], fence: int, now: datetime, reason: str) -> None:
        text = f"cannot tell whether the resource took it: {reason}"
        changes = [{"worker_id": each.worker.worker_id, "diagnostics": text[:500]} for each in absent]
        workers.settle(connection, changes, fence, {"due": now + _HOLD, "absences": 0})
        unwanted = [each.worker for each in absent if each.kill_error is not None]
        cancel_jobs_of(connection, unwanted, now, self.name)
        if absent:
            log.warning("submissions cannot be settled", queue=absent[0].worker.queue, workers=len(absent), why=reason)

    def _count_absence(
        self, connection: Connection, queue: str, absent: Sequence[Held], fence: int, now: datetime
    ) -> None:
        settle = time_to_settle(self.instance.plugins.submitter(queue))
        first = [each for each in absent if each.absences + 1 < _ABSENCES_NEEDED]
        changes = [{"worker_id": each.worker.worker_id, "absences": each.absences + 1} for each in first]
        workers.settle(connection, changes, fence, {"due": now + settle})
        certain = [each for each in absent if each.absences + 1 >= _ABSENCES_NEEDED]
        limit = max(self.instance.plugins.queue(queue).max_submission_attempts, 1)
        again = [each.worker for each in certain if each.tries < limit and each.kill_error is None]
        self._submit_again(connection, again, fence, now)
        given_up = [(each.worker, _GIVEN_UP) for each in certain if each.tries >= limit or each.kill_error is not None]
        settle_absent(connection, self.instance, given_up, fence=fence, now=now, agent=self.name)

    def _submit_again(self, connection: Connection, absent: Sequence[Worker], fence: int, now: datetime) -> None:
        if absent:
            log.warning("certainly not submitted, tried again", queue=absent[0].queue, workers=len(absent))
        changes = [{"worker_id": each.worker_id, "absences": 0} for each in absent]
        workers.settle(connection, changes, fence, {"phase": WorkerPhase.SUBMIT, "due": now})
        cause = f"absent from {_ABSENCES_NEEDED} complete listings of the resource"
        kind = history.Kind.WORKER
        history.record(
            connection,
            [
                history.Event(kind, each.worker_id, now, each.status, "to be submitted again", cause, self.name)
                for each in absent
            ],
        )
