"""Has the input files of fetched jobs brought to the resource; jobs without any pass straight through."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection

from harvester.agents.base import BATCH, Agent, Claim, ClaimTicket, Pace, Unit
from harvester.core.files import INPUT_DONE, File, FileKind, FileStatus
from harvester.core.jobs import Job, JobStatus, JobSubstatus, PilotError
from harvester.plugins.api import Done, Failed, FileOutcome, Later, Moved
from harvester.store import files, history, jobs, leases
from harvester.store.leases import JOB_WORK, QUEUE_SIZE
from harvester.store.schema import JobPhase


@dataclass(frozen=True, slots=True)
class PrepareUnit(Unit):
    """Jobs of one queue with their input files."""

    jobs: Sequence[Job]
    inputs: Mapping[int, Sequence[File]]


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the plugin said, by file id."""

    triggered: Mapping[int, Done | Later | Failed] = field(default_factory=dict)
    checked: Mapping[int, FileOutcome] = field(default_factory=dict)


class PreparatorAgent(Agent[PrepareUnit, Prepared]):
    """See the module."""

    name = "preparator"

    @property
    def pace(self) -> Pace:
        """`[preparator] sleepTime`, `lockInterval` and `nThreads`."""
        section = self.instance.settings.preparator
        return Pace(section.sleep_time, section.lock_interval, section.n_threads)

    def horizon(self, connection: Connection) -> datetime | None:
        """When the next job is due."""
        return leases.next_due(connection, JOB_WORK, JobPhase.PREPARE)

    def claim(self, connection: Connection, ticket: ClaimTicket) -> Sequence[PrepareUnit]:
        """Fetched jobs, by queue."""
        found = jobs.claim_phase(
            connection, JobPhase.PREPARE, limit=BATCH, now=ticket.now, fence=ticket.fence, until=ticket.until
        )
        inputs = files.of_jobs(connection, [job.job_id for job in found], [FileKind.INPUT])
        by_queue: dict[str, list[Job]] = defaultdict(list)
        for job in found:
            by_queue[job.queue].append(job)
        return [
            PrepareUnit(Claim(JOB_WORK, [job.job_id for job in some], ticket.fence), queue, some, inputs)
            for queue, some in by_queue.items()
        ]

    def act(self, unit: PrepareUnit) -> Prepared:
        """Have every transfer started that is not (starting it twice changes nothing), and ask how they stand."""
        wanted = [each for job in unit.jobs for each in unit.inputs[job.job_id] if each.status not in INPUT_DONE]
        if not wanted:
            return Prepared()
        plugin = self.instance.plugins.preparator(unit.about)
        triggered = dict(zip([each.file_id for each in wanted], plugin.trigger(wanted), strict=True))
        moving = [each for each in wanted if isinstance(triggered[each.file_id], Done)]
        checked = dict(zip([each.file_id for each in moving], plugin.check(moving), strict=True)) if moving else {}
        return Prepared(triggered, checked)

    def commit(self, connection: Connection, unit: PrepareUnit, result: Prepared) -> Sequence[str]:
        """Jobs with all inputs ready wait for a worker; one lost input fails its job."""
        now = self.instance.clock()
        files.change(connection, _file_changes(unit, result))
        changes, events = [], []
        for job in unit.jobs:
            change = self._change(job, unit.inputs[job.job_id], result, now)
            changes.append(change)
            became = str(change["substatus"])
            if became != job.substatus:
                cause = _cause(unit.inputs[job.job_id], result)
                kind = history.Kind.JOB
                events.append(history.Event(kind, job.job_id, now, job.substatus, became, cause, self.name))
        jobs.change_held(connection, changes, unit.claim.fence)
        jobs.trigger_reports(connection, [event.subject for event in events], now)
        history.record(connection, events)
        leases.nudge_queues(connection, QUEUE_SIZE, [unit.about], now, timedelta())
        return ("sizer", "propagator")

    def _change(self, job: Job, inputs: Sequence[File], result: Prepared, now: datetime) -> dict[str, object]:
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


def _state_after(file: File, result: Prepared) -> FileStatus:
    match result.checked.get(file.file_id, result.triggered.get(file.file_id)):
        case Moved():
            return FileStatus.READY
        case Failed():
            return FileStatus.FAILED
        case Later() if file.file_id not in result.checked:
            return FileStatus.TO_PREPARE
        case None:
            return file.status
        case _:
            return FileStatus.TRIGGERED


def _file_changes(unit: PrepareUnit, result: Prepared) -> list[dict[str, object]]:
    changes: list[dict[str, object]] = []
    for file in (each for job in unit.jobs for each in unit.inputs[job.job_id]):
        outcome = result.checked.get(file.file_id, result.triggered.get(file.file_id))
        if outcome is not None:
            path = outcome.path if isinstance(outcome, Moved) else file.path
            attempts = file.attempts + isinstance(outcome, Later)
            state = _state_after(file, result)
            changes.append({"file_id": file.file_id, "status": state, "path": path, "attempts": attempts})
    return changes


def _cause(inputs: Sequence[File], result: Prepared) -> str:
    for file in inputs:
        outcome = result.checked.get(file.file_id, result.triggered.get(file.file_id))
        if isinstance(outcome, Failed | Later):
            return f"input {file.lfn}: {outcome.reason}"
    return f"all {len(inputs)} input files are ready" if inputs else "the job has no input files"
