"""Where the files of a worker are, and renaming what it wrote."""

import os
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from harvester.core.errors import HarvesterError
from harvester.core.workers import MapType, Worker


class HopelessError(HarvesterError):
    """A worker cannot be served through its access point, now or later."""


class NotYetError(HarvesterError):
    """A worker cannot be served through its access point now."""


def job_directories(worker: Worker) -> Iterator[tuple[str, Sequence[int]]]:
    """The directories in which the worker's jobs have their files, each with its jobs."""
    top = worker.access_point
    if worker.map_type is MapType.MANY_TO_ONE:
        yield from ((f"{top}/{job_id}", (job_id,)) for job_id in worker.job_ids)
    else:
        yield top, worker.job_ids


def is_there(path: str) -> bool:
    """Whether there is something of that name; below a file there is nothing.

    Raises:
        OSError: that cannot be known now.
    """
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def put_aside(path: Path) -> None:
    """Keep an unusable file for the operator where nobody reads it again, under `<name>.invalid`."""
    path.replace(path.with_name(f"{path.name}.invalid"))


def stamp_of(now: datetime) -> str:
    """The moment as it stands in the names of acknowledged files (plugins reference §5.2)."""
    return now.strftime("%Y-%m-%d_%H_%M_%S.%f")
