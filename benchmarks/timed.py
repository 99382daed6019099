"""A resource whose workers end by the clock, and which remembers when Harvester asked what."""

import random
import threading
import time
from collections.abc import Sequence
from typing import ClassVar

from harvester.core.workers import Worker, WorkerStatus
from harvester.plugins.api import CheckOutcome, Resource, Seen, Submitted
from instant import InstantResource


class Moments:
    """Seconds since 1970 by worker id."""

    def __init__(self) -> None:
        self.submitted: dict[int, float] = {}
        self.ends: dict[int, float] = {}
        self.asked_after_end: dict[int, float] = {}
        self.lock = threading.Lock()


class TimedResource(InstantResource):
    """Workers run at once and end between one and two times `run_seconds` later; it bears a poll every ten seconds."""

    poll_seconds = Resource.poll_seconds
    run_seconds: ClassVar[float] = 20.0
    moments: ClassVar[Moments] = Moments()
    dice: ClassVar[random.Random] = random.Random(1)  # noqa: S311 (no secret)

    def submit(self, workers: Sequence[Worker]) -> Sequence[Submitted]:
        """Take all, and decide when they end."""
        now = time.time()
        with self.moments.lock:
            for worker in workers:
                self.moments.submitted[worker.worker_id] = now
                self.moments.ends[worker.worker_id] = now + self.run_seconds * self.dice.uniform(1, 2)
        return super().submit(workers)

    def seen(self, worker: Worker) -> CheckOutcome:
        """Running, or finished if its end has come."""
        now = time.time()
        with self.moments.lock:
            if now < self.moments.ends[worker.worker_id]:
                return Seen(WorkerStatus.RUNNING)
            self.moments.asked_after_end.setdefault(worker.worker_id, now)
        return Seen(WorkerStatus.FINISHED, exit_code=0)
