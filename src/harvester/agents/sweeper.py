"""Removes workers that have ended long enough ago: what they left on the resource, their access points, their rows."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import Connection

from harvester.agents.base import Agent, Pace, Unit
from harvester.core.workers import Worker
from harvester.plugins.api import Done, Failed, Later
from harvester.store import jobs, leases, worker_claims, workers
from harvester.store.leases import JOB_WORK, WORKER_WORK, Claim, ClaimTicket
from harvester.store.schema import JobPhase, WorkerPhase

log = structlog.get_logger(__name__)

REPEATABLE: Final = 600.0
"""Seconds that a claim lasts on what does no harm when it is done twice."""

_RETRY: Final = timedelta(minutes=5)
Answers = Sequence[Done | Later | Failed]


@dataclass(frozen=True, slots=True)
class SweepUnit(Unit):
    """Workers of one queue."""

    workers: Sequence[Worker]


class Sweeper(Agent[SweepUnit, Answers]):
    """See the module."""

    name = "sweeper"

    @property
    def pace(self) -> Pace:
        """`[sweeper] sleepTime` and `nThreads`; what is repeated after ten minutes does no harm."""
        section = self.instance.settings.sweeper
        return Pace(section.sleep_time, REPEATABLE, section.n_threads)

    def horizon(self, connection: Connection, besides: Collection[str] = ()) -> datetime | None:
        """When the next worker or job has been kept long enough."""
        return _earlier(
            leases.next_due(connection, WORKER_WORK, WorkerPhase.SWEEP, besides=besides),
            leases.next_due(connection, JOB_WORK, JobPhase.SWEEP, besides=besides),
        )

    def waiting_since(self, connection: Connection, besides: Collection[str] = ()) -> datetime | None:
        """Workers that the server has not heard of yet, or whose logs it has not taken, wait for it."""
        return _earlier(
            worker_claims.next_to_sweep(connection, besides, self.instance.clock()),
            leases.next_due(connection, JOB_WORK, JobPhase.SWEEP, besides=besides),
        )

    def claim(self, connection: Connection, ticket: ClaimTicket) -> Sequence[SweepUnit]:
        """Workers that have been kept long enough; jobs without workers go at once."""
        jobs.remove(connection, jobs.sweepable(connection, ticket))
        found = worker_claims.claim_to_sweep(connection, ticket)
        return by_queue(found, WORKER_WORK, ticket)

    def act(self, unit: SweepUnit) -> Answers:
        """Clean the resource, then the access points of those that it let go."""
        call, plugins = self.instance.call, self.instance.plugins
        left = call(plugins.sweeper(unit.about).clean, unit.workers, Later)
        clean = [each for each, answer in zip(unit.workers, left, strict=True) if isinstance(answer, Done)]
        gone = call(plugins.messenger(unit.about).clean, clean, Later)
        answers = {each.worker_id: answer for each, answer in zip(clean, gone, strict=True)}
        return [answers.get(each.worker_id, answer) for each, answer in zip(unit.workers, left, strict=True)]

    def commit(self, connection: Connection, unit: SweepUnit, result: Answers) -> Sequence[str]:
        """Clean workers are gone; the others are tried again."""
        told = list(zip(unit.workers, result, strict=True))
        held = leases.held_keys(connection, WORKER_WORK, [each.worker_id for each in unit.workers], unit.claim.fence)
        gone = [each.worker_id for each, answer in told if isinstance(answer, Done) and each.worker_id in held]
        workers.remove(connection, gone, self.instance.clock())
        left = [(each, answer) for each, answer in told if not isinstance(answer, Done)]
        for each, answer in left:
            log.warning("clean-up failed", worker=each.worker_id, queue=unit.about, reason=said(answer))
        rest = Claim(WORKER_WORK, [each.worker_id for each, _ in left], unit.claim.fence)
        leases.give_back(connection, rest, self.instance.clock() + _RETRY)
        return (self.name,)


def _earlier(*moments: datetime | None) -> datetime | None:
    return min((each for each in moments if each is not None), default=None)


def by_queue(found: Sequence[Worker], pair: leases.Pair, ticket: ClaimTicket) -> list[SweepUnit]:
    """One unit per queue."""
    by_queue: dict[str, list[Worker]] = defaultdict(list)
    for each in found:
        by_queue[each.queue].append(each)
    return [
        SweepUnit(Claim(pair, [each.worker_id for each in some], ticket.fence), queue, some)
        for queue, some in by_queue.items()
    ]


def said(answer: Done | Later | Failed) -> str:
    """The answer in words."""
    return "the resource was asked to end it" if isinstance(answer, Done) else answer.reason
