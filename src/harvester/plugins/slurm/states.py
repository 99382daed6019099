"""What Slurm's job states mean for a worker, as one table (plugins reference §4.2.2, §6.4).

Earlier monitors counted TIMEOUT and PREEMPTED as finished. A job that was cut off did not finish: it is failed here,
with the reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from harvester.core.workers import WorkerStatus


@dataclass(frozen=True, slots=True)
class Meaning:
    """The status of the worker, the reason in words and the supplemental error code (core reference, appendix B)."""

    status: WorkerStatus
    text: str = ""
    error_code: int = 0


_SLURM_ERROR: Final = 5699
_WAITING: Final = Meaning(WorkerStatus.SUBMITTED)
_RUNNING: Final = Meaning(WorkerStatus.RUNNING)


def _failed(text: str, error_code: int = _SLURM_ERROR) -> Meaning:
    return Meaning(WorkerStatus.FAILED, text, error_code)


STATES: Final[Mapping[str, Meaning]] = {
    "PENDING": _WAITING,
    "CONFIGURING": _WAITING,
    "REQUEUED": Meaning(WorkerStatus.SUBMITTED, "put back into the queue"),
    "REQUEUE_FED": Meaning(WorkerStatus.SUBMITTED, "put back into the queue of the federation"),
    "REQUEUE_HOLD": Meaning(WorkerStatus.SUBMITTED, "put back into the queue and held"),
    "RESV_DEL_HOLD": Meaning(WorkerStatus.SUBMITTED, "held because its reservation was deleted"),
    "SPECIAL_EXIT": Meaning(WorkerStatus.SUBMITTED, "put back into the queue and held after a special exit"),
    "RUNNING": _RUNNING,
    "COMPLETING": _RUNNING,
    "RESIZING": _RUNNING,
    "SIGNALING": _RUNNING,
    "STAGE_OUT": _RUNNING,
    "STOPPED": Meaning(WorkerStatus.RUNNING, "stopped by a signal, keeps its nodes"),
    "SUSPENDED": Meaning(WorkerStatus.RUNNING, "suspended"),
    "COMPLETED": Meaning(WorkerStatus.FINISHED),
    "CANCELLED": Meaning(WorkerStatus.CANCELLED, "ended by request of its owner or an administrator"),
    "FAILED": _failed("ended with {exit}", 0),
    "TIMEOUT": _failed("the time limit of {limit} was reached", 4215),
    "DEADLINE": _failed("its deadline passed"),
    "OUT_OF_MEMORY": _failed("it used more memory than it had asked for", 4211),
    "PREEMPTED": _failed("preempted by another job", 1001),
    "NODE_FAIL": _failed("node {node} failed", 4201),
    "BOOT_FAIL": _failed("node {node} could not be booted", 4201),
    "LAUNCH_FAILED": _failed("it could not be launched on {node}"),
    "RECONFIG_FAIL": _failed("node {node} could not be reconfigured"),
    "REVOKED": _failed("taken back by the federation"),
}


def meaning_of(state: str) -> Meaning | None:
    """What a state word means; None for a word that is not in the table."""
    return STATES.get(state)
