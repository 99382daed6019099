"""From the plans of new workers to the stored intents to submit them, with their jobs bound."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import Connection

from harvester.agents.base import Instance
from harvester.config.mapping import binds_late
from harvester.config.queues import QueueConfig, RunMode
from harvester.core.access_points import fill_access_point
from harvester.core.facts import whole_number
from harvester.core.jobs import Job, JobStatus, JobSubstatus, PilotError
from harvester.core.sizing import Sizing
from harvester.core.workers import MapType, Worker, WorkerStatus, marker_of
from harvester.plugins.api import Failed, GroupToServe, WorkerPlan
from harvester.store import history, jobs, orders, worker_ids, workers
from harvester.store.leases import JOB_REPORT
from harvester.store.schema import JobPhase


@dataclass(frozen=True, slots=True)
class Unplanned:
    """No worker is made for now; the jobs wait on.

    Attributes:
        limit: what it does not fit into; empty if the worker maker could not be asked.
    """

    reason: str
    limit: str = ""


@dataclass(frozen=True, slots=True)
class Planned:
    """What a queue's plugins say of its new workers.

    Attributes:
        groups: the jobs that each is for.
        plans: what each looks like.
        template: where their access points are.
        sizing: how many there are and why.
        at_once: how many live workers a job may have, by its id, where workers share a job.
        uses_up: whether it is made of what is ready, which cannot be told from what is in use before the next look.
    """

    groups: Sequence[GroupToServe]
    plans: Sequence[WorkerPlan | Failed | Unplanned]
    template: str
    sizing: Sizing
    at_once: Mapping[int, int] = field(default_factory=dict)
    uses_up: bool = False


Bound = Sequence[tuple[GroupToServe, WorkerPlan]]


class Intents:
    """Stores intents in the name of an agent."""

    def __init__(self, instance: Instance, agent: str) -> None:
        self._instance = instance
        self._agent = agent

    def store(
        self, connection: Connection, queue: QueueConfig, planned: Planned, next_look: datetime
    ) -> Sequence[Worker]:
        """Every planned worker whose jobs nobody else has bound meanwhile is a row with an identifier.

        Args:
            connection: a write transaction.
            queue: where they run.
            planned: what they look like; the jobs of a plan that failed end, or wait until then with `skipOnFail`.
            next_look: when the queue is looked at again.
        """
        now = self._instance.clock()
        self._drop_unplanned(connection, queue, planned, next_look)
        pairs = zip(planned.groups, planned.plans, strict=True)
        wanted = [(group, plan) for group, plan in pairs if isinstance(plan, WorkerPlan)]
        bound = self._bind(connection, queue, wanted, planned.at_once, next_look)
        if queue.run_mode is RunMode.SLAVE:
            made = Counter(replace(group.kind, label=None) for group, _ in bound)
            orders.consume(connection, queue.queue_name, made)
        ids = worker_ids.allocate(connection, len(bound))
        intents = [
            self._worker(queue, number, group, plan, planned.template)
            for number, (group, plan) in zip(ids, bound, strict=True)
        ]
        workers.insert_intents(connection, intents, now)
        return intents

    def _bind(
        self, connection: Connection, queue: QueueConfig, planned: Bound, at_once: Mapping[int, int], later: datetime
    ) -> Bound:
        """The groups all of whose jobs get their worker; with late binding jobs are bound when workers ask for them."""
        if binds_late(queue):
            return [(GroupToServe(kind=group.kind), plan) for group, plan in planned]
        wanted = [job.job_id for group, _ in planned for job in group.jobs]
        if not wanted:
            return planned
        now = self._instance.clock()
        if queue.map_type is MapType.ONE_TO_MANY:
            paced = queue.core.worker_maker.max_workers_per_job_per_cycle
            bound = jobs.bind_shared(connection, {job: at_once[job] for job in wanted}, later if paced else now)
        else:
            bound = jobs.bind(connection, wanted)
        whole = [(group, plan) for group, plan in planned if all(job.job_id in bound for job in group.jobs)]
        jobs.unbind(connection, bound - {job.job_id for group, _ in whole for job in group.jobs}, now)
        jobs.set_cores(connection, _core_shares(whole))
        return whole

    def _worker(
        self, queue: QueueConfig, worker_id: int, group: GroupToServe, plan: WorkerPlan, template: str
    ) -> Worker:
        reports_itself = (
            queue.map_type is MapType.NO_JOB or queue.true_pilot or JobStatus.FINISHED.value in queue.no_heartbeat
        )
        return Worker(
            worker_id=worker_id,
            queue=queue.queue_name,
            status=WorkerStatus.PENDING,
            marker=marker_of(self._instance.id, worker_id),
            map_type=queue.map_type,
            job_ids=tuple(job.job_id for job in group.jobs),
            cores=plan.cores,
            ram_mb=plan.ram_mb,
            disk_mb=plan.disk_mb,
            walltime_s=plan.walltime_s,
            job_type=plan.job_type,
            resource_type=plan.resource_type,
            pilot_type=plan.pilot_type,
            access_point=self._access_point(template, queue, worker_id, plan),
            sync_level=1 if reports_itself else None,
            config_version=self._instance.plugins.version(queue.queue_name),
            late_binding=binds_late(queue),
        )

    def _access_point(self, template: str, queue: QueueConfig, worker_id: int, plan: WorkerPlan) -> str:
        known: Mapping[str, object] = {
            "harvesterID": self._instance.id,
            "workerID": worker_id,
            "computingSite": queue.queue_name,
            "mapType": queue.map_type,
            "resourceType": plan.resource_type,
            "jobType": plan.job_type,
            "pilotType": plan.pilot_type,
            "nCore": plan.cores,
        }
        return fill_access_point(template, worker_id, known)

    def _drop_unplanned(
        self, connection: Connection, queue: QueueConfig, planned: Planned, next_look: datetime
    ) -> None:
        """Jobs that no worker suits fail, or wait with `skipOnFail` (core reference §3.6 step 8).

        One that has workers already goes on with these.
        """
        unsuited: dict[int, tuple[Job, str]] = {
            job.job_id: (job, plan.reason)
            for group, plan in zip(planned.groups, planned.plans, strict=True)
            if isinstance(plan, Failed)
            for job in group.jobs
        }
        if not unsuited:
            return
        if queue.core.worker_maker.skip_on_fail:
            jobs.postpone(connection, unsuited, next_look)
            return
        now = self._instance.clock()
        failed = [unsuited[job] for job in sorted(jobs.bind(connection, list(unsuited)))]
        changes = [
            {
                "job_id": job.job_id,
                "status": JobStatus.FAILED,
                "substatus": JobSubstatus.FAILED_TO_MAKE,
                "attributes": {**job.attributes, "pilotErrorCode": PilotError.SETUP, "pilotErrorDiag": reason},
                "ended_at": now,
            }
            for job, reason in failed
        ]
        jobs.change_working(connection, changes, {"phase": JobPhase.REPORT, **JOB_REPORT.set(now)})
        kind, became = history.Kind.JOB, JobSubstatus.FAILED_TO_MAKE
        events = [
            history.Event(kind, job.job_id, now, job.substatus, became, reason, self._agent) for job, reason in failed
        ]
        history.record(connection, events)


def _core_shares(bound: Bound) -> dict[int, int]:
    """Cores of the jobs that ask for none: an equal part of their worker's (core reference §4.1)."""
    return {
        job.job_id: share
        for group, plan in bound
        for job in group.jobs
        if (share := max(plan.cores // len(group.jobs), 1)) != job.cores
        if not whole_number(group.job_params[job.job_id].get("coreCount"))
    }
