"""Making an access point and putting a worker's jobs and inputs there (plugins reference §5.1, §5.2)."""

import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlencode
from xml.sax.saxutils import quoteattr

from pydantic import JsonValue

from harvester.core.files import File, FileKind
from harvester.core.workers import MapType
from harvester.plugins.api import Assignment
from harvester.plugins.messengers.access_point_files import HopelessError, job_directories
from harvester.plugins.messengers.file_names import FileNames
from harvester.plugins.messengers.task_directories import TaskDirectories, input_names
from harvester.plugins.tools.atomic_files import write_atomically
from harvester.plugins.tools.names import is_plain_name
from harvester.plugins.tools.untrusted_files import parse_json

BULKY_PARAMETERS: Final = frozenset(
    {
        "prodDBlocks",
        "realDatasetsIn",
        "dispatchDblock",
        "ddmEndPointIn",
        "scopeIn",
        "dispatchDBlockToken",
        "prodDBlockToken",
    }
)
"""Job parameters that `stripJobParams` keeps from workers (protocol reference §7)."""


@dataclass(frozen=True, slots=True)
class FeedRules:
    """How jobs are written for workers.

    Attributes:
        form_encoded: whether the job spec is one URL-encoded line instead of JSON (`jobSpecFileFormat` `cgi`).
        strip: whether bulky parameters are left out.
    """

    names: FileNames
    tasks: TaskDirectories
    form_encoded: bool
    strip: bool


def make_access_point(assignment: Assignment, *, own_directory: bool) -> None:
    """Make the worker's directory, empty; what an earlier worker of the same number left there is removed.

    Args:
        assignment: the worker and its jobs.
        own_directory: whether no other worker shares the directory, so that it may be emptied.

    Raises:
        OSError: it cannot be made.
        HopelessError: its name is not a path that could be made.
    """
    worker = assignment.worker
    top = worker.access_point
    if not os.path.isabs(top):
        raise HopelessError(f"access point {top!r} is not absolute; correct accessPoint of the queue")
    try:
        os.mkdir(top)
    except FileNotFoundError:
        os.makedirs(top, exist_ok=True)
    except FileExistsError:
        if own_directory:
            shutil.rmtree(top)
        os.makedirs(top, exist_ok=True)
    if worker.map_type is MapType.MANY_TO_ONE:
        for directory, _ in job_directories(worker):
            os.makedirs(directory, exist_ok=True)


def feed_jobs(assignment: Assignment, rules: FeedRules) -> None:
    """Write the jobs of a worker, the catalogue of their inputs, links to these and the list of jobs.

    Raises:
        OSError: a file cannot be written.
        HopelessError: a job or an input has no name or form that could be written.
    """
    worker = assignment.worker
    top = worker.access_point
    for directory, job_ids in job_directories(worker):
        feed_directory(directory, assignment, job_ids, rules, rules.names.job_spec)
    write_atomically(f"{top}/{rules.names.job_ids}", json.dumps(worker.job_ids))
    with suppress(FileNotFoundError):
        os.unlink(f"{top}/{rules.names.job_request}")


def feed_directory(
    directory: str, assignment: Assignment, job_ids: Sequence[int], rules: FeedRules, job_spec: str
) -> None:
    """Write some of the jobs into a directory under the name `job_spec`, and what they need besides.

    Raises:
        OSError: a file cannot be written.
        HopelessError: a job or an input has no name or form that could be written.
    """
    inputs = {file.lfn: file for job_id in job_ids for file in assignment.input_files.get(job_id, ())}
    for file in inputs.values():
        _link(Path(directory), file, rules.names)
    write_atomically(f"{directory}/{rules.names.pool_catalog}", _pool_catalog(_events(inputs.values())))
    params = {job_id: _job_params(assignment, job_id, strip=rules.strip) for job_id in job_ids}
    for about in params.values():
        rules.tasks.prepare(about, directory)
    text = _form(params) if rules.form_encoded else json.dumps({str(job_id): each for job_id, each in params.items()})
    write_atomically(f"{directory}/{job_spec}", text, private=True)


def _job_params(assignment: Assignment, job_id: int, *, strip: bool) -> dict[str, JsonValue]:
    try:
        params = dict(assignment.job_params[job_id])
    except KeyError:
        raise HopelessError(f"the parameters of job {job_id} are not known") from None
    paths = {file.lfn: file.path for file in assignment.input_files.get(job_id, ()) if file.path}
    if "secrets" in params:
        params["secrets"] = _decoded(params["secrets"])
    names = input_names(params) if paths else ()
    if names and all(name in paths for name in names):
        params["inFilePaths"] = ",".join(paths[name] for name in names)
    return {key: value for key, value in params.items() if not (strip and key in BULKY_PARAMETERS)}


def _decoded(secrets: JsonValue) -> JsonValue:
    """User secrets as the object that the server's JSON text means (protocol reference §7); anything else as it is."""
    if not isinstance(secrets, str):
        return secrets
    try:
        value = parse_json(secrets)
    except ValueError:
        return secrets
    return value if isinstance(value, dict) else secrets


def _form(params: Mapping[int, Mapping[str, JsonValue]]) -> str:
    if len(params) != 1:
        raise HopelessError(f"jobSpecFileFormat cgi takes one job for a file, not {len(params)}; use json")
    (job,) = params.values()
    return urlencode({key: value if isinstance(value, str) else json.dumps(value) for key, value in job.items()})


def _link(directory: Path, file: File, names: FileNames) -> None:
    if file.path is None:
        return
    if not is_plain_name(file.lfn) or names.is_taken(file.lfn):
        raise HopelessError(f"input {file.lfn!r} of job {file.job_id} has a name that no link in {directory} can have")
    link = directory / file.lfn
    link.unlink(missing_ok=True)
    link.symlink_to(file.path)


def _events(inputs: Iterable[File]) -> Iterable[File]:
    """The inputs that hold events, which alone are catalogued."""
    return (file for file in inputs if file.kind is not FileKind.AUX_INPUT)


def _pool_catalog(inputs: Iterable[File]) -> str:
    return "".join(
        (
            '<?xml version="1.0" encoding="UTF-8" standalone="no" ?>\n',
            '<!DOCTYPE POOLFILECATALOG SYSTEM "InMemory">\n',
            "<POOLFILECATALOG>\n",
            *(_catalog_entry(file) for file in inputs),
            "</POOLFILECATALOG>\n",
        )
    )


def _catalog_entry(file: File) -> str:
    return (
        f"  <File ID={quoteattr(file.guid or '')}>\n"
        f'    <physical><pfn filetype="ROOT_All" name={quoteattr(file.lfn)}/></physical>\n'
        "    <logical/>\n"
        "  </File>\n"
    )
