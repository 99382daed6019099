"""Giving jobs to workers that run and have asked for them (plugins reference §5.2, core reference §4.8).

A worker learns of its jobs by one last step: the job file gets its name, or, where each job has a directory of its own,
the list of jobs. Whoever repeats the feeding after a crash sees by the list what was done, and never puts back a job
file that the worker has taken away.
"""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Final

from harvester.core.workers import MapType, Worker
from harvester.plugins.api import Assignment
from harvester.plugins.messengers.access_point_files import HopelessError, NotYetError, is_there, job_directories
from harvester.plugins.messengers.feeding import FeedRules, feed_directory
from harvester.plugins.messengers.file_names import FileNames
from harvester.plugins.messengers.reports import MalformedReportError, read_job_ids
from harvester.plugins.tools.atomic_files import write_atomically
from harvester.plugins.tools.untrusted_files import UnreadableFileError, read_json

_LONGEST_LIST: Final = 1_000_000
_MOST_WANTED: Final = 1000


def feed_running_jobs(assignment: Assignment, rules: FeedRules) -> None:
    """Write the jobs that are new to the worker, then take its wish away.

    Raises:
        OSError: a file cannot be written.
        NotYetError: nobody can tell which jobs the worker knows.
        HopelessError: the access point is gone, or a job cannot be written.
    """
    worker, names = assignment.worker, rules.names
    if not _has_access_point(worker):
        raise HopelessError("the access point is gone, so no job can be put there")
    new = assignment.job_params.keys() - _listed(worker, names)
    if worker.map_type is MapType.MANY_TO_ONE:
        for job_id in sorted(new):
            directory = f"{worker.access_point}/{job_id}"
            Path(directory).mkdir(exist_ok=True)
            feed_directory(directory, assignment, (job_id,), rules, names.job_spec)
        _write_list(worker, names, new)
    else:
        if new:
            feed_directory(worker.access_point, assignment, sorted(new), rules, _staged(names))
            _write_list(worker, names, new)
        _publish(worker, names)
    _withdraw_wish(worker, names)


def _has_access_point(worker: Worker) -> bool:
    return is_there(f"{worker.access_point}/")


def _staged(names: FileNames) -> str:
    return f".{names.job_spec}.staged"


def _publish(worker: Worker, names: FileNames) -> None:
    try:
        Path(worker.access_point, _staged(names)).replace(Path(worker.access_point, names.job_spec))
    except FileNotFoundError:
        return  # it was published before


def _write_list(worker: Worker, names: FileNames, new: Collection[int]) -> None:
    if new:
        write_atomically(f"{worker.access_point}/{names.job_ids}", json.dumps(worker.job_ids))


def _withdraw_wish(worker: Worker, names: FileNames) -> None:
    """Remove the request that was answered; one that is newer than the answer stays."""
    request, answer = Path(worker.access_point, names.job_request), Path(worker.access_point, names.job_ids)
    try:
        if request.lstat().st_mtime_ns <= answer.lstat().st_mtime_ns:
            request.unlink()
    except FileNotFoundError:
        return


def _listed(worker: Worker, names: FileNames) -> frozenset[int]:
    """The jobs in the list, which Harvester alone writes for such workers; none if there is no list.

    Raises:
        NotYetError: there is one that cannot be read.
    """
    path = Path(worker.access_point, names.job_ids)
    try:
        return frozenset(read_job_ids(read_json(path, at_most=_LONGEST_LIST)))
    except FileNotFoundError:
        return frozenset()
    except UnreadableFileError as error:
        raise NotYetError(str(error)) from None
    except MalformedReportError as error:
        raise NotYetError(f"{path} {error}") from None


def untaken_jobs(worker: Worker, names: FileNames) -> tuple[int, ...]:
    """The jobs that an ended worker has certainly not taken up: never listed, or their job file is still there.

    A job file that is published meanwhile is seen under its first name or under its last: they are looked for in the
    order in which it has them.

    Raises:
        OSError: it cannot be looked for them.
        NotYetError: the list cannot be read.
    """
    if not _has_access_point(worker):
        return ()
    listed = _listed(worker, names)
    lying = {
        job_id
        for directory, job_ids in job_directories(worker)
        if any(is_there(f"{directory}/{name}") for name in (_staged(names), names.job_spec))
        for job_id in job_ids
    }
    return tuple(job for job in worker.job_ids if job in lying or job not in listed)


def jobs_wanted(request: Path, largest: int) -> int:
    """How many jobs a request asks for; 1 if it cannot be read."""
    try:
        content = read_json(request, at_most=largest)
    except FileNotFoundError:
        return 0
    except UnreadableFileError:
        return 1
    number = content.get("nJobs") if isinstance(content, dict) else None
    return min(max(number, 0), _MOST_WANTED) if isinstance(number, int) and not isinstance(number, bool) else 1
