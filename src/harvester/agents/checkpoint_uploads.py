"""Brings checkpoints of points to the server that keeps them for other workers, each time that they are written anew.

That is a part of reporting a job, as a unit of its own: a large file or a slow server delays reports of no other job. A
job ends only when its checkpoints are there, or given up: the worker that goes on with a point may begin right then.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy import Connection

from harvester.agents.base import Instance
from harvester.core.errors import HarvesterError
from harvester.core.events import EventMode
from harvester.core.files import File, FileKind, FileStatus
from harvester.core.jobs import Job
from harvester.core.samples import LARGEST_CHECKPOINT, SamplePoint, point_of_checkpoint
from harvester.panda.errors import PandaError
from harvester.panda.event_messages import EventJob, event_job_of
from harvester.plugins.data.checksums import read_content
from harvester.plugins.tools.regular_files import open_regular
from harvester.store import files, jobs

log = structlog.get_logger(__name__)

SLOTS: Final = ("checkpoints", "further checkpoints")
"""As many jobs have their checkpoints brought away at the same time."""
_AT_ONCE: Final = 10
_SECONDS: Final = 60.0
"""Checkpoints of a job, and time that is spent on them, until its report goes out."""
_MOST_ATTEMPTS: Final = 30


class _HopelessError(HarvesterError):
    """A checkpoint that no attempt will bring away."""


def waiting_checkpoints(connection: Connection, reported: Sequence[Job]) -> Mapping[int, Sequence[File]]:
    """Checkpoints that were written and not brought away yet, by job; no statement for jobs that search for nothing."""
    searching = [job.job_id for job in reported if job.events is EventMode.SAMPLES]
    if not searching:
        return {}
    waiting: dict[int, list[File]] = defaultdict(list)
    for job_id, some in files.of_jobs(connection, searching, [FileKind.CHECKPOINT]).items():
        for each in some:
            if each.status is FileStatus.RENEWED:
                waiting[job_id].append(each)
    return waiting


def upload_checkpoints(instance: Instance, waiting: Sequence[File]) -> list[File]:
    """Bring away as many as time allows; gives those that were tried as they are then."""
    if not waiting:
        return []
    with instance.db.read() as connection:
        params = jobs.params_of(connection, {each.job_id for each in waiting})
    known = {job_id: event_job_of(job_id, each) for job_id, each in params.items()}
    end = instance.tick() + _SECONDS
    tried: list[File] = []
    for each in sorted(waiting, key=lambda file: file.attempts)[:_AT_ONCE]:
        if instance.tick() > end:
            break
        tried.append(_after_attempt(instance, each, known[each.job_id]))
    return tried


def _after_attempt(instance: Instance, file: File, job: EventJob) -> File:
    attempts = file.attempts + 1
    try:
        _upload(instance, file, job)
    except (_HopelessError, OSError, PandaError) as error:
        if isinstance(error, _HopelessError) or attempts >= _MOST_ATTEMPTS:
            log.warning("a checkpoint is given up", job=file.job_id, file=file.lfn, reason=str(error))
            return replace(file, status=FileStatus.FAILED, attempts=attempts)
        if file.attempts == 0:
            what = "a checkpoint is not stored, it is tried again"
            log.warning(what, job=file.job_id, file=file.lfn, reason=str(error))
        return replace(file, attempts=attempts)
    return replace(file, status=FileStatus.DONE, attempts=attempts)


def _upload(instance: Instance, file: File, job: EventJob) -> None:
    """Store a checkpoint that is still what its worker told of it.

    Raises:
        _HopelessError: that can never be.
        OSError: it cannot be read, or is being written anew.
        PandaError: the server does not take it.
    """
    point = _point(file, job)
    if job.source_url is None:
        raise _HopelessError("its job names no server for it (sourceURL)")
    with open_regular(Path(file.path or ""), follow=False) as content:
        if wrong := read_content(content).differs_from(file.size, file.checksum):
            raise OSError(f"{file.path} {wrong}: it has changed since its worker told of it")
        content.seek(0)
        instance.checkpoints.store(job.source_url, point, content)


def _point(file: File, job: EventJob) -> SamplePoint:
    point = point_of_checkpoint(file.lfn, job.task_id)
    if point is None:
        raise _HopelessError(f"it has to be called {job.task_id}_<point>")
    if (file.size or 0) > LARGEST_CHECKPOINT:
        raise _HopelessError(f"it has {file.size} bytes, and the server takes {LARGEST_CHECKPOINT}")
    return point
