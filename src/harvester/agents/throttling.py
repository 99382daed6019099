"""Asks the throttler of a queue whether it may get new workers now (core reference §3.12)."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

from harvester.agents.base import Instance
from harvester.config.queues import QueueConfig
from harvester.core.loads import Load
from harvester.core.workers import QUEUED_WORKER_STATUSES, WorkerStatus
from harvester.plugins.api import Done, Later, MissedLevel, QueueLoad
from harvester.store import worker_counts
from harvester.store.worker_counts import Missed


class Throttling:
    """Counts what throttlers judge by; a queue without one is not asked about."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    def objection(self, name: str) -> str:
        """Why the queue gets no new workers now; empty if it may."""
        queue = self._instance.plugins.queue(name)
        if queue.throttler is None:
            return ""
        throttler = self._instance.plugins.throttler(name)
        load = self._load(queue, throttler.windows)
        (answer,) = self._instance.call(throttler.judge, [load], _broken)
        return answer.reason if isinstance(answer, Later) else ""

    def _load(self, queue: QueueConfig, windows: Collection[float]) -> QueueLoad:
        known = self._instance.plugins.queues
        levels = {level: [each for each in known.values() if _counts(level, each, queue)] for level in MissedLevel}
        family = [each for each in known.values() if each.site_family == queue.site_family]
        now, minutes = self._instance.clock(), sorted(windows)
        names = sorted({each.queue_name for queues in levels.values() for each in queues})
        with self._instance.db.read() as connection:
            loads = worker_counts.loads(connection, [each.queue_name for each in family])
            missed = worker_counts.missed(connection, names, [now - timedelta(minutes=each) for each in minutes])
        counted = {
            (level, window): sum(_of_level(missed, queues, level, queue, place))
            for level, queues in levels.items()
            for place, window in enumerate(minutes)
        }
        return _with_family(counted, family, loads)


def _broken(_reason: str) -> Done:
    """A throttler that fails holds nothing back: the limits of the queue still hold."""
    return Done()


def _counts(level: MissedLevel, each: QueueConfig, queue: QueueConfig) -> bool:
    """Whether the failed submissions of a queue count for the other."""
    match level:
        case MissedLevel.SITE:
            return each.site_name == queue.site_name
        case MissedLevel.QUEUE:
            return each.queue_name == queue.queue_name
        case MissedLevel.ELEMENT:
            return not _elements(each).isdisjoint(_elements(queue))


def _elements(queue: QueueConfig) -> frozenset[str]:
    return frozenset(queue.core.submitter.computing_elements)


def _of_level(
    missed: Mapping[str, Sequence[Missed]],
    queues: Sequence[QueueConfig],
    level: MissedLevel,
    queue: QueueConfig,
    place: int,
) -> Sequence[int]:
    """Failed submissions in one window; those that are known to have gone to another element do not count for ours."""
    return [
        each.numbers[place]
        for other in queues
        for each in missed[other.queue_name]
        if level is not MissedLevel.ELEMENT or each.element is None or each.element in _elements(queue)
    ]


def _with_family(
    missed: Mapping[tuple[MissedLevel, float], int], family: Sequence[QueueConfig], loads: Mapping[str, Sequence[Load]]
) -> QueueLoad:
    queued = running = queued_cores = running_cores = 0
    for queue in family:
        for load in loads[queue.queue_name]:
            if load.status in QUEUED_WORKER_STATUSES:
                queued, queued_cores = queued + load.number, queued_cores + _cores(queue, load)
            elif load.status is WorkerStatus.RUNNING:
                running, running_cores = running + load.number, running_cores + _cores(queue, load)
    return QueueLoad(missed, queued, running, queued_cores, running_cores)


def _cores(queue: QueueConfig, load: Load) -> int:
    """What the workers take: by nCoreFactor where that is a number for all, else what each asked for."""
    factor = queue.core.submitter.n_core_factor
    return load.number * factor if isinstance(factor, int) and factor > 1 else load.cores
