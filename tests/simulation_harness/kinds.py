"""The kinds of queues that a seed may draw, and how jobs and workers come together in each."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pydantic import JsonValue

_PLUGINS: Final = {
    "submitter": "SimulatedResource",
    "monitor": "SimulatedResource",
    "sweeper": "SimulatedResource",
    "preparator": "SimulatedPreparator",
    "stager": "SimulatedStager",
}


class Kind(StrEnum):
    """Kinds, which also name the queues: a seed draws one of each at the most."""

    PUSH = "PUSH"
    """Each job has a worker of its own."""
    PULL = "PULL"
    """Workers come without jobs and fetch them from the server, who is not asked for them here."""
    SLAVE = "SLAVE"
    """The same, but only as many come as the server orders."""
    SPREAD = "SPREAD"
    """Several workers share a job."""
    SHARED = "SHARED"
    """Several jobs share a worker, which may ask for more when it runs."""
    LATE = "LATE"
    """Workers come without jobs, and ask for one when they run."""
    REFILLED = "REFILLED"
    """Workers come without jobs, and ask for some again and again."""
    DIVIDED = "DIVIDED"
    """Each job has a worker of its own, which asks for its event ranges."""


OF_JOBS: Final[Mapping[Kind, int]] = {
    Kind.PUSH: 4,
    Kind.SPREAD: 3,
    Kind.SHARED: 3,
    Kind.LATE: 2,
    Kind.REFILLED: 2,
    Kind.DIVIDED: 2,
}
"""Kinds of queues for which Harvester fetches jobs, and how often each is the only one or the first one."""
_SHARING: Final = (Kind.SHARED, Kind.REFILLED)
_KEYS: Final[Mapping[Kind, Mapping[str, JsonValue]]] = {
    Kind.PUSH: {"mapType": "OneToOne"},
    Kind.PULL: {"mapType": "NoJob"},
    Kind.SLAVE: {"mapType": "NoJob", "runMode": "slave"},
    Kind.SPREAD: {"mapType": "OneToMany"},
    Kind.SHARED: {"mapType": "ManyToOne"},
    Kind.LATE: {"mapType": "OneToOne", "useJobLateBinding": True},
    Kind.REFILLED: {"mapType": "ManyToOne", "useJobLateBinding": True},
    Kind.DIVIDED: {"mapType": "OneToOne"},
}
"""How jobs and workers come together."""
_ASKS: Final[Mapping[Kind, int]] = {Kind.SHARED: 2, Kind.LATE: 1, Kind.REFILLED: 3}


@dataclass(frozen=True, slots=True)
class QueuePlan:
    """One queue.

    Attributes:
        total: workers in all.
        queued: workers that wait.
        jobs_per_worker: jobs that share a worker.
        asks: how often a pilot asks for jobs at the most.
        at_once: live workers that a job may have.
        in_total: workers that a job may ever have.
        attributes: its configuration.
    """

    kind: Kind
    total: int
    queued: int
    jobs_per_worker: int
    asks: int
    at_once: int
    in_total: int
    attributes: Mapping[str, JsonValue]


def draw_queue(kind: Kind, chance: random.Random) -> QueuePlan:
    """A queue of this kind."""
    total = chance.randint(2, 10) if kind in OF_JOBS else chance.randint(1, 3)
    queued = chance.randint(1, total)
    per_worker = chance.randint(2, 3) if kind in _SHARING else 1
    at_once = chance.randint(2, 3) if kind is Kind.SPREAD else 1
    in_total = at_once + chance.randint(0, 2) if kind is Kind.SPREAD else 1
    attributes: Mapping[str, JsonValue] = {
        **{role: {"module": "simulation_harness.plugins", "name": plugin} for role, plugin in _PLUGINS.items()},
        "messenger": {
            "module": "simulation_harness.plugins",
            "name": "SimulatedMessenger",
            "worker_heartbeat": 150,
        },
        "maxWorkers": total,
        "nQueueLimitWorker": queued,
        "maxNewWorkersPerCycle": chance.choice((0, 1, 3)),
        "maxSubmissionAttempts": chance.choice((2, 5, 50)),
        "workerMaker": {
            "plugin": "simple",
            "nJobsPerWorker": per_worker,
            "nWorkersPerJob": at_once,
            "maxWorkersPerJobInTotal": in_total,
            "maxWorkersPerJobPerCycle": chance.choice((0, 0, 1)),
        },
        "allowJobMixture": chance.random() < 0.5,
        "prefetchEvents": chance.random() < 0.5,
        **({"nQueueLimitJob": chance.randint(max(2, per_worker), 15)} if kind in OF_JOBS else {}),
        **_KEYS[kind],
    }
    return QueuePlan(kind, total, queued, per_worker, _ASKS.get(kind, 0), at_once, in_total, attributes)
