"""Tells the server how workers stand: at once when something has changed, and from time to time as heartbeat.

As with jobs, a worker that changes while its report is under way stays due.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import Connection

from harvester.agents.base import Agent, Instance, Pace, Unit
from harvester.agents.lines import Line
from harvester.agents.log_uploader import expect_logs, local_logs, uploads
from harvester.core.pacing import on_the_beat
from harvester.core.workers import Worker
from harvester.panda.messages import WorkerReply
from harvester.panda.reports import WorkerReport
from harvester.store import leases, worker_claims, workers
from harvester.store.leases import WORKER_REPORT, Claim, ClaimTicket

log = structlog.get_logger(__name__)

_RETRY: Final = timedelta(seconds=8)


@dataclass(frozen=True, slots=True)
class WorkersUnit(Unit):
    """Workers to report."""

    workers: Sequence[Worker]


class WorkerPropagator(Agent[WorkersUnit, Sequence[WorkerReply]]):
    """Reports workers."""

    name = "worker propagator"

    def __init__(self, instance: Instance) -> None:
        super().__init__(instance)
        self.line: Line = Line(tick=instance.tick)

    @property
    def pace(self) -> Pace:
        """`[propagator] sleepTime`, `lockInterval` and `nThreads`."""
        section = self.instance.settings.propagator
        return Pace(section.sleep_time, section.lock_interval, section.n_threads)

    def horizon(self, connection: Connection, besides: Collection[str] = ()) -> datetime | None:
        """When the next worker is to be reported."""
        return leases.next_due(connection, WORKER_REPORT, besides=besides)

    def claim(self, connection: Connection, ticket: ClaimTicket) -> Sequence[WorkersUnit]:
        """Workers to report, all in one unit."""
        found = worker_claims.claim_to_report(connection, ticket)
        ids = [worker.worker_id for worker in found]
        return [WorkersUnit(Claim(WORKER_REPORT, ids, ticket.fence), "workers", found)] if found else []

    def act(self, unit: WorkersUnit) -> Sequence[WorkerReply]:
        """Tell the server, `nWorkersInBulk` at a time."""
        reports = [self._report(each) for each in unit.workers]
        size = self.instance.settings.propagator.n_workers_in_bulk
        with self.line.asking():
            return self.instance.panda.update_workers(reports, size, probe=self.line.is_in_trouble)

    def _report(self, worker: Worker) -> WorkerReport:
        logs = self._readable_logs(worker)
        return WorkerReport(
            worker_id=worker.worker_id,
            status=worker.status.value,
            batch_id=worker.batch_id,
            queue_name=worker.batch_queue,
            computing_site=worker.queue,
            cores=worker.cores,
            node_id=worker.node,
            submit_time=worker.submitted_at,
            start_time=worker.started_at,
            end_time=worker.ended_at,
            job_type=worker.job_type,
            resource_type=worker.resource_type,
            native_exit_code=worker.exit_code,
            native_status=worker.native_status,
            diag_message=worker.diagnostics or None,
            n_jobs=len(worker.job_ids) or None,
            computing_element=worker.computing_element,
            sync_level=worker.sync_level,
            submission_host=worker.submission_host,
            harvester_host=self.instance.host,
            error_code=worker.error_code or None,
            error_diag=(worker.diagnostics or None) if worker.error_code else None,
            min_ram_count=worker.ram_mb or None,
            std_out=logs.get("stdOut"),
            std_err=logs.get("stdErr"),
            batch_log=logs.get("batchLog"),
            jdl=logs.get("jdl"),
            job_ids=worker.job_ids,
        )

    def _readable_logs(self, worker: Worker) -> Mapping[str, str]:
        """Logs that are still to be uploaded cannot be read anywhere yet."""
        logs: Mapping[str, str] = worker.log_urls or {}
        hidden = local_logs(logs) if logs and uploads(self.instance, worker.queue) else {}
        return {name: url for name, url in logs.items() if name not in hidden} if hidden else logs

    def commit(self, connection: Connection, unit: WorkersUnit, result: Sequence[WorkerReply]) -> Sequence[str]:
        """Ended workers that the server accepted need no further report."""
        now = self.instance.clock()
        heartbeat = on_the_beat(now + timedelta(seconds=self.instance.settings.propagator.update_interval))
        rows = []
        for worker, reply in zip(unit.workers, result, strict=True):
            if not reply.accepted:
                log.warning("report not accepted", worker=worker.worker_id, queue=worker.queue, reason=reply.reason)
                rows.append({"worker_id": worker.worker_id, "report_due": now + _RETRY})
            else:
                due = None if worker.status.is_final else heartbeat
                rows.append({"worker_id": worker.worker_id, "report_due": due})
        workers.settle_reports(connection, rows, unit.claim.fence)
        told = [worker for worker, reply in zip(unit.workers, result, strict=True) if reply.accepted]
        return ("sweeper", "log uploader") if expect_logs(connection, self.instance, told, now) else ("sweeper",)
