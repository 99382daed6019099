"""What remains to be done in an access point when the batch job has ended: the logs and left-over outputs."""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from harvester.core.files import FileKind
from harvester.core.workers import MapType, Worker, log_of_worker
from harvester.plugins.api import Assignment
from harvester.plugins.messengers.access_point_files import job_directories
from harvester.plugins.messengers.file_names import FileNames
from harvester.plugins.messengers.log_archive import archive_logs
from harvester.plugins.tools.atomic_files import write_atomically
from harvester.plugins.tools.names import is_plain_name
from harvester.plugins.tools.untrusted_files import UnreadableFileError, read_json

_NO_NAME: Final = frozenset({"", "NULL"})

Entry = dict[str, JsonValue]
JobParams = Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class FinishRules:
    """What is gathered, and where.

    Attributes:
        largest: bytes that a worker's list of files may have.
        largest_log: bytes of log files that are packed into one log.
        scan: whether outputs that the worker did not report are looked for.
        patterns: regular expressions of their names, with `%PANDAID`, `%TASKID` and `%OUTPUT_FILE`; without any, the
            declared outputs are looked for.
        in_job_directory: whether each job has worked in `<access point>/<PandaID>`.
        output_directory: directory below, in which left-over outputs are.
    """

    names: FileNames
    largest: int
    largest_log: int
    scan: bool
    patterns: Sequence[str]
    in_job_directory: bool
    output_directory: str | None


def finish(assignment: Assignment, rules: FinishRules) -> None:
    """Pack the log of each job and list the outputs that its worker did not report; once, however often it is called.

    Raises:
        OSError: the access point cannot be read or written.
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
    gathered: dict[str, JsonValue] = {}
    for job_id in job_ids:
        own = directory / str(job_id) if rules.in_job_directory else directory
        worked_in = own if own.is_dir() else directory
        job = _EndedJob(assignment.worker, job_id, assignment.job_params.get(job_id, {}), worked_in, reported)
        gathered[str(job_id)] = [*_log(job, rules), *_left_over(job, rules)]
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
    content = archive_logs(job.place, path, skip={rules.names.job_spec, *job.outputs}, at_most=rules.largest_log)
    guid = str(job.params.get("logGUID") or "")
    known = {} if guid in _NO_NAME or job.is_shared else {"guid": guid}
    yield {"path": str(path), "type": FileKind.LOG, "fsize": content.size, "chksum": content.adler32, **known}


def _left_over(job: _EndedJob, rules: FinishRules) -> Iterator[Entry]:
    directory = job.place / (rules.output_directory or "")
    if not (rules.scan and directory.is_dir()):
        return
    known = {Path(str(entry.get("path"))).name for entry in job.own_report}
    wanted = [re.compile(text) for text in _expanded(job, rules.patterns)]
    for path in sorted(directory.iterdir()):
        is_wanted = any(pattern.search(path.name) for pattern in wanted)
        if is_wanted and path.name not in known and path.is_file() and not path.is_symlink():
            yield {"path": str(path), "type": FileKind.OUTPUT if path.name in job.outputs else FileKind.ES_OUTPUT}


def _expanded(job: _EndedJob, patterns: Sequence[str]) -> Iterator[str]:
    for pattern in patterns or ("^%OUTPUT_FILE$",):
        text = pattern.replace("%PANDAID", str(job.job_id)).replace("%TASKID", re.escape(str(job.params.get("taskID"))))
        if "%OUTPUT_FILE" in text:
            yield from (text.replace("%OUTPUT_FILE", re.escape(name)) for name in sorted(job.outputs))
        else:
            yield text
