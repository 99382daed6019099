"""Has the input files of fetched jobs brought to the resource; jobs without any pass straight through."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from harvester.agents.base import Pace
from harvester.agents.transfers import Mover, TransferAgent, Transfers, TransferUnit
from harvester.core.files import INPUT_DONE, File, FileKind, FileStatus
from harvester.core.jobs import Job, JobStatus, JobSubstatus, PilotError
from harvester.plugins.api import Failed, Later, Moved
from harvester.store import files, history, jobs, leases
from harvester.store.leases import QUEUE_SIZE, TOGETHER
from harvester.store.schema import JobPhase


class PreparatorAgent(TransferAgent):
    """See the module."""

    name = "preparator"
    phase = JobPhase.PREPARE
    kinds = (FileKind.INPUT,)
    done = INPUT_DONE

    @property
    def pace(self) -> Pace:
        """`[preparator] sleepTime`, `lockInterval` and `nThreads`."""
        section = self.instance.settings.preparator
        return Pace(section.sleep_time, section.lock_interval, section.n_threads)

    def mover(self, queue: str) -> Mover:
        """The queue's preparator."""
        return self.instance.plugins.preparator(queue)

    def commit(self, connection: Connection, unit: TransferUnit, result: Transfers) -> Sequence[str]:
        """Jobs with all inputs ready wait for a worker; one lost input fails its job."""
        now = self.instance.clock()
        unit = self.still_ours(connection, unit)
        files.change(connection, _file_changes(unit, result))
        changes, events = [], []
        for job in unit.jobs:
            change = self._change(job, unit.files[job.job_id], result, now)
            changes.append(change)
            became = str(change["substatus"])
            if became != job.substatus:
                cause = _cause(unit.files[job.job_id], result)
                kind = history.Kind.JOB
                events.append(history.Event(kind, job.job_id, now, job.substatus, became, cause, self.name))
        jobs.change_held(connection, changes, unit.claim.fence)
        jobs.trigger_reports(connection, [event.subject for event in events], now + TOGETHER)
        history.record(connection, events)
        leases.nudge_queues(connection, QUEUE_SIZE, [unit.about], now, timedelta())
        return ("sizer", "propagator")

    def _change(self, job: Job, inputs: Sequence[File], result: Transfers, now: datetime) -> dict[str, object]:
        states = [_state_after(each, result) for each in inputs]
        change: dict[str, object] = {
            "job_id": job.job_id,
            "status": job.status,
            "attributes": job.attributes,
        }
        if FileStatus.FAILED in states:
            error = {"pilotErrorCode": PilotError.STAGE_IN, "pilotErrorDiag": _cause(inputs, result)}
            return change | {
                "status": JobStatus.FAILED,
                "substatus": JobSubstatus.FAILED_TO_PREPARE,
                "attributes": {**job.attributes, **error},
                "phase": JobPhase.REPORT,
                "due": None,
            }
        if all(state is FileStatus.READY for state in states):
            return change | {"substatus": JobSubstatus.PREPARED, "phase": JobPhase.SUBMIT, "due": now}
        again = now + timedelta(seconds=min(self.instance.settings.preparator.check_interval, 5))
        return change | {"substatus": JobSubstatus.PREPARING, "phase": JobPhase.PREPARE, "due": again}


def _state_after(file: File, result: Transfers) -> FileStatus:
    match result.of(file):
        case Moved():
            return FileStatus.READY
        case Failed():
            return FileStatus.FAILED
        case Later() if not result.has_begun(file):
            return FileStatus.TO_PREPARE
        case None:
            return file.status
        case _:
            return FileStatus.TRIGGERED


def _file_changes(unit: TransferUnit, result: Transfers) -> list[dict[str, object]]:
    changes: list[dict[str, object]] = []
    for file in (each for job in unit.jobs for each in unit.files[job.job_id]):
        outcome = result.of(file)
        if outcome is not None:
            path = outcome.path if isinstance(outcome, Moved) else file.path
            attempts = file.attempts + isinstance(outcome, Later)
            state = _state_after(file, result)
            changes.append({"file_id": file.file_id, "status": state, "path": path, "attempts": attempts})
    return changes


def _cause(inputs: Sequence[File], result: Transfers) -> str:
    for file in inputs:
        outcome = result.of(file)
        if isinstance(outcome, Failed | Later):
            return f"input {file.lfn}: {outcome.reason}"
    return f"all {len(inputs)} input files are ready" if inputs else "the job has no input files"
