"""Asks resources to end workers that are to be killed, again and again until they are seen to have ended."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from harvester.agents.base import Agent, Pace
from harvester.agents.settling import cancel_jobs_of, record_missed
from harvester.agents.sweeper import REPEATABLE, Answers, SweepUnit, by_queue, said
from harvester.plugins.api import Later
from harvester.store import history, leases, worker_claims, workers
from harvester.store.leases import UNCLAIMED, WORKER_KILL, ClaimTicket

_SENT: Final = "kill sent"


class Killer(Agent[SweepUnit, Answers]):
    """See the module."""

    name = "killer"

    @property
    def pace(self) -> Pace:
        """`[sweeper] sleepTime` and `nThreads`; what is repeated after ten minutes does no harm."""
        section = self.instance.settings.sweeper
        return Pace(section.sleep_time, REPEATABLE, section.n_threads)

    def horizon(self, connection: Connection, besides: Collection[str] = ()) -> datetime | None:
        """When the next worker is to be killed."""
        return leases.next_due(connection, WORKER_KILL, besides=besides)

    def waiting_since(self, connection: Connection, besides: Collection[str] = ()) -> datetime | None:
        """Workers of which nobody knows whether the resource holds them wait for the reconciler."""
        return worker_claims.next_to_kill(connection, besides)

    def claim(self, connection: Connection, ticket: ClaimTicket) -> Sequence[SweepUnit]:
        """Workers to kill, by queue; those that the resource was not asked to take yet end here."""
        self._end_intents(connection, ticket)
        found = worker_claims.claim_to_kill(connection, ticket)
        return by_queue(found, WORKER_KILL, ticket)

    def _end_intents(self, connection: Connection, ticket: ClaimTicket) -> None:
        unwanted = worker_claims.condemned_intents(connection, ticket)
        if len(unwanted) == ticket.limit:
            ticket.reached_limit.set()
        reasons = [(each, "killed before it was submitted") for each in unwanted]
        record_missed(connection, self.instance, reasons, fence=UNCLAIMED, now=ticket.now, agent=self.name)
        cancel_jobs_of(connection, unwanted, ticket.now, self.name)

    def act(self, unit: SweepUnit) -> Answers:
        """Ask the resource."""
        return self.instance.call(self.instance.plugins.sweeper(unit.about).kill, unit.workers, Later)

    def commit(self, connection: Connection, unit: SweepUnit, result: Answers) -> Sequence[str]:
        """What the resource says is history, but not again and again; only a check tells that a worker has ended."""
        now = self.instance.clock()
        again = now + timedelta(seconds=self.instance.settings.sweeper.check_interval)
        ids = [each.worker_id for each in unit.workers]
        workers.settle_kills(connection, ids, unit.claim.fence, again)
        known = history.last_causes(connection, history.Kind.WORKER, ids, _SENT)
        told = [(each, said(answer)) for each, answer in zip(unit.workers, result, strict=True)]
        history.record(
            connection,
            [
                history.Event(history.Kind.WORKER, each.worker_id, now, each.status, _SENT, words, self.name)
                for each, words in told
                if known.get(each.worker_id) != words[: history.LONGEST_CAUSE]
            ],
        )
        return ("monitor",)
