"""Hyper-parameter search: the points that a payload tries, their losses, and checkpoints of unfinished ones.

What the server gives for such a job looks like event ranges, one per point; what a point is, iDDS tells (core reference
§3.6 step 14, protocol reference §9.1, §11.4, §11.5).
"""

import math
import re
from collections.abc import Mapping
from typing import Final

from harvester.core.records import record_type

LARGEST_CHECKPOINT: Final = 500 * 2**20
"""Bytes; the server takes no more."""
POINT: Final = "hp_point"
"""Key of a range under which the worker finds its point."""
CHECKPOINT: Final = "checkpoint"
"""Key of a range under which it finds the path of what an earlier worker has left of the point."""
_RANGE_ID: Final = re.compile(r"(\d{1,19})-\d+-\d+-([0-9A-Za-z]{1,64})-\d+", re.ASCII)
_CHECKPOINT: Final = re.compile(r"(\d{1,19})_([0-9A-Za-z]{1,64})", re.ASCII)


@record_type
class SamplePoint:
    """A point of the search of a task, by the number that iDDS gave it."""

    task_id: int
    point_id: str

    @property
    def checkpoint(self) -> str:
        """What the point's checkpoint is called by workers and by the server."""
        return f"{self.task_id}_{self.point_id}"


def point_of_range(range_id: str) -> SamplePoint:
    """The point that a range stands for: `<task>-<job>-<file>-<point>-<attempt>`.

    Raises:
        ValueError: it stands for none.
    """
    found = _RANGE_ID.fullmatch(range_id)
    if found is None:
        raise ValueError(f"event range {range_id} names no point of a search")
    return SamplePoint(int(found[1]), found[2])


def point_of_checkpoint(lfn: str, task_id: int | None) -> SamplePoint | None:
    """The point that a file is the checkpoint of; None if its name tells none, or one of another task's search."""
    found = _CHECKPOINT.fullmatch(lfn)
    return SamplePoint(int(found[1]), found[2]) if found and int(found[1]) == task_id else None


def loss_of(about: Mapping[str, object]) -> float:
    """The loss that a worker tells of a point, as a number or its text.

    Raises:
        ValueError: it is none.
    """
    told = about.get("loss")
    try:
        loss = float(told) if isinstance(told, int | float | str) else math.nan
    except (ValueError, OverflowError):
        loss = math.nan
    if not math.isfinite(loss):
        raise ValueError(f"{str(told)[:40]!r} is no loss")
    return loss


def is_undescribed(given: Mapping[str, object]) -> bool:
    """Whether iDDS has yet to say what the range's point is: until then the key is there and empty."""
    return POINT in given and given[POINT] is None
