"""Watches the workers that resources hold: one listing per endpoint and round, one write for what has changed.

A round covers all workers of all queues that share an endpoint. It is claimed by queue, not by worker, and a worker
about whom there is nothing new costs no write. The pace is set by how long a round takes: the resource answers for at
most a tenth of the time, and this machine works for at most a fortieth while there is little news; never more often
than the resource likes, never less often than `[monitor] checkInterval`.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, TypeVar

import structlog
from sqlalchemy import Connection

from harvester.agents.base import Agent, Instance, Pace, Unit
from harvester.agents.complaints import Complaints
from harvester.agents.job_changes import write_jobs
from harvester.agents.listening import Listener
from harvester.agents.settling import time_to_settle
from harvester.agents.sight_guard import NotListedYet, guard_sight
from harvester.core.errors import HarvesterError
from harvester.core.held import Held
from harvester.core.judging import Observation, Rules, Verdict, judge, reason_to_kill, trusted
from harvester.core.pacing import RoundPace
from harvester.core.workers import Worker, WorkerStatus
from harvester.plugins.api import (
    CheckOutcome,
    Gone,
    Seen,
    Unknown,
)
from harvester.plugins.pool import PluginNotReadyError
from harvester.store import asking, history, leases, queues, workers
from harvester.store.leases import QUEUE_FETCH, QUEUE_MONITOR, QUEUE_SIZE, Claim, ClaimTicket
from harvester.store.schema import WorkerPhase

log = structlog.get_logger(__name__)

DecisionT = TypeVar("DecisionT")

_QUEUES_AT_ONCE: Final = 10_000
_UNTIL_READY: Final = timedelta(seconds=2)
_LEAST_GATHER: Final = timedelta(minutes=2)
"""What a worker wrote last may become visible late, however short `postProcessTimeout` is."""
_WAKES: Final = ("propagator", "worker propagator", "stager", "sizer", "job fetcher", "sweeper")


@dataclass(frozen=True, slots=True)
class MonitorUnit(Unit):
    """Queues whose workers are on one endpoint."""

    queues: Sequence[str]
    endpoint: str


@dataclass(frozen=True, slots=True)
class Round:
    """What one round told, and how long the resource took to answer.

    Attributes:
        worked: how long Harvester itself took to read what it knew and to listen to the workers.
        written: queues whose part is in the database; the others were taken over by somebody else meanwhile.
    """

    seen: Sequence[Observation]
    took: timedelta
    worked: timedelta
    written: set[str] = field(default_factory=set)


class Monitor(Agent[MonitorUnit, Round]):
    """See the module."""

    name = "monitor"

    def __init__(self, instance: Instance) -> None:
        super().__init__(instance)
        self._listener = Listener(instance)
        self._paces: dict[str, RoundPace] = {}
        self._unchecked = Complaints[str]()
        self._unreadable = Complaints[tuple[str, int]]()

    @property
    def pace(self) -> Pace:
        """`[monitor] sleepTime`, `lockInterval` and `nThreads`."""
        section = self.instance.settings.monitor
        return Pace(section.sleep_time, section.lock_interval, section.n_threads)

    def horizon(self, connection: Connection, besides: Collection[str] = ()) -> datetime | None:
        """When the next round is due."""
        return leases.next_due(connection, QUEUE_MONITOR, besides=besides)

    def claim(self, connection: Connection, ticket: ClaimTicket) -> Sequence[MonitorUnit]:
        """Queues that are due, by endpoint; those without a usable monitor plugin are told and left alone."""
        names = leases.claim_queues(connection, QUEUE_MONITOR, replace(ticket, limit=_QUEUES_AT_ONCE))
        by_endpoint: dict[tuple[str, str], list[str]] = defaultdict(list)
        broken: dict[str, str] = {}
        unready: list[str] = []
        for name in names:
            try:
                endpoint = self._endpoint(name)
            except PluginNotReadyError:
                unready.append(name)
            except HarvesterError as error:
                broken[name] = str(error)
            else:
                apart = f", queue {name} alone" if self._listener.is_late(name) else ""
                by_endpoint[endpoint, apart].append(name)
        if unready:
            soon = ticket.now + _UNTIL_READY
            leases.let_queues_go(connection, QUEUE_MONITOR, unready, ticket.fence, due=soon, now=ticket.now)
        if broken:
            self._leave(connection, broken, ticket)
        return [
            MonitorUnit(Claim(QUEUE_MONITOR, some, ticket.fence), f"{endpoint}{apart}", some, endpoint)
            for (endpoint, apart), some in by_endpoint.items()
        ]

    def _endpoint(self, queue: str) -> str:
        resource = self.instance.plugins.monitor(queue)
        return f"{type(resource).__name__} {resource.endpoint}"

    def _leave(self, connection: Connection, broken: Mapping[str, str], ticket: ClaimTicket) -> None:
        later = ticket.now + timedelta(seconds=self.instance.settings.monitor.check_interval)
        leases.let_queues_go(connection, QUEUE_MONITOR, list(broken), ticket.fence, due=later, now=ticket.now)
        notes = {name: {"text": f"its workers are not watched: {reason}"} for name, reason in broken.items()}
        queues.note(connection, self.name, notes, ticket.now)

    # ---- asking ------------------------------------------------------------------------------------------------------

    def act(self, unit: MonitorUnit) -> Round:
        """Ask the resource about all workers at once, then the messengers about those that run or have ended."""
        clock = self.instance.clock
        began = clock()
        with self.instance.db.read() as connection:
            found = workers.monitored(connection, unit.queues)
        there = self._still_there(unit)
        held = found if len(there) == len(unit.queues) else [each for each in found if each.worker.queue in there]
        asked = clock()
        seen = self._check(there, held)
        took = clock() - asked
        heard = self._listener.listen(seen, alone=len(unit.queues) == 1)
        return Round(heard, took, clock() - began - took)

    def _still_there(self, unit: MonitorUnit) -> Sequence[str]:
        """The queues that are still asked about at this endpoint: their configuration may have changed meanwhile.

        Looked at after the workers were read, so that no worker is unknown where it is asked about.
        """
        return [name for name in unit.queues if self._endpoint(name) == unit.endpoint]

    def _check(self, queues: Sequence[str], held: Sequence[Held]) -> list[Observation]:
        seen = [Observation(each, Seen(each.batch_end)) for each in held if each.batch_end is not None]
        asked = [each for each in held if each.batch_end is None]
        if not asked:
            return seen
        resource = self.instance.plugins.monitor(queues[0])
        # from the question on, not from the answer: a slow one shows an old picture
        settled = self.instance.clock() - time_to_settle(resource)
        answers = self.instance.call(resource.check, [each.worker for each in asked], Unknown)
        seen.extend(
            Observation(each, _not_yet_listed(each.worker, trusted(answer), settled))
            for each, answer in zip(asked, answers, strict=True)
        )
        return seen

    # ---- writing -----------------------------------------------------------------------------------------------------

    def commit(self, connection: Connection, unit: MonitorUnit, result: Round) -> Sequence[str]:
        """Everything that has changed is written; a queue that others have taken over meanwhile is left to them."""
        now = self.instance.clock()
        rules = {name: self._rules(name) for name in unit.queues}
        verdicts: Mapping[int, Verdict] = {
            each.held.worker.worker_id: verdict
            for each in result.seen
            if (verdict := judge(each, rules[each.held.worker.queue], now))
        }
        due = now + self._pace(unit, result, len(verdicts))
        ours = leases.let_queues_go(connection, QUEUE_MONITOR, unit.queues, unit.claim.fence, due=due, now=now)
        result.written.clear()
        result.written.update(ours)
        seen = [each for each in result.seen if each.held.worker.queue in ours]
        if len(seen) < len(result.seen):
            verdicts = {id_: verdicts[id_] for each in seen if (id_ := each.held.worker.worker_id) in verdicts}
        verdicts = _without_surprised(connection, [each for each in seen if _is_to_end(each, verdicts)], verdicts)
        self._write_workers(connection, seen, verdicts, now)
        asked = {each.held.worker.worker_id: each.jobs_wanted for each in seen if each.jobs_wanted}
        if asked:
            asking.note_asked(connection, asked, now)
        self._write_unseen(connection, seen, now)
        wakes = write_jobs(self.instance, connection, seen, verdicts, agent=self.name)
        condemned = self._write_kills(connection, seen, rules, now)
        workers.relate(connection, [pair for each in seen for pair in _new_relations(each)])
        changed = sorted({each.held.worker.queue for each in seen if _makes_room(each, verdicts)})
        for pair in (QUEUE_SIZE, QUEUE_FETCH):
            leases.nudge_queues(connection, pair, changed, now, timedelta(seconds=0.2))
        guard_sight(connection, seen, now)
        self._note(connection, seen, now)
        self._log_troubles(unit, seen)
        return (
            *(_WAKES if verdicts else ()),
            *(("killer",) if condemned else ()),
            *(("feeder",) if asked else ()),
            *wakes,
        )

    def _pace(self, unit: MonitorUnit, result: Round, news: int) -> timedelta:
        """The time to the next round, between what the resource likes at most and the configuration at least."""
        longest = timedelta(seconds=self.instance.settings.monitor.check_interval)
        if not result.seen:
            self._paces.pop(unit.about, None)
            return longest
        pace = self._paces.setdefault(unit.about, RoundPace())
        pause = pace.pause_after(answered=result.took, worked=result.worked, seen=len(result.seen), news=news)
        shortest = timedelta(seconds=self.instance.plugins.monitor(unit.queues[0]).poll_seconds)
        return min(max(pause, shortest), longest)

    def _rules(self, queue: str) -> Rules:
        settings = self.instance.settings.monitor
        config = self.instance.plugins.queue(queue)
        check_timeout = config.core.monitor.check_timeout or settings.check_timeout
        heartbeat = config.core.messenger.heartbeat_minutes
        ahead = max(self.instance.ahead(), timedelta())
        return Rules(
            queue_time=timedelta(seconds=settings.worker_queue_time_limit),
            check_timeout=None if check_timeout is None else timedelta(seconds=check_timeout),
            heartbeat=None if heartbeat is None else timedelta(minutes=heartbeat) + ahead,
            jobless=timedelta(seconds=settings.worker_job_time_limit),
            gather=max(timedelta(minutes=settings.post_process_timeout), _LEAST_GATHER) + ahead,
        )

    def _write_workers(
        self, connection: Connection, seen: Sequence[Observation], verdicts: Mapping[int, Verdict], now: datetime
    ) -> None:
        if not verdicts:
            return
        found = {each.held.worker.worker_id: each.held.worker for each in seen}
        rows = [self._row(found[worker_id], verdict) for worker_id, verdict in verdicts.items()]
        workers.change_seen(connection, [row for row in rows if row["phase"] is WorkerPhase.MONITOR], now)
        workers.change_ended(connection, [row for row in rows if row["phase"] is WorkerPhase.SWEEP], now)
        history.record(
            connection,
            [
                history.Event(
                    history.Kind.WORKER, each, now, found[each].status, verdict.status, verdict.cause, self.name
                )
                for each, verdict in verdicts.items()
                if verdict.status is not found[each].status
            ],
        )

    def _row(self, worker: Worker, verdict: Verdict) -> dict[str, object]:
        row: dict[str, object] = {
            "worker_id": worker.worker_id,
            "status": verdict.status,
            "native_status": verdict.native_status,
            "exit_code": verdict.exit_code,
            "error_code": verdict.error_code,
            "diagnostics": verdict.cause[:500],
            "node": verdict.node,
            "started_at": verdict.started_at,
            "ended_at": verdict.ended_at,
            "batch_end": verdict.batch_end,
            "phase": WorkerPhase.MONITOR,
        }
        if verdict.status.is_final and verdict.ended_at:
            keep = self.instance.settings.sweeper.keep_time(verdict.status)
            row |= {"phase": WorkerPhase.SWEEP, "due": verdict.ended_at + keep}
        return row

    def _write_unseen(self, connection: Connection, seen: Sequence[Observation], now: datetime) -> None:
        lost = [each for each in seen if isinstance(each.outcome, Unknown) and each.held.worker.unseen_since is None]
        back = [each for each in seen if not isinstance(each.outcome, Unknown) and each.held.worker.unseen_since]
        workers.mark_unseen(connection, [each.held.worker.worker_id for each in lost], now)
        workers.mark_unseen(connection, [each.held.worker.worker_id for each in back], None)

    def _write_kills(
        self, connection: Connection, seen: Sequence[Observation], rules: Mapping[str, Rules], now: datetime
    ) -> bool:
        wanted = {
            each.held.worker.worker_id: kill
            for each in seen
            if each.held.kill_error is None and (kill := reason_to_kill(each, rules[each.held.worker.queue], now))
        }
        jobless = [each for each in seen if each.is_jobless and each.held.worker.worker_id in wanted]
        kills = _without_surprised(connection, jobless, wanted)
        workers.request_kill(connection, kills, now, self.name)
        return bool(kills)

    def _note(self, connection: Connection, seen: Sequence[Observation], now: datetime) -> None:
        unknown = {
            each.held.worker.queue: each.outcome.reason for each in seen if isinstance(each.outcome, Unknown | Gone)
        }
        problems = {each.held.worker.queue: each.news.problem for each in seen if each.news.problem}
        names = {each.held.worker.queue for each in seen}
        notes = {
            name: {
                "text": f"not all workers could be checked: {unknown[name]}" if name in unknown else "workers checked",
                "problem": problems.get(name, ""),
            }
            for name in names
        }
        queues.note(connection, self.name, notes, now)

    def _log_troubles(self, unit: MonitorUnit, seen: Sequence[Observation]) -> None:
        unchecked = {
            each.held.worker.queue: each.outcome.reason
            for each in seen
            if isinstance(each.outcome, Unknown) and each.held.worker.unseen_since
        }
        for queue, reason in self._unchecked.fresh(unit.about, unchecked).items():
            log.warning("not all workers could be checked", queue=queue, reason=reason)
        unreadable = {
            (each.held.worker.queue, each.held.worker.worker_id): each.news.problem
            for each in seen
            if each.news.problem
        }
        for (queue, worker), problem in self._unreadable.fresh(unit.about, unreadable).items():
            log.warning("the worker's word cannot be used", queue=queue, worker=worker, problem=problem)

    def after_commit(self, unit: MonitorUnit, result: Round) -> None:  # noqa: ARG002 (the agent's signature)
        """The news are safe: the messengers need not tell them again."""
        self._listener.acknowledge([each for each in result.seen if each.held.worker.queue in result.written])


def _is_to_end(each: Observation, verdicts: Mapping[int, Verdict]) -> bool:
    """Whether it is taken for ended though it may have been given jobs meanwhile."""
    verdict = verdicts.get(each.held.worker.worker_id)
    return verdict is not None and verdict.status.is_final and each.may_get_jobs


def _without_surprised(
    connection: Connection, doubtful: Sequence[Observation], decided: Mapping[int, DecisionT]
) -> Mapping[int, DecisionT]:
    """What is decided of workers, without those that were given jobs meanwhile: the next round decides.

    Args:
        connection: a write transaction, until whose end nobody gives the doubtful ones jobs.
        doubtful: the workers that may have been given jobs since they were looked at.
        decided: what is to become of each worker, by its id.
    """
    if not doubtful:
        return decided
    had = {each.held.worker.worker_id: set(each.held.worker.job_ids) for each in doubtful}
    now_known = asking.lock_jobs_of(connection, had)
    return {worker: what for worker, what in decided.items() if worker not in had or now_known[worker] == had[worker]}


def _makes_room(each: Observation, verdicts: Mapping[int, Verdict]) -> bool:
    """Whether the queue may get other workers or jobs at once.

    Where workers fetch their own jobs, those that fail are replaced at the queue's own pace: nothing else would slow
    down a resource on which every worker fails as soon as it starts. So are those that got no job.
    """
    verdict = verdicts.get(each.held.worker.worker_id)
    if verdict is None or each.is_jobless:
        return False
    return each.has_pushed_jobs or verdict.status is not WorkerStatus.FAILED


def _new_relations(each: Observation) -> Iterator[tuple[int, int]]:
    """Jobs that a pulling worker says it runs, who says so in every round, as far as that is not known."""
    worker = each.held.worker
    return ((worker.worker_id, job) for job in each.news.job_ids if job not in worker.job_ids)


def _not_yet_listed(worker: Worker, answer: CheckOutcome, settled: datetime) -> CheckOutcome:
    """A batch job submitted a moment ago may be missing from a listing without being gone."""
    if isinstance(answer, Gone) and worker.submitted_at and worker.submitted_at > settled:
        return NotListedYet(f"just submitted and not listed yet: {answer.reason}")
    return answer
