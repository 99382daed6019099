"""Hands intended workers to their resources and records the answers.

Claiming an intent and calling the resource are apart: the claim says, committed, "the resource may have been asked",
and from then on only the recorded answer or a search by marker (`reconciler`) decides what became of it.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog
from pydantic import JsonValue
from sqlalchemy import Connection

from harvester.agents.base import Agent, Pace, Unit
from harvester.agents.event_news import prefetch
from harvester.agents.failpoints import reach
from harvester.agents.settling import record_submitted, settle_absent, time_to_settle
from harvester.core.files import INPUT_KINDS, File
from harvester.core.workers import Worker
from harvester.plugins.api import Assignment, Done, Fed, Later, Refused, SubmitOutcome, Submitted, Unclear
from harvester.store import files, history, jobs, leases, queues, worker_claims, workers
from harvester.store.leases import WORKER_WORK, Claim, ClaimTicket
from harvester.store.schema import WorkerPhase

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Progress:
    """How far a unit has come.

    Attributes:
        asked: whether the resource was asked, so that only a search by marker may decide.
        late: what was submitted and found to be no longer ours when it was to be recorded.
    """

    asked: bool = False
    late: Sequence[tuple[Worker, Submitted]] = ()


@dataclass(frozen=True, slots=True)
class SubmitUnit(Unit):
    """Workers of one queue with what they are to run."""

    assignments: Sequence[Assignment]
    progress: _Progress = field(default_factory=_Progress)


class Submitter(Agent[SubmitUnit, Sequence[SubmitOutcome]]):
    """See the module."""

    name = "submitter"

    @property
    def pace(self) -> Pace:
        """`[submitter] sleepTime`, `lockInterval` and `nThreads`."""
        section = self.instance.settings.submitter
        return Pace(section.sleep_time, section.lock_interval, section.n_threads)

    def horizon(self, connection: Connection, besides: Collection[str] = ()) -> datetime | None:
        """When the next intent may be submitted."""
        return leases.next_due(connection, WORKER_WORK, WorkerPhase.SUBMIT, besides=besides)

    def left_alone(self, connection: Connection, now: datetime) -> frozenset[str]:
        """Paused queues."""
        return self.instance.held.paused(connection, self.instance.plugins.queues, now)

    def claim(self, connection: Connection, ticket: ClaimTicket) -> Sequence[SubmitUnit]:
        """Intents by queue, except those of queues that are paused, still being submitted to, or have just failed."""
        busy = ticket.busy | self.left_alone(connection, ticket.now)
        wanted = worker_claims.claim_intents(connection, replace(ticket, busy=busy))
        job_ids = [job for each in wanted for job in each.job_ids]
        params = jobs.params_of(connection, job_ids) if job_ids else {}
        inputs = files.of_jobs(connection, job_ids, INPUT_KINDS) if job_ids else {}
        by_queue: dict[str, list[Assignment]] = defaultdict(list)
        for each in wanted:
            by_queue[each.queue].append(_assignment(each, params, inputs))
        return [
            SubmitUnit(
                Claim(WORKER_WORK, [each.worker.worker_id for each in assignments], ticket.fence), queue, assignments
            )
            for queue, assignments in by_queue.items()
        ]

    def act(self, unit: SubmitUnit) -> Sequence[SubmitOutcome]:
        """Fill the access points and ask the resource to take the workers, in as few calls as it allows.

        Before either of it the claim is looked at: a process that was frozen meanwhile must not disturb its successor.
        """
        resource, messenger = self.instance.plugins.submitter(unit.about), self.instance.plugins.messenger(unit.about)
        outcomes: dict[int, SubmitOutcome] = {each.worker.worker_id: _TAKEN_OVER for each in unit.assignments}
        reach("submitter.before_feed")
        ours = self._still_ours(unit, unit.assignments)
        fed = self.instance.call(messenger.feed, ours, Later)
        ready = [_as_fed(each, answer) for each, answer in zip(ours, fed, strict=True) if isinstance(answer, Done)]
        outcomes |= {
            each.worker.worker_id: Refused(f"its access point could not be filled: {answer.reason}")
            for each, answer in zip(ours, fed, strict=True)
            if not isinstance(answer, Done)
        }
        reach("submitter.before_submit")
        wanted, unable = self._with_scripts(unit.about, self._still_ours(unit, ready))
        outcomes |= unable
        unit.progress.asked = True
        answers = self.instance.call(resource.submit, wanted, Unclear)
        reach("submitter.after_submit")
        outcomes |= {worker.worker_id: answer for worker, answer in zip(wanted, answers, strict=True)}
        result = [outcomes[each.worker.worker_id] for each in unit.assignments]
        _log_troubles(unit, result)
        return result

    def _with_scripts(self, queue: str, some: Sequence[Assignment]) -> tuple[list[Worker], dict[int, Refused]]:
        """The workers with what their worker maker lets them run, and those of which it cannot say it."""
        made = [each.worker for each in some]
        told = self.instance.call(self.instance.plugins.worker_maker(queue).launch_scripts, made, Refused)
        pairs = list(zip(made, told, strict=True))
        unable = {worker.worker_id: answer for worker, answer in pairs if isinstance(answer, Refused)}
        able = [(worker, script) for worker, script in pairs if not isinstance(script, Refused)]
        return [replace(worker, launch_script=script) if script else worker for worker, script in able], unable

    def _still_ours(self, unit: SubmitUnit, some: Sequence[Assignment]) -> list[Assignment]:
        ids = [each.worker.worker_id for each in some]
        with self.instance.db.read() as connection:
            held = leases.held_keys(connection, WORKER_WORK, ids, unit.claim.fence) if ids else frozenset()
        return [each for each in some if each.worker.worker_id in held]

    def give_back(self, connection: Connection, unit: SubmitUnit, due: datetime) -> None:
        """Workers that the resource was not asked to take are submitted later; the others are searched."""
        if unit.progress.asked:
            super().give_back(connection, unit, due)
        else:
            ids = [each.worker.worker_id for each in unit.assignments]
            worker_claims.return_intents(connection, ids, unit.claim.fence, due)

    def commit(self, connection: Connection, unit: SubmitUnit, result: Sequence[SubmitOutcome]) -> Sequence[str]:
        """Batch ids and refusals are recorded; what is unclear stays for the reconciler."""
        now = self.instance.clock()
        ours = leases.held_keys(connection, WORKER_WORK, [int(key) for key in unit.claim.keys], unit.claim.fence)
        told = [(each.worker, outcome) for each, outcome in zip(unit.assignments, result, strict=True)]
        answered = [(worker, outcome) for worker, outcome in told if worker.worker_id in ours]
        unit.progress.late = [
            (worker, outcome)
            for worker, outcome in told
            if worker.worker_id not in ours and isinstance(outcome, Submitted)
        ]
        taken = [(worker, outcome) for worker, outcome in answered if isinstance(outcome, Submitted)]
        refused = [(worker, outcome) for worker, outcome in answered if isinstance(outcome, Refused)]
        unclear = [(worker, outcome) for worker, outcome in answered if isinstance(outcome, Unclear)]
        record_submitted(connection, taken, unit.claim.fence, now, self.name)
        held = {worker.worker_id for worker, _ in taken}
        mine = [each for each in unit.assignments if each.worker.worker_id in held]
        wants_ranges = prefetch(connection, self.instance, unit.about, mine, now)
        settle_absent(connection, self.instance, refused, fence=unit.claim.fence, now=now, agent=self.name)
        self._leave_unclear(connection, unclear, unit, now)
        if answered:
            self._judge_resource(connection, unit.about, len(taken), [*refused, *unclear], now)
        feeder = ("event feeder",) if wants_ranges else ()
        return ("monitor", "propagator", "worker propagator", "reconciler", "sizer", *feeder)

    def _judge_resource(
        self,
        connection: Connection,
        queue: str,
        taken: int,
        missing: Sequence[tuple[Worker, Refused | Unclear]],
        now: datetime,
    ) -> None:
        """A queue of whose workers nothing was taken rests; the reason is shown to whoever asks about the queue."""
        problem = missing[0][1].reason if missing else ""
        if taken:
            self.instance.refusals.forgive(queue)
        elif any(isinstance(outcome, Refused) for _, outcome in missing):
            self.instance.refusals.note_refusal(queue, problem)
        text = "not all workers were taken" if problem else "the resource takes the workers"
        queues.note(connection, self.name, {queue: {"text": text, "problem": problem[:500]}}, now)

    def _leave_unclear(
        self, connection: Connection, unclear: Sequence[tuple[Worker, Unclear]], unit: SubmitUnit, now: datetime
    ) -> None:
        if not unclear:
            return
        settle = time_to_settle(self.instance.plugins.submitter(unit.about))
        changes = [{"worker_id": worker.worker_id, "diagnostics": answer.reason[:500]} for worker, answer in unclear]
        workers.settle(connection, changes, unit.claim.fence, {"due": now + settle})
        kind, became = history.Kind.WORKER, "submission unclear"
        events = [
            history.Event(
                kind, worker.worker_id, now, worker.status, became, f"{answer.reason}; {_SEARCHED}", self.name
            )
            for worker, answer in unclear
        ]
        history.record(connection, events)

    def after_commit(self, unit: SubmitUnit, result: Sequence[SubmitOutcome]) -> None:  # noqa: ARG002 (the agent's signature)
        """What was submitted under a claim that others have taken over meanwhile must not run beside their decision."""
        if not unit.progress.late:
            return
        late = {worker.worker_id: replace(worker, batch_id=outcome.batch_id) for worker, outcome in unit.progress.late}
        with self.instance.db.read() as connection:
            for held in workers.find(connection, list(late)):
                if _is_or_may_become(held.worker, late[held.worker.worker_id].batch_id):
                    del late[held.worker.worker_id]
        if late:
            log.error("batch jobs submitted after their claim was lost are killed", workers=sorted(late))
            self._kill(unit.about, list(late.values()))

    def _kill(self, queue: str, late: Sequence[Worker]) -> None:
        """No row knows of these batch jobs, so nobody would try it again."""
        answers = self.instance.call(self.instance.plugins.sweeper(queue).kill, late, Later)
        left = [(worker, answer) for worker, answer in zip(late, answers, strict=True) if not isinstance(answer, Done)]
        for worker, answer in left:
            what = "a batch job that no worker has could not be killed; end it by hand"
            log.error(what, queue=queue, worker=worker.worker_id, batch_id=worker.batch_id, reason=answer.reason)


def _as_fed(assignment: Assignment, answer: Done) -> Assignment:
    """With the variables that the messenger has for the batch job."""
    if not isinstance(answer, Fed) or not answer.variables:
        return assignment
    return replace(assignment, worker=replace(assignment.worker, variables=answer.variables))


def _is_or_may_become(worker: Worker, batch_id: str | None) -> bool:
    """Whether the batch job is the worker's, or the reconciler may still find it to be."""
    return worker.batch_id == batch_id or (worker.batch_id is None and not worker.status.is_final)


_SEARCHED = "it will be searched by its marker"
_TAKEN_OVER = Unclear("another process has taken it over")


def _assignment(
    worker: Worker, params: Mapping[int, Mapping[str, JsonValue]], inputs: Mapping[int, Sequence[File]]
) -> Assignment:
    mine = worker.job_ids
    return Assignment(
        worker,
        {job: params[job] for job in mine if job in params},
        {job: inputs[job] for job in mine if job in inputs},
    )


def _log_troubles(unit: SubmitUnit, outcomes: Sequence[SubmitOutcome]) -> None:
    """One line per reason, however many workers it concerns."""
    by_reason: dict[tuple[str, str], list[int]] = defaultdict(list)
    for each, outcome in zip(unit.assignments, outcomes, strict=True):
        match outcome:
            case Refused(reason=reason):
                by_reason["submission refused", reason].append(each.worker.worker_id)
            case Unclear(reason=reason):
                by_reason["submission unclear, the workers will be searched", reason].append(each.worker.worker_id)
    for (what, reason), ids in by_reason.items():
        log.warning(what, queue=unit.about, workers=len(ids), first_worker=min(ids), reason=reason)
