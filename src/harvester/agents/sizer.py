"""Decides how many workers each queue gets now, what they look like, and stores the intent to submit them.

The intent charges the queue's budget before any resource is asked, so limits hold whatever happens later.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Final

from sqlalchemy import Connection

from harvester.agents.base import Agent, Instance, Pace, Unit
from harvester.agents.free_slots import opening_of
from harvester.agents.group_terms import with_slots, with_terms
from harvester.agents.holds import leave_held
from harvester.agents.intents import Intents, Planned, Unplanned
from harvester.agents.matching import Matched, match, most_wanted, needs_matching
from harvester.agents.queue_sizes import QueueSizes
from harvester.agents.throttling import Throttling
from harvester.config.queues import QueueConfig
from harvester.core.grouping import GroupRules, group_jobs
from harvester.core.holds import HoldMode
from harvester.core.kinds import Want, WorkerKind, said
from harvester.core.labels import SLOTS, draw_label
from harvester.core.sizing import CYCLE_LIMITS, Admission, Sizing, by_resource_type, within
from harvester.core.workers import MapType
from harvester.plugins.api import Failed, FreeSlot, GroupToServe, WorkerPlan
from harvester.store import history, jobs, leases, queues
from harvester.store.leases import BATCH, QUEUE_SIZE, Claim, ClaimTicket

_QUEUES_AT_ONCE: Final = 500
_QUEUES_TO_SERVE: Final = 50
"""Of those looked at together; the others are due at once again."""


@dataclass(frozen=True, slots=True)
class SizeUnit(Unit):
    """One queue that gets new workers.

    Attributes:
        groups: the jobs that they are for; None where that is yet to be found out (`matching`).
    """

    sizing: Sizing
    groups: Sequence[GroupToServe] | None


class Sizer(Agent[SizeUnit, Planned]):
    """See the module."""

    name = "sizer"

    def __init__(self, instance: Instance) -> None:
        super().__init__(instance)
        self._queue_sizes = QueueSizes(instance)
        self._throttling = Throttling(instance)
        self._intents = Intents(instance, self.name)

    @property
    def pace(self) -> Pace:
        """`[submitter] sleepTime`, `queueLockInterval` (else `lockInterval`) and `nThreads`."""
        section = self.instance.settings.submitter
        return Pace(section.sleep_time, section.queue_lock_interval or section.lock_interval, section.n_threads)

    def horizon(self, connection: Connection, besides: Collection[str] = ()) -> datetime | None:
        """When the next queue has to be looked at."""
        return leases.next_due(connection, QUEUE_SIZE, besides=besides)

    def claim(self, connection: Connection, ticket: ClaimTicket) -> Sequence[SizeUnit]:
        """Queues that get workers now, with the jobs these are for; why the others get none is noted."""
        due = leases.claim_queues(connection, QUEUE_SIZE, replace(ticket, limit=_QUEUES_AT_ONCE))
        names = self._without_resting(connection, self._without_held(connection, due, ticket), ticket)
        sizes = self._sizes(connection, names, ticket.now)
        still = [name for name in names if name not in sizes or sizes[name].new_workers == 0]
        later = ticket.now + timedelta(seconds=self.instance.settings.submitter.lookup_time)
        leases.let_queues_go(connection, QUEUE_SIZE, still, ticket.fence, due=later, now=ticket.now)
        notes = {name: _note(sizes[name]) for name in still if name in sizes}
        queues.note(connection, self.name, notes, ticket.now)
        served = [name for name in names if name in sizes and sizes[name].new_workers > 0]
        later_on = served[_QUEUES_TO_SERVE:]
        leases.let_queues_go(connection, QUEUE_SIZE, later_on, ticket.fence, due=ticket.now, now=ticket.now)
        return [self._unit(connection, name, sizes[name], ticket) for name in served[:_QUEUES_TO_SERVE]]

    def _without_held(self, connection: Connection, names: Sequence[str], ticket: ClaimTicket) -> Sequence[str]:
        """The queues that nobody holds back; one that is drained still gets workers for the jobs that it has."""
        held = self.instance.held.of(connection, names, ticket.now)
        still = {name: hold for name, hold in held.items() if hold.mode is HoldMode.PAUSE or self._pulls(name)}
        leave_held(connection, QUEUE_SIZE, still, ticket, self.name)
        return [name for name in names if name not in still]

    def _pulls(self, name: str) -> bool:
        queue = self.instance.plugins.queues.get(name)
        return queue is not None and queue.map_type is MapType.NO_JOB

    def _without_resting(self, connection: Connection, names: Sequence[str], ticket: ClaimTicket) -> Sequence[str]:
        """The queues that may get workers; those whose resource refuses everything are looked at after their rest."""
        resting = {name: rest for name in names if (rest := self.instance.refusals.resting(name))}
        if not resting:
            return names
        due = ticket.now + timedelta(seconds=min(rest.seconds for rest in resting.values()))
        leases.let_queues_go(
            connection, QUEUE_SIZE, list(resting), ticket.fence, due=due, now=ticket.now, not_before=due
        )
        notes = {
            name: {
                "text": "no new workers until the queue has rested",
                "problem": f"nothing was taken of {rest.refusals} submissions in a row: {rest.reason}"[:500],
            }
            for name, rest in resting.items()
        }
        queues.note(connection, self.name, notes, ticket.now)
        return [name for name in names if name not in resting]

    def _sizes(self, connection: Connection, names: Sequence[str], now: datetime) -> dict[str, Sizing]:
        known = {name: config for name in names if (config := self.instance.plugins.queues.get(name))}
        wanted = most_wanted(connection, known, jobs.count_waiting(connection, names, now), now)
        return self._queue_sizes.decide(connection, known, wanted)

    def _unit(self, connection: Connection, name: str, sizing: Sizing, ticket: ClaimTicket) -> SizeUnit:
        queue = self.instance.plugins.queue(name)
        claim = Claim(QUEUE_SIZE, [name], ticket.fence)
        if needs_matching(queue):
            return SizeUnit(claim, name, sizing, None)
        number = sizing.new_workers if sizing.limit in CYCLE_LIMITS else min(sizing.new_workers, BATCH)
        pull = queue.map_type is MapType.NO_JOB
        waiting = [] if pull else jobs.best_waiting(connection, name, number, ticket.now)
        params = jobs.params_of(connection, [job.job_id for job in waiting])
        groups = [
            GroupToServe(group, {job.job_id: params[job.job_id] for job in group}, kind)
            for group, kind in zip(
                group_jobs(GroupRules(queue.map_type), waiting, number),
                self._kinds(queue, sizing, number),
                strict=False,
            )
        ]
        return SizeUnit(claim, name, sizing, groups)

    def _kinds(self, queue: QueueConfig, sizing: Sizing, number: int) -> Iterator[WorkerKind]:
        """What each new worker is for, as far as no job says it (core reference §4.9, §4.10)."""
        weights = queue.prod_source_label_random_weights_permille
        for kind in sizing.kinds(number):
            label = kind.label
            if label is None and weights:
                label = draw_label(weights, None, self.instance.draw(SLOTS))
            job_type = kind.job_type or said(queue.job_type)
            yield WorkerKind(job_type, kind.resource_type or said(queue.resource_type), label)

    def act(self, unit: SizeUnit) -> Planned:
        """Let the worker maker say what the workers look like; those that do not fit into a limit are not made."""
        plugins = self.instance.plugins
        template = plugins.messenger(unit.about).access_point_template()
        if objection := self._throttling.objection(unit.about):
            return Planned((), (), template, Sizing(0, "throttler", objection))
        queue = plugins.queue(unit.about)
        opening = opening_of(self.instance, queue, unit.sizing)
        sizing = within(unit.sizing, opening.room) if opening.room else unit.sizing
        matched, sizing = self._matched(unit, sizing, opening.slots)
        groups = with_terms(queue, with_slots(self.instance, unit.about, matched.groups))
        matched = replace(matched, groups=_with_nodes(groups, opening.slots))
        plans = self.instance.call(plugins.worker_maker(unit.about).make, matched.groups, Unplanned)
        gate = Admission(unit.sizing.rooms)
        admitted = [_admitted(plan, gate) for plan in plans]
        return Planned(matched.groups, admitted, template, sizing, matched.at_once, opening.uses_up)

    def _matched(self, unit: SizeUnit, sizing: Sizing, slots: Sequence[FreeSlot]) -> tuple[Matched, Sizing]:
        """The jobs for the new workers, and the decision as far as there are any."""
        if unit.groups is not None:
            return Matched(unit.groups[: sizing.new_workers], sizing.reason), sizing
        if not sizing.new_workers:
            return Matched((), sizing.reason), sizing
        queue = self.instance.plugins.queue(unit.about)
        matched = match(self.instance, queue, sizing.new_workers, slots)
        groups = [
            replace(group, kind=kind)
            for group, kind in zip(matched.groups, self._kinds(queue, sizing, len(matched.groups)), strict=True)
        ]
        if len(groups) < min(sizing.new_workers, BATCH):
            sizing = replace(sizing, new_workers=len(groups), limit="jobs", reason=matched.reason)
        return replace(matched, groups=groups), sizing

    def commit(self, connection: Connection, unit: SizeUnit, result: Planned) -> Sequence[str]:
        """Every planned worker is a row with an identifier, and its jobs are bound to it."""
        now = self.instance.clock()
        due = now if self._is_more_wanted(result) else self._next_look(now)
        rest = self._rest(result, now)
        held = leases.let_queues_go(
            connection, QUEUE_SIZE, [unit.about], unit.claim.fence, due=due, now=now, not_before=rest
        )
        if not held:
            return ()
        queue = self.instance.plugins.queue(unit.about)
        intents = self._intents.store(connection, queue, result, self._next_look(now))
        history.record(
            connection,
            [
                history.Event(
                    history.Kind.WORKER, each.worker_id, now, None, each.status, result.sizing.reason, self.name
                )
                for each in intents
            ],
        )
        done = _carried_out(result.sizing, result, len(intents))
        queues.note(connection, self.name, {unit.about: _note(done)}, now)
        return ("submitter", self.name)

    def _is_more_wanted(self, result: Planned) -> bool:
        """Whether the decision is carried out only in part; what no plan could be had for waits for the next look."""
        is_planned = not any(isinstance(plan, Unplanned) for plan in result.plans)
        return is_planned and not result.uses_up and len(result.groups) < result.sizing.new_workers

    def _next_look(self, now: datetime) -> datetime:
        settings = self.instance.settings.submitter
        return now + timedelta(seconds=max(settings.lookup_time, settings.min_submission_interval))

    def _rest(self, result: Planned, now: datetime) -> datetime | None:
        """Until when the queue gets no further workers, whatever happens meanwhile."""
        if result.uses_up or result.sizing.limit in CYCLE_LIMITS:
            return self._next_look(now)
        interval = self.instance.settings.submitter.min_submission_interval
        return now + timedelta(seconds=interval) if interval else None


def _admitted(plan: WorkerPlan | Failed | Unplanned, gate: Admission) -> WorkerPlan | Failed | Unplanned:
    """The plan, unless it is one of a worker that is too large for what the limits on cores and memory leave."""
    if not isinstance(plan, WorkerPlan):
        return plan
    room = gate.refusal(Want(1, cores=plan.cores, ram_mb=plan.ram_mb))
    if room is None:
        return plan
    size = f"{plan.cores} cores and {plan.ram_mb} MB"
    return Unplanned(f"{room.reason}, which leaves too little for another worker of {size}", room.limit)


def _with_nodes(groups: Sequence[GroupToServe], slots: Sequence[FreeSlot]) -> Sequence[GroupToServe]:
    """The groups with the free nodes that each is to run on, where these matter."""
    if not slots:
        return groups
    return [replace(group, free=slot) for group, slot in zip_longest(groups, slots[: len(groups)])]


def _carried_out(sizing: Sizing, result: Planned, made: int) -> Sizing:
    """The decision as it was carried out."""
    left_out = next((plan for plan in result.plans if isinstance(plan, Unplanned) and plan.limit), None)
    if left_out is None:
        return sizing
    return replace(sizing, new_workers=made, limit=left_out.limit, reason=left_out.reason)


def _note(sizing: Sizing) -> dict[str, object]:
    by_type = by_resource_type(sizing.shares)
    told = {"by_type": by_type} if by_type else {}
    return {"new_workers": sizing.new_workers, "limit": sizing.limit, "text": sizing.reason, **told}
