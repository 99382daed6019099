"""Has the output files of ended jobs packed and taken away; then the server may know how the job ended."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import ClassVar, Final

import structlog
from sqlalchemy import Connection

from harvester.agents import packing
from harvester.agents.base import Pace
from harvester.agents.outputs import untold_outputs
from harvester.agents.transfers import Limits, Mover, Step, TransferAgent, Transfers, TransferUnit, cause
from harvester.core.files import (
    OUTBOUND,
    OUTPUT_DONE,
    REPORTED_KINDS,
    STAGED_KINDS,
    UNMOVED,
    File,
    FileKind,
    FileStatus,
)
from harvester.core.jobs import Job, JobStatus, JobSubstatus, PilotError
from harvester.plugins.api import Later, Packed
from harvester.store import history, jobs
from harvester.store.leases import TOGETHER
from harvester.store.schema import JobPhase

log = structlog.get_logger(__name__)

_FIRST_LOOK: Final = timedelta(seconds=1)


class StagerAgent(TransferAgent):
    """See the module.

    Attributes:
        jobs_have_ended: whether nothing more comes from the jobs, so that nothing waits to be packed with more.
    """

    name = "stager"
    phase = JobPhase.STAGE
    kinds = (STAGED_KINDS,)
    course = OUTBOUND
    jobs_have_ended: ClassVar[bool] = True

    @property
    def pace(self) -> Pace:
        """`[stager] sleepTime`, `nThreads` and `lockInterval`, or that of `[zipper]` if it is longer."""
        section, zipper = self.instance.settings.stager, self.instance.settings.zipper
        return Pace(section.sleep_time, max(section.lock_interval, zipper.lock_interval), section.n_threads)

    @property
    def limits(self) -> Limits:
        """`[stager]`, and for packing `[zipper]`."""
        section, zipper = self.instance.settings.stager, self.instance.settings.zipper
        return Limits(
            jobs={
                Step.PACK: zipper.max_jobs_to_zip,
                Step.START: section.max_jobs_to_trigger,
                Step.LOOK: section.max_jobs_to_check,
            },
            to_start=section.max_files_per_job_to_trigger,
            to_look=section.max_files_per_job_to_check,
            start_again=section.trigger_interval,
            look_again=section.check_interval,
        )

    def mover(self, unit: TransferUnit, kinds: frozenset[FileKind]) -> Mover:  # noqa: ARG002 (one plugin moves all)
        """The queue's stager."""
        return self.instance.plugins.stager(unit.about, unit.version)

    def arrange(self, connection: Connection, unit: TransferUnit) -> TransferUnit:
        """Files that wait to be packed together are put into parcels."""
        return packing.arrange(self.instance, connection, unit, ended=self.jobs_have_ended)

    def act(self, unit: TransferUnit) -> Transfers:
        """Have made what is to be made of others, and the rest moved."""
        packed = packing.pack(self.instance, unit)
        return replace(super().act(unit), packed=packed)

    def after(self, file: File, result: Transfers, now: datetime) -> File:
        """Whatever was moved or packed has a GUID."""
        made = result.packed.get(file.file_id)
        after = super().after(file, result, now) if made is None else packing.after_packing(file, made)
        return after if after is file else replace(after, guid=file.guid or str(uuid.uuid4()))

    def commit(self, connection: Connection, unit: TransferUnit, result: Transfers) -> Sequence[str]:
        """Jobs whose files all arrived end as their worker said; a lost output fails its job."""
        now = self.instance.clock()
        unit = self.still_ours(connection, unit)
        after = self.note_files(connection, unit, result, now)
        rows = [self._row(job, after[job.job_id], result, now) for job in unit.jobs]
        jobs.change_held(connection, rows, unit.claim.fence)
        changed = {
            job.job_id: (job, str(row["substatus"]))
            for job, row in zip(unit.jobs, rows, strict=True)
            if row["substatus"] is not job.substatus
        }
        ended = [(job, row) for job, row in zip(unit.jobs, rows, strict=True) if row["phase"] is JobPhase.REPORT]
        over = {job.job_id for job, _ in ended}
        finished = [job for job, row in ended if row["status"] is JobStatus.FINISHED]
        untold = untold_outputs(self.instance, connection, finished, after)
        _warn_of_untold(unit.about, untold)
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
                    cause("output", after[job.job_id], result) + _words_of_untold(untold.get(job.job_id, ())),
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
            moving = all(each.status not in UNMOVED for each in outputs)
            substatus = JobSubstatus.TRANSFERRING if moving else JobSubstatus.TO_TRANSFER
            pause = self.pause(outputs, result)
            pause = pause if substatus is job.substatus else min(pause, _FIRST_LOOK)
            return row | {"substatus": substatus, "phase": JobPhase.STAGE, "due": now + pause}
        row |= {"phase": JobPhase.REPORT, "due": None, "output_report": _report(job, outputs)}
        if any(each.status is FileStatus.FAILED for each in outputs):
            error = {"pilotErrorCode": PilotError.STAGE_OUT, "pilotErrorDiag": cause("output", outputs, result)}
            return row | {
                "status": JobStatus.FAILED,
                "substatus": JobSubstatus.FAILED_TO_STAGE_OUT,
                "attributes": {**job.attributes, **error},
            }
        return row | {"substatus": JobSubstatus.STAGED}

    def pause(self, some: Sequence[File], result: Transfers) -> timedelta:
        """What was packed is moved at once; packing is tried again after `zipInterval`."""
        packed = [answer for each in some if (answer := result.packed.get(each.file_id))]
        if any(isinstance(answer, Packed) for answer in packed):
            return timedelta()
        pause = super().pause(some, result)
        if any(isinstance(answer, Later) for answer in packed):
            return min(pause, timedelta(seconds=self.instance.settings.zipper.zip_interval))
        return pause


def _words_of_untold(names: Sequence[str]) -> str:
    return f"; no worker told of {', '.join(names)}, which the job declares: the server may fail it" if names else ""


def _warn_of_untold(queue: str, untold: Mapping[int, Sequence[str]]) -> None:
    """One line, however many jobs it concerns."""
    if not untold:
        return
    job, names = next(iter(untold.items()))
    about = {"queue": queue, "jobs": len(untold), "first_job": job, "outputs": ", ".join(names)}
    advice = (
        "the server may fail such jobs; pilots have to list the outputs that a job declares, see docs/worker-files.md"
    )
    log.warning("no worker told of declared outputs", **about, advice=advice)


def _report(job: Job, outputs: Sequence[File]) -> Mapping[str, object]:
    """What the server is told of the outputs that arrived (protocol reference §8.1)."""
    stored = [each for each in outputs if each.status is FileStatus.FINISHED and each.kind in REPORTED_KINDS]
    return {
        **(job.output_report or {}),
        **{each.lfn: {"guid": each.guid, "fsize": each.size, **_checksum(each.checksum or "")} for each in stored},
    }


def _checksum(checksum: str) -> dict[str, str]:
    if checksum.startswith("md:"):
        return {"md5sum": checksum.removeprefix("md:")}
    return {"adler32": checksum.removeprefix("ad:")}
