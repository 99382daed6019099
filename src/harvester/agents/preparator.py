"""Has the input files of fetched jobs brought to the resource; jobs without any pass straight through."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import chain
from typing import Final

from sqlalchemy import Connection

from harvester.agents import shared_inputs
from harvester.agents.auxiliary import use_local_images
from harvester.agents.base import Pace
from harvester.agents.transfers import Limits, Mover, Step, TransferAgent, Transfers, TransferUnit, cause
from harvester.config.mapping import may_ask
from harvester.core.files import INBOUND, File, FileKind, FileStatus
from harvester.core.jobs import Job, JobStatus, JobSubstatus, PilotError
from harvester.store import asking, history, jobs, leases
from harvester.store.leases import QUEUE_SIZE, TOGETHER
from harvester.store.schema import JobPhase

_WAIT_FOR_OTHERS: Final = timedelta(seconds=15)
"""How long a job waits for inputs that others have brought, if nobody calls it; so long it takes to note their end."""


class PreparatorAgent(TransferAgent):
    """See the module."""

    name = "preparator"
    phase = JobPhase.PREPARE
    kinds = (frozenset({FileKind.INPUT}), frozenset({FileKind.AUX_INPUT}))
    course = INBOUND

    @property
    def pace(self) -> Pace:
        """`[preparator] sleepTime`, `lockInterval` and `nThreads`."""
        section = self.instance.settings.preparator
        return Pace(section.sleep_time, section.lock_interval, section.n_threads)

    @property
    def limits(self) -> Limits:
        """`[preparator]`."""
        section = self.instance.settings.preparator
        return Limits(
            jobs={Step.START: section.max_jobs_to_trigger, Step.LOOK: section.max_jobs_to_check},
            to_start=section.max_files_per_job_to_prepare,
            to_look=section.max_files_per_job_to_check,
            start_again=section.trigger_interval,
            look_again=section.check_interval,
        )

    def mover(self, unit: TransferUnit, kinds: frozenset[FileKind]) -> Mover:
        """The queue's preparator, or the one for auxiliary inputs."""
        plugins = self.instance.plugins
        brings = plugins.aux_preparator if FileKind.AUX_INPUT in kinds else plugins.preparator
        return brings(unit.about, unit.version)

    def arrange(self, connection: Connection, unit: TransferUnit) -> TransferUnit:
        """Inputs that other jobs have, or have brought, are taken from them."""
        return shared_inputs.arrange(self.instance, connection, unit)

    def commit(self, connection: Connection, unit: TransferUnit, result: Transfers) -> Sequence[str]:
        """Jobs with all inputs ready wait for a worker; one lost input fails its job."""
        now = self.instance.clock()
        unit = self.still_ours(connection, unit)
        after = self.note_files(connection, unit, result, now)
        changes, events = [], []
        for job in unit.jobs:
            change = self._change(job, after[job.job_id], result, now)
            changes.append(change)
            became = str(change["substatus"])
            if became != job.substatus:
                why = cause("input", after[job.job_id], result)
                events.append(history.Event(history.Kind.JOB, job.job_id, now, job.substatus, became, why, self.name))
        ready = [int(str(each["job_id"])) for each in changes if each["phase"] is JobPhase.SUBMIT]
        use_local_images(connection, {job: after[job] for job in ready})
        jobs.change_held(connection, changes, unit.claim.fence)
        shared_inputs.call_waiting(self.instance, connection, unit.about, chain(*after.values()), now)
        jobs.trigger_reports(connection, [event.subject for event in events], now + TOGETHER)
        history.record(connection, events)
        leases.nudge_queues(connection, QUEUE_SIZE, [unit.about], now, timedelta())
        if may_ask(self.instance.plugins.queues.get(unit.about)):
            asking.hasten(connection, [unit.about], now)
        return ("sizer", "propagator", "feeder")

    def _change(self, job: Job, inputs: Sequence[File], result: Transfers, now: datetime) -> dict[str, object]:
        change: dict[str, object] = {
            "job_id": job.job_id,
            "status": job.status,
            "attributes": job.attributes,
            "ended_at": None,
        }
        if any(each.status is FileStatus.FAILED for each in inputs):
            error = {"pilotErrorCode": PilotError.STAGE_IN, "pilotErrorDiag": cause("input", inputs, result)}
            return change | {
                "status": JobStatus.FAILED,
                "substatus": JobSubstatus.FAILED_TO_PREPARE,
                "attributes": {**job.attributes, **error},
                "phase": JobPhase.REPORT,
                "due": None,
                "ended_at": now,
            }
        if all(each.status is FileStatus.READY for each in inputs):
            return change | {"substatus": JobSubstatus.PREPARED, "phase": JobPhase.SUBMIT, "due": now}
        again = now + self.pause(inputs, result)
        return change | {"substatus": JobSubstatus.PREPARING, "phase": JobPhase.PREPARE, "due": again}

    def pause(self, some: Sequence[File], result: Transfers) -> timedelta:
        """Longer for jobs that only wait for others."""
        pause = super().pause(some, result)
        own = {each.status for each in some} & {FileStatus.TO_PREPARE, FileStatus.TRIGGERED}
        return pause if own else max(pause, _WAIT_FOR_OTHERS)
