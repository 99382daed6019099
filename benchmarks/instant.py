"""A resource that costs nothing, so that a benchmark measures Harvester: each check moves a worker one step on."""

import threading
from collections.abc import Sequence
from typing import ClassVar

from harvester.core.workers import Worker, WorkerStatus
from harvester.plugins.api import CheckOutcome, Done, Grade, PluginSettings, Resource, Search, Seen, Submitted

_NEXT = {WorkerStatus.SUBMITTED: WorkerStatus.RUNNING, WorkerStatus.RUNNING: WorkerStatus.FINISHED}


class Counts:
    """How many workers all instances of this process have taken and let go."""

    def __init__(self) -> None:
        self.submitted = 0
        self.cleaned = 0
        self.lock = threading.Lock()


class InstantResource(Resource[PluginSettings]):
    """Keeps nothing in memory: a worker is where Harvester saw it last, or one step further.

    Any number of processes may share it, and it is there again after a restart.
    """

    grade: ClassVar[Grade] = Grade.IDEMPOTENT
    poll_seconds = 0.05
    settle_seconds = 0.0
    counts: ClassVar[Counts] = Counts()

    @property
    def endpoint(self) -> str:
        """There is one."""
        return "instant"

    def submit(self, workers: Sequence[Worker]) -> Sequence[Submitted]:
        """Take all."""
        with self.counts.lock:
            self.counts.submitted += len(workers)
        return [Submitted(worker.marker) for worker in workers]

    def find(self, workers: Sequence[Worker]) -> Search:
        """Know all markers."""
        return Search({worker.marker: Submitted(worker.marker) for worker in workers}, complete=True)

    def check(self, workers: Sequence[Worker]) -> Sequence[CheckOutcome]:
        """Tell of every worker that it is one step further."""
        return [self.seen(worker) for worker in workers]

    def seen(self, worker: Worker) -> CheckOutcome:
        """Tell of one worker."""
        status = _NEXT.get(worker.status, worker.status)
        return Seen(status, exit_code=0 if status.is_final else None)

    def kill(self, workers: Sequence[Worker]) -> Sequence[Done]:
        """Say yes."""
        return [Done() for _ in workers]

    def clean(self, workers: Sequence[Worker]) -> Sequence[Done]:
        """Say yes."""
        with self.counts.lock:
            self.counts.cleaned += len(workers)
        return [Done() for _ in workers]


class QuietResource(InstantResource):
    """Workers run and run: a check has nothing new to tell, except of every `news_every`-th worker."""

    poll_seconds = Resource.poll_seconds
    news_every: ClassVar[int] = 0

    def seen(self, worker: Worker) -> CheckOutcome:
        """Tell that it still runs, or has finished."""
        is_news = self.news_every and worker.worker_id % self.news_every == 0
        return super().seen(worker) if is_news else Seen(WorkerStatus.RUNNING)
