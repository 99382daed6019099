"""Tells the server how jobs stand: at once when something has changed, and from time to time as heartbeat.

A row that changes while its report is under way stays due, so the server always hears the last word; reports may
arrive twice, never not at all.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import Connection

from harvester.agents.base import Agent, Instance, Pace, Unit
from harvester.agents.checkpoint_uploads import SLOTS, upload_checkpoints, waiting_checkpoints
from harvester.agents.event_reports import EventsTold, settle_events, tell_events
from harvester.agents.lines import Line
from harvester.agents.settling import cancel_jobs
from harvester.config.queue_model import STATUSES_OF_TRUE_PILOT
from harvester.core.events import EventMode
from harvester.core.files import File, FileStatus
from harvester.core.jobs import Job, JobStatus, JobSubstatus, Kill, wire_status
from harvester.core.output_report import output_report
from harvester.core.pacing import on_the_beat
from harvester.panda.errors import PandaError, PandaUnavailable
from harvester.panda.messages import JobReply
from harvester.panda.reports import JobReport
from harvester.store import files, history, jobs, leases, workers
from harvester.store.leases import JOB_REPORT, Claim, ClaimTicket
from harvester.store.schema import JobPhase

log = structlog.get_logger(__name__)

_RETRY: Final = timedelta(seconds=8)
_ENDED: Final = frozenset({"finished", "failed"})
_NOTHING_WANTED: Final = JobReply(accepted=True)
_REPORTS: Final = "jobs"
_SEARCHES: Final = "searches"
_NOT_ASKED: Final = JobReply(accepted=False, reason="the server could not be asked")
"""For jobs that somebody else reports; that they could not be asked about is logged once for all."""


@dataclass(frozen=True, slots=True)
class JobsUnit(Unit):
    """Jobs to report.

    Attributes:
        checkpoints: files of theirs that are brought away before.
        keeping: jobs that have such files, here or in another unit's turn.
    """

    jobs: Sequence[Job]
    checkpoints: Sequence[File] = ()
    keeping: frozenset[int] = frozenset()

    @property
    def waits_for_others(self) -> bool:
        """For iDDS, or for a server of checkpoints."""
        return self.about != _REPORTS


@dataclass(frozen=True, slots=True)
class Told:
    """What the server said: a reply for each job of the unit, and what it said of their event ranges.

    Attributes:
        uploads: checkpoints that were tried, as they are now.
        keeping: jobs of which some have still to be brought away.
    """

    replies: Sequence[JobReply]
    events: EventsTold
    uploads: Sequence[File] = ()
    keeping: frozenset[int] = frozenset()

    @property
    def unsettled(self) -> frozenset[int]:
        """Jobs that cannot end yet, whatever their workers say."""
        return self.events.unsettled | self.keeping


class JobPropagator(Agent[JobsUnit, Told]):
    """Reports jobs and takes the server's wish to kill them."""

    name = "propagator"

    def __init__(self, instance: Instance) -> None:
        super().__init__(instance)
        self.line: Line = Line(tick=instance.tick)

    @property
    def pace(self) -> Pace:
        """`[propagator] sleepTime`, `lockInterval` and `nThreads`."""
        section = self.instance.settings.propagator
        return Pace(section.sleep_time, section.lock_interval, section.n_threads)

    def horizon(self, connection: Connection, besides: Collection[str] = ()) -> datetime | None:
        """When the next job is to be reported."""
        return leases.next_due(connection, JOB_REPORT, besides=besides)

    def claim(self, connection: Connection, ticket: ClaimTicket) -> Sequence[JobsUnit]:
        """Jobs to report, all in one unit: the server is asked in bulks of `nJobsInBulk`.

        Jobs that search for hyper-parameters are apart, for iDDS is asked about them, and few of those that have
        checkpoints to be brought away are each alone: no other report waits for these servers. While iDDS is still
        being asked about some, others of them are left where they are, lest they take all threads.
        """
        found = jobs.claim_to_report(connection, ticket, searches=_SEARCHES not in ticket.busy)
        waiting = waiting_checkpoints(connection, found)
        free = [slot for slot in SLOTS if slot not in ticket.busy]
        alone = dict(zip(free, (job for job in found if job.job_id in waiting), strict=False))
        ordinary = [job for job in found if job.events is not EventMode.SAMPLES]
        searching = [job for job in found if job.events is EventMode.SAMPLES and job not in alone.values()]
        parts = {_REPORTS: ordinary, _SEARCHES: searching, **{slot: [job] for slot, job in alone.items()}}
        return [self._unit(about, some, waiting, ticket.fence) for about, some in parts.items() if some]

    @staticmethod
    def _unit(about: str, some: Sequence[Job], waiting: Mapping[int, Sequence[File]], fence: int) -> JobsUnit:
        ids = [job.job_id for job in some]
        checkpoints = [each for job_id in ids for each in waiting.get(job_id, ())] if about in SLOTS else []
        keeping = frozenset(waiting.keys() & set(ids))
        return JobsUnit(Claim(JOB_REPORT, ids, fence), about, some, checkpoints, keeping)

    def act(self, unit: JobsUnit) -> Told:
        """Tell the server, or only ask it where somebody else reports the job (core reference §3.4 step 2)."""
        silent: list[Job] = []
        told: list[Job] = []
        for job in unit.jobs:
            (silent if self._is_silent(job) else told).append(job)
        running = [job for job in silent if job.status is JobStatus.RUNNING]
        if not told and not running:
            self.line.note_nothing_asked()
        uploads = upload_checkpoints(self.instance, unit.checkpoints)
        brought = {each.file_id for each in uploads if each.status is not FileStatus.RENEWED}
        left = {each.job_id for each in unit.checkpoints if each.file_id not in brought}
        keeping = frozenset(left) if unit.checkpoints else unit.keeping
        events = tell_events(self.instance, told)
        unsettled = events.unsettled | keeping
        replies = (
            {job.job_id: _NOTHING_WANTED for job in silent} | self._tell(told, unsettled) | self._ask_about(running)
        )
        return Told([replies[job.job_id] for job in unit.jobs], events, uploads, keeping)

    def _tell(self, told: Sequence[Job], unsettled: Collection[int]) -> dict[int, JobReply]:
        if not told:
            return {}
        size = self.instance.settings.propagator.n_jobs_in_bulk
        reports = [self._report(job, unsettled) for job in told]
        with self.line.asking():
            answers = self.instance.panda.update_jobs(reports, size, probe=self.line.is_in_trouble)
        return {job.job_id: answer for job, answer in zip(told, answers, strict=True)}

    def _ask_about(self, running: Sequence[Job]) -> dict[int, JobReply]:
        """What the server wants of these jobs.

        Others were told of in the same unit, and their answers must not be lost if there is none here. A server that
        will not say what it wants is asked with the next heartbeat, one that failed soon.
        """
        if not running:
            return {}
        try:
            with self.line.asking():
                statuses = self.instance.panda.job_statuses([job.job_id for job in running])
        except PandaError as error:
            log.warning("the server cannot be asked about jobs, it is tried again", jobs=len(running), error=str(error))
            answer = _NOT_ASKED if isinstance(error, PandaUnavailable) else _NOTHING_WANTED
            return {job.job_id: answer for job in running}
        return {job_id: JobReply(accepted=True, command=each.command) for job_id, each in statuses.items()}

    def _is_silent(self, job: Job) -> bool:
        queue = self.instance.plugins.queues.get(job.queue)
        silent = STATUSES_OF_TRUE_PILOT if queue is None else queue.no_heartbeat
        return job.substatus is not JobSubstatus.MISSED and wire_status(job)[0] in silent

    def _report(self, job: Job, unsettled: Collection[int]) -> JobReport:
        status, substatus = wire_status(job, events_open=job.job_id in unsettled)
        final = status in _ENDED
        return JobReport(
            job_id=job.job_id,
            status=status,
            substatus=substatus,
            attempt=job.attempt,
            site=job.queue,
            scheduler_id=f"harvester-{self.instance.id}",
            cores=job.cores,
            attributes=job.attributes,  # type: ignore[arg-type]  # JSON from the database
            output_report=output_report(job) if final else None,  # type: ignore[arg-type]  # JSON from the database
            meta_data=job.meta_data if final else None,
        )

    def commit(self, connection: Connection, unit: JobsUnit, result: Told) -> Sequence[str]:
        """Ended jobs that the server accepted are done; the others are due again with the next heartbeat."""
        now = self.instance.clock()
        unsettled = result.unsettled
        told = list(zip(unit.jobs, result.replies, strict=True))
        for job, reply in told:
            if not reply.accepted and reply is not _NOT_ASKED:
                log.warning("report not accepted", job=job.job_id, queue=job.queue, reason=reply.reason)
        over = {job.job_id for job in unit.jobs if _is_told(job) and job.job_id not in unsettled}
        done = [job for job, reply in told if reply.accepted and job.job_id in over]
        ended = [self._done_row(job, now) for job in done]
        jobs.settle_reports(connection, ended, unit.claim.fence, {"report_due": None, "phase": JobPhase.SWEEP})
        heartbeat = on_the_beat(now + timedelta(seconds=self.instance.settings.propagator.update_interval))
        again = [
            {
                "job_id": job.job_id,
                "report_due": heartbeat if reply.accepted and job.job_id not in unsettled else now + _RETRY,
            }
            for job, reply in told
            if not (reply.accepted and job.job_id in over)
        ]
        jobs.settle_reports(connection, again, unit.claim.fence, {})
        history.record(
            connection,
            [
                history.Event(
                    history.Kind.JOB, job.job_id, now, job.substatus, JobSubstatus.DONE, "the server knows", self.name
                )
                for job in done
            ],
        )
        condemned = [job for job, reply in told if reply.to_be_killed or job.job_id in result.events.exhausted]
        self._obey_kills(connection, [job for job in condemned if job.job_id not in over], now)
        files.note_uploads(connection, result.uploads)
        settle_events(connection, result.events, [job.job_id for job in done if job.events])
        return ("sweeper", "killer")

    def _done_row(self, job: Job, now: datetime) -> dict[str, object]:
        keep = self.instance.settings.sweeper.keep_time(job.status)
        return {"job_id": job.job_id, "substatus": JobSubstatus.DONE, "due": now + keep}

    def _obey_kills(self, connection: Connection, condemned: Sequence[Job], now: datetime) -> None:
        """Jobs with live workers end through them; the others end here (core reference §3.4 step 3).

        A worker that other jobs share goes on for them: the unwanted job ends here, whatever the worker says of it.

        The jobs are locked before their workers are looked up, so that the sizer cannot give them one in between.
        """
        if not condemned:
            return
        ids = jobs.lock_open(connection, [job.job_id for job in condemned])
        jobs.stop_growing(connection, ids)
        live = workers.live_of_jobs(connection, ids)
        spared = workers.with_other_open_jobs(connection, {each for some in live.values() for each in some}, ids)
        kills = {
            worker: Kill(f"the server wants its job {job} killed")
            for job, some in live.items()
            for worker in some
            if worker not in spared
        }
        workers.request_kill(connection, kills, now, self.name)
        cancel_jobs(connection, [job for job in ids if kills.keys().isdisjoint(live.get(job, ()))], now, self.name)


def _is_told(job: Job) -> bool:
    """Whether the last report of this job was its final one."""
    return wire_status(job)[0] in _ENDED
