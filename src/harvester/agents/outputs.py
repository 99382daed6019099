"""Stores the files that workers say they have written, with what their jobs say of them."""

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection

from harvester.core.files import File, FileKind, FileStatus
from harvester.panda.offers import OutputFile, outputs_of
from harvester.plugins.api import ReportedFile
from harvester.store import files, jobs


def store_outputs(connection: Connection, told: Iterable[ReportedFile]) -> None:
    """These files wait to be taken away, under the scope, dataset and endpoint that their jobs declare."""
    outputs = [each for each in told if each.kind is not FileKind.INPUT]
    if not outputs:
        return
    params = jobs.params_of(connection, {each.job_id for each in outputs})
    declared = {job: outputs_of(some) for job, some in params.items()}
    files.insert_new(connection, [_file(each, declared.get(each.job_id, {})) for each in outputs])


def _file(told: ReportedFile, declared: Mapping[str, OutputFile]) -> File:
    output = declared.get(told.lfn)
    return File(
        file_id=0,
        job_id=told.job_id,
        lfn=told.lfn,
        kind=told.kind,
        status=FileStatus.DEFINED,
        path=told.path,
        size=told.size,
        checksum=told.checksum,
        guid=told.guid,
        scope=output.scope if output else None,
        dataset=output.dataset if output else None,
        endpoint=output.endpoint if output else None,
    )
