"""What remains to be done in an access point when the batch job has ended: logs, left-over and merged outputs."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harvester.core.files import FileKind
from harvester.core.workers import MapType, Worker, log_of_worker
from harvester.plugins.api import Assignment
from harvester.plugins.messengers.access_point_files import job_directories
from harvester.plugins.messengers.file_names import GATHERED_ATTRIBUTES, FileNames
from harvester.plugins.messengers.left_overs import Searched, SearchRules, left_over
from harvester.plugins.messengers.log_archive import archive_logs
from harvester.plugins.messengers.task_directories import Entry, JobParams, TaskDirectories, input_names
from harvester.plugins.tools.atomic_files import write_atomically
from harvester.plugins.tools.names import is_plain_name
from harvester.plugins.tools.untrusted_files import UnreadableFileError, read_json

_NO_NAME: Final = frozenset({"", "NULL"})


@dataclass(frozen=True, slots=True)
class FinishRules:
    """What is gathered, and where.

    Attributes:
        largest: bytes that a worker's list of files may have.
        largest_log: bytes of log files that are packed into one log.
        sub_archive: name of a file that stands for the logs of the sub-directory that it is in.
        search: how outputs that the worker did not report are looked for; None if they are not.
        in_job_directory: whether each job has worked in `<access point>/<PandaID>`.
    """

    names: FileNames
    tasks: TaskDirectories
    largest: int
    largest_log: int
    sub_archive: str | None
    search: SearchRules | None
    in_job_directory: bool


def finish(assignment: Assignment, rules: FinishRules) -> None:
    """Pack the log of each job and list the outputs that its worker did not report; once, however often it is called.

    Raises:
        OSError: the access point cannot be read or written.
        NotYetError: the outputs that were merged for a job are not known yet.
    """
    worker = assignment.worker
    for directory, job_ids in job_directories(worker):
        # a worker may have removed the directory of a job; then there is nothing to gather
        if worker.map_type is not MapType.MANY_TO_ONE or os.path.isdir(directory):
            _finish_directory(directory, assignment, job_ids, rules)


def _finish_directory(place: str, assignment: Assignment, job_ids: Sequence[int], rules: FinishRules) -> None:
    names = os.listdir(place)
    if any(name.startswith(rules.names.gathered) for name in names):
        return
    directory = Path(place)
    dumps = [directory / name for name in names if name.startswith(rules.names.outputs)]
    reported = [entry for dump in dumps for entry in _entries(dump, rules.largest)]
    gathered: dict[str, list[Entry]] = {}
    skipped: dict[str, dict[str, list[str]]] = {}
    for job_id in job_ids:
        own = directory / str(job_id) if rules.in_job_directory else directory
        worked_in = own if own.is_dir() else directory
        job = _EndedJob(assignment.worker, job_id, assignment.job_params.get(job_id, {}), worked_in, reported)
        merged = rules.tasks.merged(job.params)
        if rules.tasks.of_job(job.params):
            skipped[str(job_id)] = {"skippedInputs": [lfn for lfn in input_names(job.params) if lfn not in merged]}
        outputs = {str(entry["path"]): entry for some in merged.values() for entry in some}
        gathered[str(job_id)] = [*_log(job, rules), *_left_over(job, rules.search), *outputs.values()]
    if skipped:
        write_atomically(f"{place}/{GATHERED_ATTRIBUTES}", json.dumps(skipped))
    if any(gathered.values()):
        write_atomically(f"{place}/{rules.names.gathered}", json.dumps(gathered))


@dataclass(frozen=True, slots=True)
class _EndedJob:
    worker: Worker
    job_id: int
    params: JobParams
    place: Path
    reported: Sequence[tuple[str, Entry]]

    @property
    def own_report(self) -> Iterator[Entry]:
        return (entry for key, entry in self.reported if key == str(self.job_id))

    @property
    def log_name(self) -> str:
        return str(self.params.get("logFile") or "")

    @property
    def is_shared(self) -> bool:
        """Whether other workers have logs of the same job."""
        return self.worker.map_type is MapType.ONE_TO_MANY

    @property
    def outputs(self) -> set[str]:
        """Declared outputs without the log."""
        return {*str(self.params.get("outFiles") or "").split(",")} - _NO_NAME - {self.log_name}


def _entries(dump: Path, largest: int) -> Iterator[tuple[str, Entry]]:
    """The entries of a worker's list of files by job; one that cannot be read is told of when it is collected."""
    try:
        content = read_json(dump, at_most=largest)
    except (OSError, UnreadableFileError):
        return
    for key, entries in content.items() if isinstance(content, dict) else ():
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, dict):
                yield key, entry


def _log(job: _EndedJob, rules: FinishRules) -> Iterator[Entry]:
    name = job.log_name
    if name in _NO_NAME or not is_plain_name(name) or any(entry.get("type") == "log" for entry in job.own_report):
        return
    path = job.place / (log_of_worker(name, job.worker) if job.is_shared else name)
    content = archive_logs(
        job.place,
        path,
        skip={rules.names.job_spec, *job.outputs},
        at_most=rules.largest_log,
        sub_archive=rules.sub_archive,
    )
    guid = str(job.params.get("logGUID") or "")
    known = {} if guid in _NO_NAME or job.is_shared else {"guid": guid}
    yield {"path": str(path), "type": FileKind.LOG, "fsize": content.size, "chksum": content.adler32, **known}


def _left_over(job: _EndedJob, search: SearchRules | None) -> Iterator[Entry]:
    if search is not None:
        known = {Path(str(entry.get("path"))).name for entry in job.own_report}
        about = Searched(job.job_id, str(job.params.get("taskID")), job.place, job.outputs, known)
        yield from left_over(about, search)
