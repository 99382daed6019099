"""Gives waiting jobs to workers that run and ask for them: late binding and refill (core reference §4.8).

Claiming binds the jobs, which is the intent, committed; then the messenger puts them where the worker finds them.
Whoever finds such a claim abandoned feeds the same jobs again, which changes nothing that the worker has seen already.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import Connection

from harvester.agents.base import Agent, Pace, Unit
from harvester.agents.failpoints import reach
from harvester.agents.matching import jobs_to_share
from harvester.agents.settling import release_jobs
from harvester.config.mapping import group_rules, spread_of
from harvester.config.queues import QueueConfig
from harvester.core.files import FileKind
from harvester.core.grouping import Group, Request, serve
from harvester.core.held import Held
from harvester.core.jobs import JobStatus, JobSubstatus, Kill, PilotError
from harvester.core.workers import MapType, Worker, WorkerStatus
from harvester.plugins.api import Assignment, Done, Failed, Later, Refused
from harvester.store import asking, files, history, jobs, leases, workers
from harvester.store.leases import TOGETHER, WORKER_REPORT, WORKER_WORK, Claim, ClaimTicket
from harvester.store.schema import WorkerPhase

log = structlog.get_logger(__name__)

_AGAIN: Final = timedelta(seconds=2)
"""After this time a worker that could not be fed is fed again."""

Answers = Sequence[Done | Later | Failed]


@dataclass(frozen=True, slots=True)
class FeedUnit(Unit):
    """Workers of one queue with the jobs that are new to them.

    Attributes:
        bound: the jobs that were bound by this very claim, by worker id: nobody else can have told the worker of them.
    """

    held: Sequence[Held]
    assignments: Sequence[Assignment]
    bound: Mapping[int, Collection[int]]


class Feeder(Agent[FeedUnit, Answers]):
    """See the module."""

    name = "feeder"

    @property
    def pace(self) -> Pace:
        """That of the submitter: `[submitter] sleepTime`, `lockInterval` and `nThreads`."""
        section = self.instance.settings.submitter
        return Pace(section.sleep_time, section.lock_interval, section.n_threads)

    def horizon(self, connection: Connection, besides: Collection[str] = ()) -> datetime | None:
        """When the next worker is to be given jobs."""
        return leases.next_due(connection, WORKER_WORK, WorkerPhase.MONITOR, besides=besides)

    # ---- binding -----------------------------------------------------------------------------------------------------

    def claim(self, connection: Connection, ticket: ClaimTicket) -> Sequence[FeedUnit]:
        """Workers that ask, with waiting jobs bound to them; where no jobs wait, they are looked at when some come."""
        held = asking.claim(connection, ticket)
        if not held:
            return []
        untold = asking.untold(connection, _ids(held))
        by_queue: dict[str, list[Held]] = defaultdict(list)
        for each in held:
            if each.jobs_asked and each.worker.worker_id not in untold and each.kill_error is None:
                by_queue[each.worker.queue].append(each)
        bound = {
            worker: frozenset(job.job_id for job in group)
            for queue, some in by_queue.items()
            for worker, group in self._bind(connection, queue, some, ticket.now).items()
        }
        known = untold.keys() | bound.keys()
        self._leave(connection, [each for each in held if each.worker.worker_id not in known], ticket)
        return self._units(connection, [each for each in held if each.worker.worker_id in known], untold, bound, ticket)

    def _bind(self, connection: Connection, name: str, askers: Sequence[Held], now: datetime) -> Mapping[int, Group]:
        queue = self.instance.plugins.queues.get(name)
        if queue is None or queue.map_type is MapType.NO_JOB:
            return {}
        requests = self._requests(connection, queue, askers)
        rules, wanted = group_rules(queue), sum(each.number for each in requests)
        if queue.map_type is MapType.ONE_TO_MANY:
            shared = jobs_to_share(connection, name, spread_of(queue), wanted, now)
            given = serve(rules, requests, shared.candidates, shared.rooms)
            at_once = {job.job_id: shared.at_once[job.job_id] for group in given.values() for job in group}
            ours = jobs.bind_shared(connection, at_once, self._next_growth(queue, now))
        else:
            given = serve(rules, requests, jobs.best_waiting(connection, name, wanted, now))
            ours = jobs.bind(connection, [job.job_id for group in given.values() for job in group])
        kept = {worker: tuple(job for job in group if job.job_id in ours) for worker, group in given.items()}
        kept = {worker: group for worker, group in kept.items() if group}
        asking.bind(connection, {worker: [job.job_id for job in group] for worker, group in kept.items()})
        self._note_bound(connection, kept, now)
        return kept

    def _requests(self, connection: Connection, queue: QueueConfig, askers: Sequence[Held]) -> list[Request]:
        """A worker without jobs is given a whole group, one that has some as many as it asks for."""
        known = {job for each in askers for job in each.worker.job_ids} if not queue.allow_job_mixture else ()
        tasks = {job.job_id: job.task_id for job in jobs.find(connection, known)} if known else {}
        group = queue.core.worker_maker.n_jobs_per_worker
        return [
            Request(
                each.worker.worker_id,
                each.jobs_asked if each.worker.job_ids else max(each.jobs_asked, group),
                frozenset(tasks[job] for job in each.worker.job_ids if job in tasks),
            )
            for each in askers
        ]

    def _next_growth(self, queue: QueueConfig, now: datetime) -> datetime:
        paced = queue.core.worker_maker.max_workers_per_job_per_cycle
        return now + timedelta(seconds=self.instance.settings.submitter.lookup_time) if paced else now

    def _note_bound(self, connection: Connection, given: Mapping[int, Group], now: datetime) -> None:
        kind, became = history.Kind.JOB, JobSubstatus.QUEUED
        events = [
            history.Event(kind, job.job_id, now, job.substatus, became, f"worker {worker} asked for it", self.name)
            for worker, group in given.items()
            for job in group
        ]
        history.record(connection, events)

    def _leave(self, connection: Connection, held: Sequence[Held], ticket: ClaimTicket) -> None:
        """Whoever prepares jobs makes these workers due at once; the time is for what nobody tells of."""
        later = ticket.now + timedelta(seconds=self.instance.settings.submitter.lookup_time)
        rows = [
            {"worker_id": each.worker.worker_id, "due": later if each.jobs_asked and each.kill_error is None else None}
            for each in held
        ]
        asking.settle(connection, rows, ticket.fence)

    def _units(
        self,
        connection: Connection,
        held: Sequence[Held],
        untold: Mapping[int, Collection[int]],
        bound: Mapping[int, Collection[int]],
        ticket: ClaimTicket,
    ) -> list[FeedUnit]:
        new = {**untold, **bound}
        job_ids = {job for each in held for job in new[each.worker.worker_id]}
        params = jobs.params_of(connection, job_ids) if job_ids else {}
        inputs = files.of_jobs(connection, job_ids, [FileKind.INPUT]) if job_ids else {}
        by_queue: dict[str, list[tuple[Held, Assignment]]] = defaultdict(list)
        for each in held:
            mine = new[each.worker.worker_id]
            worker = replace(each.worker, job_ids=tuple(sorted({*each.worker.job_ids, *mine})))
            given = {job: params[job] for job in mine if job in params}
            by_queue[worker.queue].append((each, Assignment(worker, given, {job: inputs[job] for job in mine})))
        return [
            FeedUnit(
                Claim(WORKER_WORK, [each.worker.worker_id for each, _ in some], ticket.fence),
                queue,
                [each for each, _ in some],
                [assignment for _, assignment in some],
                bound,
            )
            for queue, some in by_queue.items()
        ]

    # ---- feeding -----------------------------------------------------------------------------------------------------

    def act(self, unit: FeedUnit) -> Answers:
        """Have the messenger tell the workers of their jobs; a process that was frozen meanwhile tells nobody."""
        messenger = self.instance.plugins.messenger(unit.about)
        reach("feeder.before_feed")
        with self.instance.db.read() as connection:
            ours = leases.held_keys(connection, WORKER_WORK, _ids(unit.held), unit.claim.fence)
        wanted = [each for each in unit.assignments if each.worker.worker_id in ours]
        told = self.instance.call(messenger.feed_running, wanted, Later)
        reach("feeder.after_feed")
        answers = {each.worker.worker_id: answer for each, answer in zip(wanted, told, strict=True)}
        return [answers.get(each.worker.worker_id, Later("others have taken it over")) for each in unit.assignments]

    def commit(self, connection: Connection, unit: FeedUnit, result: Answers) -> Sequence[str]:
        """Workers that have their jobs run; those that cannot be given any are killed, and their jobs go to others."""
        now = self.instance.clock()
        ours = leases.held_keys(connection, WORKER_WORK, _ids(unit.held), unit.claim.fence)
        told = [
            (held, assignment, answer)
            for held, assignment, answer in zip(unit.held, unit.assignments, result, strict=True)
            if held.worker.worker_id in ours
        ]
        fed = [(held, assignment) for held, assignment, answer in told if isinstance(answer, Done)]
        self._write_fed(connection, fed, unit.claim.fence, now)
        hopeless = [(held.worker, answer.reason) for held, _, answer in told if isinstance(answer, Failed)]
        self._give_up(connection, unit, hopeless, now)
        later = [(held, answer.reason) for held, _, answer in told if isinstance(answer, Later)]
        rows = [{"worker_id": held.worker.worker_id, "due": now + _AGAIN} for held, _ in later]
        asking.settle(connection, rows, unit.claim.fence)
        if later:
            log.warning("workers could not be given jobs, it is tried again", queue=unit.about, reason=later[0][1])
        return ("propagator", "worker propagator", "monitor", *(("killer", self.name) if hopeless else ()))

    def _write_fed(
        self, connection: Connection, fed: Sequence[tuple[Held, Assignment]], fence: int, now: datetime
    ) -> None:
        if not fed:
            return
        ids = [held.worker.worker_id for held, _ in fed]
        rows = [{"worker_id": worker, "jobs_asked": 0, "due": None} for worker in ids]
        asking.settle(connection, rows, fence, WORKER_REPORT.hasten(now + TOGETHER))
        begun = asking.begin_work(connection, ids)
        asking.note_told(connection, ids)
        new = {job: each.worker.worker_id for _, each in fed for job in each.job_params}
        working = [job for job in jobs.find_working(connection, new) if job.substatus is JobSubstatus.QUEUED]
        same = {"status": JobStatus.RUNNING, "substatus": JobSubstatus.RUNNING}
        jobs.change_working(connection, [{"job_id": job.job_id, "started_at": now} for job in working], same)
        jobs.trigger_reports(connection, [job.job_id for job in working], now + TOGETHER)
        kind, was, became = history.Kind.WORKER, WorkerStatus.READY, WorkerStatus.RUNNING
        events = [history.Event(kind, worker, now, was, became, "it has jobs", self.name) for worker in sorted(begun)]
        events += [
            history.Event(
                history.Kind.JOB,
                job.job_id,
                now,
                job.substatus,
                JobSubstatus.RUNNING,
                f"worker {new[job.job_id]} has it",
                self.name,
            )
            for job in working
        ]
        history.record(connection, events)

    def _give_up(
        self, connection: Connection, unit: FeedUnit, hopeless: Sequence[tuple[Worker, str]], now: datetime
    ) -> None:
        """Jobs that were bound to them just now go to others, as often as to workers that are refused.

        Those that somebody may have told them of before, and those of workers that are killed for another reason, wait
        for the end of the worker.
        """
        rows = [{"worker_id": worker.worker_id, "jobs_asked": 0, "due": None} for worker, _ in hopeless]
        asking.settle(connection, rows, unit.claim.fence)
        error = PilotError.KILLED_BY_HARVESTER
        kills = {
            worker.worker_id: Kill(f"no job can be given to it: {why}", error, ends_jobs=False)
            for worker, why in hopeless
        }
        ours = unit.bound.keys() & workers.request_kill(connection, kills, now, self.name)
        without = [
            (replace(worker, job_ids=tuple(unit.bound[worker.worker_id])), Refused(why))
            for worker, why in hopeless
            if worker.worker_id in ours
        ]
        if without:
            asking.unrelate(connection, [(worker.worker_id, job) for worker, _ in without for job in worker.job_ids])
            release_jobs(connection, self.instance, without, due=now, now=now, agent=self.name)
            asking.hasten(connection, [unit.about], now)


def _ids(held: Sequence[Held]) -> list[int]:
    return [each.worker.worker_id for each in held]
