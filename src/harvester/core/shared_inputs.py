"""Which of several jobs with the same input file has it brought: one does, the others wait and take the path."""

from enum import Enum
from typing import Final

from harvester.core.files import File, FileStatus
from harvester.core.records import record_type

MOST_LOOKS: Final = 240
"""Looks after which a file of another queue is waited for no longer: its plugin may be out of order."""


class Part(Enum):
    """What a job does about an input."""

    TAKE = "take"
    WAIT = "wait"
    BRING = "bring"


@record_type
class Others:
    """What jobs have of one input file, the asking one among them; keys of files, None for no such file.

    Attributes:
        ready: of a job that has not ended and may use it.
        moving: the first whose transfer was started.
        waiting: the first whose transfer was not.
        moving_elsewhere: as `moving`, of other queues.
    """

    ready: int | None = None
    moving: int | None = None
    waiting: int | None = None
    moving_elsewhere: int | None = None


def part_in(file: File, others: Others) -> Part:
    """Take it if it is ready, wait for the one who brings it, or bring it.

    Whoever has begun goes on; else the eldest of the queue begins. As a job that has ended counts no longer, the next
    one takes over: nobody waits for ever.
    """
    if others.ready is not None:
        return Part.TAKE
    if file.status is FileStatus.TRIGGERED:
        return Part.BRING
    if others.moving is not None:
        return Part.WAIT
    if others.moving_elsewhere is not None and file.attempts < MOST_LOOKS:
        return Part.WAIT
    return Part.BRING if others.waiting in {None, file.file_id} else Part.WAIT
