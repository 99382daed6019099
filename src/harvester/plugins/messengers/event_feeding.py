"""Giving event ranges to a worker, each delivery exactly once whatever dies on the way.

A delivery is written under a name of its own, then noted in a small file beside it, and last renamed to the name that
the worker reads. Noted and no longer under its own name, it has arrived, and the worker may have taken it away already.
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from harvester.plugins.api import EventFeed
from harvester.plugins.messengers.access_point_files import HopelessError
from harvester.plugins.messengers.file_names import FileNames
from harvester.plugins.tools.atomic_files import write_atomically
from harvester.plugins.tools.untrusted_files import UnreadableFileError, read_bytes

_LONGEST_NOTE: Final = 40


def request_token(stat: os.stat_result) -> str:
    """Tells a worker's request from every later one."""
    return f"{stat.st_ino}:{stat.st_size}:{stat.st_mtime_ns}"


def feed_ranges(feed: EventFeed, names: FileNames) -> None:
    """Put the ranges where the worker reads them, and take its request away.

    Raises:
        OSError: a file cannot be written.
        HopelessError: the access point is gone.
    """
    top = Path(feed.worker.access_point)
    if not top.is_dir():
        raise HopelessError("the access point is gone, so no event ranges can be put there")
    own_name, note = top / f".{names.event_ranges}.{feed.delivery}", top / f".{names.event_ranges}.delivery"
    if _noted(note) != str(feed.delivery):
        write_atomically(str(own_name), json.dumps(_by_text(feed)))
        write_atomically(str(note), str(feed.delivery))
    with suppress(FileNotFoundError):  # it has arrived
        own_name.replace(top / names.event_ranges)
    _take_away(top / names.event_request, feed.token)


def _by_text(feed: EventFeed) -> Mapping[str, object]:
    return {str(job_id): list(ranges) for job_id, ranges in feed.ranges.items()}


def _noted(note: Path) -> str:
    try:
        return read_bytes(note, at_most=_LONGEST_NOTE).decode(errors="replace")
    except (FileNotFoundError, UnreadableFileError):
        return ""


def _take_away(request: Path, token: str) -> None:
    """A newer request than the one that was served stays."""
    with suppress(FileNotFoundError):
        if request_token(request.stat(follow_symlinks=False)) == token:
            request.unlink()
