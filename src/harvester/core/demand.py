"""How many workers there is a use for: what jobs, statistics or orders ask for (core reference §4.6)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from harvester.core.kinds import Want, WorkerKind
from harvester.core.labels import PilotType, label_of_pilots, pilot_type_of
from harvester.core.limits import Room, WorkerCounts
from harvester.core.sizing import Demand
from harvester.core.worker_orders import Order

_JOBS: Final = "jobs"


def of_waiting_jobs(number: int) -> Demand:
    """A worker for each job that is prepared and has none."""
    return Demand((Want(number),), _JOBS, _waiting(number))


def room_for_jobs(number: int) -> Room:
    """Where workers are ordered that need jobs, not more of them than there are jobs."""
    return Room(number, _JOBS, _waiting(number))


def _waiting(number: int) -> str:
    return "1 job waits for a worker" if number == 1 else f"{number} jobs wait for a worker"


@dataclass(frozen=True, slots=True)
class PullRules:
    """What turns activated jobs into workers.

    Attributes:
        factor: activateWorkerFactor over the cores factor, workers for each activated job.
        none_without_jobs: noPilotsWhenNoActiveJobs; else one worker waits even if there are no jobs.
    """

    factor: float = 1.0
    none_without_jobs: bool = False


def of_activated_jobs(activated: int | None, rules: PullRules, counts: WorkerCounts) -> Demand:
    """As many queued workers as the server has activated jobs for the queue.

    Args:
        activated: None where the server's statistics do not know the queue.
        rules: what turns activated jobs into workers.
        counts: what the queue holds now.
    """
    if activated is None:
        number = 0 if rules.none_without_jobs else max(1 - counts.live, 0)
        told = "the server's statistics of jobs do not know the queue"
        return Demand((Want(number),), "activated jobs", _unless_none(told, rules))
    wanted = int(activated * rules.factor)
    if not rules.none_without_jobs or activated * rules.factor > 0:
        wanted = max(wanted, 1)
    told = f"{counts.queued} workers are queued and the server has {activated} activated jobs"
    told += "" if rules.factor == 1 else f", of which this instance serves a share of {rules.factor:.3g}"
    number = max(wanted - counts.queued, 0)
    return Demand((Want(number),), "activated jobs", told if activated else _unless_none(told, rules))


def _unless_none(told: str, rules: PullRules) -> str:
    then = "no worker is made, as noPilotsWhenNoActiveJobs says" if rules.none_without_jobs else "one worker may wait"
    return f"{told}: {then}"


@dataclass(frozen=True, slots=True)
class Prioritized:
    """What is known of jobs with labels that go first.

    Attributes:
        labels: prioritizedProdSourceLabels.
        activated: jobs of a resource type that the server has activated, by label.
        queued: workers of a resource type that wait, by type of pilot.
    """

    labels: Sequence[str] = ()
    activated: Mapping[str | None, Mapping[str, int]] = field(default_factory=dict)
    queued: Mapping[str | None, Mapping[str | None, int]] = field(default_factory=dict)


def of_order(ordered: Order, factor: float, first: Prioritized) -> Demand:
    """What the server ordered and has not got yet; pilots for labels that go first are taken out of it.

    Args:
        ordered: by job and resource type.
        factor: workers for each activated job.
        first: what is known of jobs with labels that go first.
    """
    wants = [want for kind, number in ordered.items() if number > 0 for want in _split(kind, number, factor, first)]
    told = ", ".join(f"{number} {kind.resource_type}" for kind, number in ordered.items() if number > 0)
    reason = f"the server ordered {told}" if told else "the server has ordered no more workers"
    return Demand(tuple(wants), "order of the server", reason)


def _split(kind: WorkerKind, number: int, factor: float, first: Prioritized) -> list[Want]:
    """The pilots of an order by label; those of no special label come last and get what is left."""
    activated, queued = first.activated.get(kind.resource_type, {}), first.queued.get(kind.resource_type, {})
    special = {
        pilot: max(int(sum(_jobs_for(pilot, activated)) * factor) - queued.get(pilot, 0), 0)
        for pilot in dict.fromkeys(pilot_type_of(label) for label in first.labels)
        if pilot is not None and pilot is not PilotType.PRODUCTION
    }
    asked = sum(special.values())
    scale = min(number, asked)
    shares = {pilot: wanted * scale // asked for pilot, wanted in special.items() if wanted}
    rest = number - sum(shares.values())
    wants = [
        Want(share, WorkerKind(kind.job_type, kind.resource_type, label_of_pilots(pilot)), goes_first=True)
        for pilot, share in shares.items()
        if share
    ]
    return [*wants, Want(rest, kind)] if rest else wants


def _jobs_for(pilot: PilotType, activated: Mapping[str, int]) -> list[int]:
    return [number for label, number in activated.items() if pilot_type_of(label) is pilot]
