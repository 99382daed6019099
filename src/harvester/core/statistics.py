"""What the server's statistics say of a queue: activated jobs, and how many instances serve it (core reference §1.8).

Read from documents that nobody vouches for: what is no number of something counts as nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from harvester.core.facts import whole_number

JOBS: Final = "job_statistics.json"
JOBS_BY_LABEL: Final = "job_statistics_new.json"
WORKERS: Final = "worker_statistics.json"
_ACTIVATED: Final = "activated"


def activated_jobs(document: Mapping[str, object], names: Sequence[str]) -> int | None:
    """Jobs that wait at the server for a queue; None if the statistics do not know it under any of the names."""
    found = next((entry for name in names if isinstance(entry := document.get(name), Mapping)), None)
    return None if found is None or _ACTIVATED not in found else _number(found[_ACTIVATED])


def activated_by_label(document: object, names: Sequence[str]) -> dict[str | None, dict[str, int]]:
    """Jobs that wait at the server for a queue, by resource type and source label."""
    entry = next(filter(None, (_part(document, name) for name in names)), {})
    return {
        resource_type: {label: _number(by_status.get(_ACTIVATED)) for label, by_status in _parts(labels)}
        for resource_type, labels in _parts(entry)
    }


def serving_instances(document: object, names: Sequence[str]) -> int:
    """How many instances report workers of a queue; this one alone if nobody says."""
    return max((len(_part(document, name)) for name in names), default=0) or 1


def _part(document: object, name: str) -> Mapping[str, object]:
    entry = document.get(name) if isinstance(document, Mapping) else None
    return entry if isinstance(entry, Mapping) else {}


def _parts(document: Mapping[str, object]) -> Iterator[tuple[str, Mapping[str, object]]]:
    return ((name, entry) for name, entry in document.items() if isinstance(entry, Mapping))


def _number(value: object) -> int:
    return max(whole_number(value) or 0, 0)
