"""What the server orders for queues in slave mode: workers by job and resource type (core reference §4.7).

The server's word is checked for shape: a number that is none, or a name that cannot be one, loses only itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from harvester.core.kinds import ANY_KIND, WorkerKind, is_word

_MOST_KINDS: Final = 200
_MOST_WORKERS: Final = 1_000_000

Order = Mapping[WorkerKind, int]
"""Workers by job and resource type."""


@dataclass(frozen=True, slots=True)
class OrderedQueue:
    """A queue that gets what the server orders.

    Attributes:
        kind: the only job and resource type that it takes, as far as it says one.
    """

    name: str
    kind: WorkerKind = ANY_KIND


def read_order(params: object) -> dict[WorkerKind, int]:
    """The parameters of SET_N_WORKERS_JOBTYPE, `{jobType: {resourceType: n}}`."""
    return dict(list(_entries(params))[:_MOST_KINDS])


def _entries(params: object) -> Iterator[tuple[WorkerKind, int]]:
    for job_type, by_type in params.items() if isinstance(params, Mapping) else ():
        for resource_type, number in by_type.items() if isinstance(by_type, Mapping) else ():
            is_number = isinstance(number, int) and not isinstance(number, bool) and number >= 0
            if is_number and is_word(job_type) and is_word(resource_type):
                yield WorkerKind(job_type, resource_type), min(number, _MOST_WORKERS)


def share_order(order: Order, queues: Sequence[OrderedQueue]) -> dict[str, dict[WorkerKind, int]]:
    """What each queue of the site is to get; all that was ordered before is forgotten.

    A queue that takes nothing but a type gets the workers of that type, the first one without such a word all others.
    """
    shares: dict[str, dict[WorkerKind, int]] = {queue.name: {} for queue in queues}
    for kind, number in order.items():
        takers = [queue for queue in queues if _takes(queue.kind, kind)]
        if takers:
            shares[max(takers, key=lambda queue: _precision(queue.kind)).name][kind] = number
    return shares


def _takes(only: WorkerKind, kind: WorkerKind) -> bool:
    return only.job_type in {None, kind.job_type} and only.resource_type in {None, kind.resource_type}


def _precision(only: WorkerKind) -> int:
    return (only.job_type is not None) + (only.resource_type is not None)
