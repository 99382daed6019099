"""What names jobs get, so that every batch job tells which worker it is.

A single job is named by its worker's marker, `<instance>-<worker id>`. An array is named `<instance>+<base>` and the
worker of an element is base + task index: no list of members is needed to find a worker again.
"""

import re
from collections.abc import Iterable
from typing import Final

from harvester.core.workers import marker_of

_NO_DIGIT: Final = re.compile(r"\D")


def array_name(instance: str, base: int) -> str:
    """The job name of an array whose task 0 would be worker `base`."""
    return f"{instance}+{base}"


def marker_in(name: str, batch_id: str) -> str | None:
    """The marker that a job name and a batch id carry together; None if an array is not one of ours."""
    _, is_element, task = batch_id.partition("_")
    if not is_element:
        return name
    instance, plus, base = name.rpartition("+")
    if not plus or not _is_number(base) or not _is_number(task):
        return None
    return marker_of(instance, int(base) + int(task))


def compact(numbers: Iterable[int]) -> str:
    """Numbers as Slurm writes sets of them: `0-3,7,9-12`."""
    spans: list[list[int]] = []
    for number in sorted(set(numbers)):
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)


def compact_batch_ids(batch_ids: Iterable[str]) -> list[str]:
    """Batch ids with the elements of one array joined: `["12_[0-3,7]", "15"]`."""
    elements: dict[str, list[int]] = {}
    for batch_id in batch_ids:
        job, is_element, task = batch_id.partition("_")
        elements.setdefault(job, []).extend([int(task)] if is_element else [])
    return [f"{job}_[{compact(tasks)}]" if tasks else job for job, tasks in elements.items()]


def listed_batch_id(text: str) -> str | None:
    """The batch id that a listing means; None for forms that stand for a part of a job or for several elements.

    The first component of a heterogeneous job, `12+0`, runs the batch script and stands for the job.
    """
    batch_id = text.removesuffix("+0")
    return batch_id if is_batch_id(batch_id) else None


def job_of(batch_id: str) -> str:
    """The job id that a batch id or any other listed form begins with: `12` of `12_3`, `12_[4-9%2]` and `12+1`."""
    return _NO_DIGIT.split(batch_id, maxsplit=1)[0]


def is_batch_id(text: str) -> bool:
    """Whether the text is a job id (`123`) or an array element (`123_4`)."""
    job, is_element, task = text.partition("_")
    return _is_number(job) and (not is_element or _is_number(task))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
