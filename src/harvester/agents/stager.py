"""Has the output files of ended jobs taken away; then the server may know how the job ended."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from harvester.agents.base import Pace
from harvester.agents.transfers import Mover, TransferAgent, Transfers, TransferUnit
from harvester.core.files import OUTPUT_DONE, File, FileKind, FileStatus
from harvester.core.jobs import Job, JobStatus, JobSubstatus, PilotError
from harvester.plugins.api import Done, Failed, Later, Moved
from harvester.store import files, history, jobs
from harvester.store.leases import TOGETHER
from harvester.store.schema import JobPhase

_FIRST_LOOK: Final = timedelta(seconds=1)


class StagerAgent(TransferAgent):
    """See the module."""

    name = "stager"
    phase = JobPhase.STAGE
    kinds = (FileKind.OUTPUT, FileKind.LOG)
    done = OUTPUT_DONE

    @property
    def pace(self) -> Pace:
        """`[stager] sleepTime`, `lockInterval` and `nThreads`."""
        section = self.instance.settings.stager
        return Pace(section.sleep_time, section.lock_interval, section.n_threads)

    def mover(self, queue: str) -> Mover:
        """The queue's stager."""
        return self.instance.plugins.stager(queue)

    def commit(self, connection: Connection, unit: TransferUnit, result: Transfers) -> Sequence[str]:
        """Jobs whose files all arrived end as their worker said; a lost output fails its job."""
        now = self.instance.clock()
        unit = self.still_ours(connection, unit)
        after = {job.job_id: [_after(each, result) for each in unit.files[job.job_id]] for job in unit.jobs}
        files.change(connection, _file_rows(unit, after, result))
        rows = [self._row(job, after[job.job_id], result, now) for job in unit.jobs]
        jobs.change_held(connection, rows, unit.claim.fence)
        changed = {
            job.job_id: (job, str(row["substatus"]))
            for job, row in zip(unit.jobs, rows, strict=True)
            if row["substatus"] is not job.substatus
        }
        over = {job.job_id for job, row in zip(unit.jobs, rows, strict=True) if row["phase"] is JobPhase.REPORT}
        jobs.trigger_reports(connection, over & changed.keys(), now)
        jobs.trigger_reports(connection, changed.keys() - over, now + TOGETHER)
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

    def _row(self, job: Job, outputs: Sequence[File], result: Transfers, now: datetime) -> dict[str, object]:
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


def _after(file: File, result: Transfers) -> File:
    """The file as it stands after this round."""
    named = replace(file, guid=file.guid or str(uuid.uuid4()))
    match result.of(file):
        case Moved(path, size, checksum):
            size, checksum = size or file.size, checksum or file.checksum
            return replace(named, status=FileStatus.FINISHED, path=path, size=size, checksum=checksum)
        case Failed():
            return replace(named, status=FileStatus.FAILED)
        case Later() if result.has_begun(file):
            return replace(named, status=FileStatus.TRANSFERRING, attempts=file.attempts + 1)
        case Later():
            return replace(named, attempts=file.attempts + 1)
        case Done():
            return replace(named, status=FileStatus.TRANSFERRING)
        case None:
            return file


def _file_rows(unit: TransferUnit, after: Mapping[int, Sequence[File]], result: Transfers) -> list[dict[str, object]]:
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


def _cause(outputs: Sequence[File], result: Transfers) -> str:
    for file in outputs:
        outcome = result.of(file)
        if isinstance(outcome, Failed | Later):
            return f"output {file.lfn}: {outcome.reason}"
    return f"{len(outputs)} output files" if outputs else "the job has no output files"
