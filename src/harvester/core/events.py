"""Event ranges: parts of a job that its workers ask for one after another (core reference §3.10, §4.3).

The life of a range::

    allotted → given → running → transferring → finished | failed → done
                  └───────┴──────────────────────────┘

A range that the payload calls finished counts as that only when the file that holds its output is stored; until then
the server is not told. Ranges that nobody has processed when their job ends are not reported: the server gives them out
again.
"""

import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from harvester.core.files import FileStatus
from harvester.core.job_flags import is_set

_FATAL: Final = "fatal"
LONGEST_RANGE_ID: Final = 190
"""Characters; real ones have about 50."""


class EventMode(StrEnum):
    """What a job is divided into."""

    RANGES = "ranges"
    """Ranges of events of its input files."""
    SAMPLES = "samples"
    """Points of a hyper-parameter search, each described by iDDS."""


class EventState(StrEnum):
    """Where a range stands.

    ALLOTTED: the server gave it to us for a worker. GIVEN: the worker has it. DONE: the server knows its end.
    """

    ALLOTTED = "allotted"
    GIVEN = "given"
    RUNNING = "running"
    TRANSFERRING = "transferring"
    FINISHED = "finished"
    FAILED = "failed"
    DONE = "done"


OPEN: Final = frozenset({EventState.ALLOTTED, EventState.GIVEN, EventState.RUNNING})
"""States that the payload's word can change."""
REPORTABLE: Final = frozenset({EventState.TRANSFERRING, EventState.FINISHED, EventState.FAILED})
"""States in which the server has to be told of the range, now or when its file is stored."""
_FROM_FILE: Final[Mapping[FileStatus, EventState]] = {
    FileStatus.FINISHED: EventState.FINISHED,
    FileStatus.FAILED: EventState.FAILED,
}


def event_mode(params: Mapping[str, object]) -> EventMode | None:
    """What the server's dictionary of a job says of events; None for an ordinary job (core reference §3.6 step 9)."""
    if is_set(params.get("isHPO")):
        return EventMode.SAMPLES
    return EventMode.RANGES if is_set(params.get("eventService")) or is_set(params.get("cloneJob")) else None


def state_after_word(state: EventState, word: str, *, has_file: bool) -> EventState:
    """The state of a range after the payload's word on it; once it has ended, words change nothing.

    Args:
        state: as it was.
        word: `finished`, `failed`, `fatal`, or anything else for a range in work.
        has_file: whether its output is in a file that is still to be stored.
    """
    if state not in OPEN:
        return state
    if word == "finished":
        return EventState.TRANSFERRING if has_file else EventState.FINISHED
    return EventState.FAILED if word in {"failed", _FATAL} else EventState.RUNNING


def state_after_file(state: EventState, file: FileStatus | None) -> EventState:
    """The state of a range when the file with its output stands so; None is no file, which nothing waits for."""
    if state is not EventState.TRANSFERRING:
        return state
    return EventState.FINISHED if file is None else _FROM_FILE.get(file, state)


def wire_event_status(state: EventState, word: str) -> str:
    """What the server is told (protocol reference §9.3): `fatal` means failed and not to be tried again."""
    if state is EventState.FAILED:
        return _FATAL if word == _FATAL else "failed"
    return "finished" if state is EventState.FINISHED else "running"


def initial_ranges(worker_cores: int, jobs: int, job_cores: int, multiplier: int) -> int:
    """How many ranges a new worker gets for each of its jobs (core reference §3.6 step 14)."""
    return max(math.ceil(worker_cores / max(jobs, 1)), job_cores) * multiplier
