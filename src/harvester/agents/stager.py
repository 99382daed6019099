"""Has the output files of ended jobs taken away; then the server may know how the job ended."""

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from harvester.agents.base import BATCH, Agent, Claim, ClaimTicket, Pace, Unit
from harvester.core.files import OUTPUT_DONE, File, FileKind, FileStatus
from harvester.core.jobs import Job, JobStatus, JobSubstatus, PilotError
from harvester.plugins.api import Done, Failed, FileOutcome, Later, Moved
from harvester.store import files, history, jobs, leases
from harvester.store.leases import JOB_WORK
from harvester.store.schema import JobPhase

_OUTPUTS: Final = (FileKind.OUTPUT, FileKind.LOG)
_FIRST_LOOK: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class StageUnit(Unit):
    """Ended jobs of one queue with their output files."""

    jobs: Sequence[Job]
    outputs: Mapping[int, Sequence[File]]


@dataclass(frozen=True, slots=True)
class Staged:
    """What the plugin said, by file id."""

    triggered: Mapping[int, Done | Later | Failed] = field(default_factory=dict)
    checked: Mapping[int, FileOutcome] = field(default_factory=dict)

    def of(self, file: File) -> Done | FileOutcome | None:
        """The last word on a file; None if it was not asked about."""
        return self.checked.get(file.file_id, self.triggered.get(file.file_id))


class StagerAgent(Agent[StageUnit, Staged]):
    """See the module."""

    name = "stager"

    @property
    def pace(self) -> Pace:
        """`[stager] sleepTime`, `lockInterval` and `nThreads`."""
        section = self.instance.settings.stager
        return Pace(section.sleep_time, section.lock_interval, section.n_threads)

    def horizon(self, connection: Connection) -> datetime | None:
        """When the next job is due."""
        return leases.next_due(connection, JOB_WORK, JobPhase.STAGE)

    def claim(self, connection: Connection, ticket: ClaimTicket) -> Sequence[StageUnit]:
        """Ended jobs by queue."""
        found = jobs.claim_phase(
            connection, JobPhase.STAGE, limit=BATCH, now=ticket.now, fence=ticket.fence, until=ticket.until
        )
        outputs = files.of_jobs(connection, [job.job_id for job in found], _OUTPUTS)
        by_queue: dict[str, list[Job]] = defaultdict(list)
        for job in found:
            by_queue[job.queue].append(job)
        return [
            StageUnit(Claim(JOB_WORK, [job.job_id for job in some], ticket.fence), queue, some, outputs)
            for queue, some in by_queue.items()
        ]

    def act(self, unit: StageUnit) -> Staged:
        """Have every transfer started that is not (starting it twice changes nothing), and ask how they stand."""
        wanted = [each for job in unit.jobs for each in unit.outputs[job.job_id] if each.status not in OUTPUT_DONE]
        if not wanted:
            return Staged()
        plugin = self.instance.plugins.stager(unit.about)
        triggered = dict(zip([each.file_id for each in wanted], plugin.trigger(wanted), strict=True))
        moving = [each for each in wanted if isinstance(triggered[each.file_id], Done)]
        checked = dict(zip([each.file_id for each in moving], plugin.check(moving), strict=True)) if moving else {}
        return Staged(triggered, checked)

    def commit(self, connection: Connection, unit: StageUnit, result: Staged) -> Sequence[str]:
        """Jobs whose files all arrived end as their worker said; a lost output fails its job."""
        now = self.instance.clock()
        after = {job.job_id: [_after(each, result) for each in unit.outputs[job.job_id]] for job in unit.jobs}
        files.change(connection, _file_rows(unit, after, result))
        rows = [self._row(job, after[job.job_id], result, now) for job in unit.jobs]
        jobs.change_held(connection, rows, unit.claim.fence)
        changed = {
            job.job_id: (job, str(row["substatus"]))
            for job, row in zip(unit.jobs, rows, strict=True)
            if row["substatus"] is not job.substatus
        }
        jobs.trigger_reports(connection, list(changed), now)
        history.record(
            connection,
            [
                history.Event(
                    history.Kind.JOB,
                    job.job_id,
                    now,
                    job.substatus,
                    became,
                    _cause(after[job.job_id], result),
                    self.name,
                )
                for job, became in changed.values()
            ],
        )
        return ("propagator", self.name)

    def _row(self, job: Job, outputs: Sequence[File], result: Staged, now: datetime) -> dict[str, object]:
        row: dict[str, object] = {
            "job_id": job.job_id,
            "status": job.status,
            "attributes": job.attributes,
            "output_report": job.output_report,
        }
        if not all(each.status in OUTPUT_DONE for each in outputs):
            moving = all(each.status is not FileStatus.DEFINED for each in outputs)
            substatus = JobSubstatus.TRANSFERRING if moving else JobSubstatus.TO_TRANSFER
            pause = _FIRST_LOOK if substatus is not job.substatus else self._pause()
            return row | {"substatus": substatus, "phase": JobPhase.STAGE, "due": now + pause}
        row |= {"phase": JobPhase.REPORT, "due": None, "output_report": _report(job, outputs)}
        if any(each.status is FileStatus.FAILED for each in outputs):
            error = {"pilotErrorCode": PilotError.STAGE_OUT, "pilotErrorDiag": _cause(outputs, result)}
            return row | {
                "status": JobStatus.FAILED,
                "substatus": JobSubstatus.FAILED_TO_STAGE_OUT,
                "attributes": {**job.attributes, **error},
            }
        return row | {"substatus": JobSubstatus.STAGED}

    def _pause(self) -> timedelta:
        settings = self.instance.settings.stager
        return timedelta(seconds=min(settings.check_interval, settings.trigger_interval, 5))


def _after(file: File, result: Staged) -> File:
    """The file as it stands after this round."""
    named = replace(file, guid=file.guid or str(uuid.uuid4()))
    match result.of(file):
        case Moved(path, size, checksum):
            size, checksum = size or file.size, checksum or file.checksum
            return replace(named, status=FileStatus.FINISHED, path=path, size=size, checksum=checksum)
        case Failed():
            return replace(named, status=FileStatus.FAILED)
        case Later() if file.file_id in result.checked:
            return replace(named, status=FileStatus.TRANSFERRING, attempts=file.attempts + 1)
        case Later():
            return replace(named, attempts=file.attempts + 1)
        case Done():
            return replace(named, status=FileStatus.TRANSFERRING)
        case None:
            return file


def _file_rows(unit: StageUnit, after: Mapping[int, Sequence[File]], result: Staged) -> list[dict[str, object]]:
    return [
        {
            "file_id": each.file_id,
            "status": each.status,
            "path": each.path,
            "size": each.size,
            "checksum": each.checksum,
            "guid": each.guid,
            "attempts": each.attempts,
        }
        for job in unit.jobs
        for each in after[job.job_id]
        if result.of(each) is not None
    ]


def _report(job: Job, outputs: Sequence[File]) -> Mapping[str, object]:
    """What the server is told of the outputs that arrived (protocol reference §8.1)."""
    stored = [each for each in outputs if each.status is FileStatus.FINISHED]
    return {
        **(job.output_report or {}),
        **{each.lfn: {"guid": each.guid, "fsize": each.size, **_checksum(each.checksum or "")} for each in stored},
    }


def _checksum(checksum: str) -> dict[str, str]:
    if checksum.startswith("md:"):
        return {"md5sum": checksum.removeprefix("md:")}
    return {"adler32": checksum.removeprefix("ad:")}


def _cause(outputs: Sequence[File], result: Staged) -> str:
    for file in outputs:
        outcome = result.of(file)
        if isinstance(outcome, Failed | Later):
            return f"output {file.lfn}: {outcome.reason}"
    return f"{len(outputs)} output files" if outputs else "the job has no output files"
