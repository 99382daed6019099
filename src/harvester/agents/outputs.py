"""Stores the files that workers say they have written, with what their jobs say of them."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import structlog
from pydantic import JsonValue
from sqlalchemy import Connection

from harvester.agents.base import Instance
from harvester.core.events import EventMode, event_mode
from harvester.core.files import EVENT_KINDS, INPUT_KINDS, File, FileKind, FileStatus
from harvester.core.jobs import Job, JobStatus
from harvester.core.packing import provenance_of
from harvester.core.workers import Worker, log_of_worker
from harvester.panda.offers import OutputFile, needed_outputs, outputs_of, zip_per_mb_of
from harvester.plugins.api import ReportedFile
from harvester.store import files, jobs
from harvester.store.leases import TOGETHER

log = structlog.get_logger(__name__)

_OF_ONE_WORKER: Final = re.compile(r"\._\d+$")
"""Ends the name of a file that the server takes for the one that the job declares (`log_of_worker`)."""


def megabytes_of(instance: Instance, queue: str, params: Mapping[str, JsonValue]) -> int | None:
    """How large packed files of a job may be, 0 for any size; None if nothing is packed. The job's own word wins."""
    config = instance.plugins.queues.get(queue)
    told = zip_per_mb_of(params)
    return told if told is not None or config is None else config.zip_per_mb


def store_outputs(
    instance: Instance, connection: Connection, told: Sequence[tuple[Worker, ReportedFile]], now: datetime
) -> bool:
    """These files wait to be taken away, under the scope, dataset and endpoint that their jobs declare.

    Returns:
        whether some have to be taken away although their jobs still run: the server waits for the events in them.
    """
    outputs = [(worker, each) for worker, each in told if each.kind not in INPUT_KINDS]
    if not outputs:
        return False
    params = jobs.params_of(connection, {each.job_id for _, each in outputs})
    declared = {job: outputs_of(some) for job, some in params.items()}
    limits = {
        each.job_id: megabytes_of(instance, worker.queue, params.get(each.job_id, {})) for worker, each in outputs
    }
    new = [
        _file(
            worker,
            each,
            _declared(declared.get(each.job_id, {}), worker, each.lfn),
            packs=limits[each.job_id] is not None,
        )
        for worker, each in outputs
    ]
    files.insert_new(connection, new)
    files.renew(connection, [each for each in new if each.kind is FileKind.CHECKPOINT])
    _have_checkpoints_brought(connection, new, params, now)
    early = {each.job_id for each in new if each.kind in EVENT_KINDS}
    jobs.stage_early(connection, early, now)
    return bool(early)


def _declared(outputs: Mapping[str, OutputFile], worker: Worker, lfn: str) -> OutputFile | None:
    """The output that a file is, or is one worker's part of."""
    return outputs.get(lfn) or outputs.get(lfn.removesuffix(log_of_worker("", worker)))


def untold_outputs(
    instance: Instance, connection: Connection, finished: Sequence[Job], told: Mapping[int, Sequence[File]]
) -> dict[int, list[str]]:
    """The outputs that jobs need and no worker has told of, by job; jobs that lack none are left out.

    Jobs in event ranges have others, those merged on site share theirs, and nobody has to tell us where a worker has
    made the report itself or its pilot tells the server.

    Args:
        instance: knows the queues.
        connection: to the database.
        finished: jobs that have finished.
        told: their files.
    """
    ours = [
        each.job_id
        for each in finished
        if not (_has_enough(each, told[each.job_id]) or _is_told_by_pilot(instance, each) or each.attributes.get("xml"))
    ]
    params = jobs.params_of(connection, ours) if ours else {}
    lacking = {job: _untold(some, told[job]) for job, some in params.items()}
    return {job: names for job, names in lacking.items() if names}


def _has_enough(job: Job, told: Sequence[File]) -> bool:
    """Whether workers told of as many declared outputs as it needs: what has a dataset or a scope was declared."""
    if job.outputs_needed is None:
        return False
    declared = {_OF_ONE_WORKER.sub("", each.lfn) for each in told if each.dataset or each.scope}
    return len(declared) >= job.outputs_needed


def _is_told_by_pilot(instance: Instance, job: Job) -> bool:
    queue = instance.plugins.queues.get(job.queue)
    return queue is not None and JobStatus.FINISHED.value in queue.no_heartbeat


def _untold(params: Mapping[str, JsonValue], told: Sequence[File]) -> list[str]:
    names = {each.lfn for each in told}
    stood_for = names | {_OF_ONE_WORKER.sub("", name) for name in names}
    needed = needed_outputs(params, outputs_of(params).values())
    return [each.lfn for each in needed if each.lfn not in stood_for]


def _have_checkpoints_brought(
    connection: Connection, new: Sequence[File], params: Mapping[int, Mapping[str, JsonValue]], now: datetime
) -> None:
    """Checkpoints leave with the next report of their job, which comes soon."""
    written = {each.job_id for each in new if each.kind is FileKind.CHECKPOINT}
    searching = {job for job in written if event_mode(params.get(job, {})) is EventMode.SAMPLES}
    jobs.trigger_reports(connection, searching, now + TOGETHER)
    for job in written - searching:
        log.warning("checkpoints are kept for hyper-parameter jobs alone, this one stays where it is", job=job)


def _file(worker: Worker, told: ReportedFile, output: OutputFile | None, *, packs: bool) -> File:
    """The file as it is stored; one that is packed already is told of as such, whatever its worker calls it."""
    return File(
        file_id=0,
        job_id=told.job_id,
        lfn=told.lfn,
        kind=FileKind.ZIP_OUTPUT if told.is_zip else told.kind,
        status=_first_status(told, packs=packs),
        path=told.path,
        size=told.size,
        checksum=told.checksum,
        guid=told.guid,
        scope=output.scope if output else None,
        dataset=output.dataset if output else None,
        endpoint=output.endpoint if output else None,
        worker_id=worker.worker_id,
        provenance=provenance_of(told.event_range),
    )


def _first_status(told: ReportedFile, *, packs: bool) -> FileStatus:
    if told.kind is FileKind.CHECKPOINT:
        return FileStatus.RENEWED
    return FileStatus.PENDING if packs and told.is_zip is None else FileStatus.DEFINED
