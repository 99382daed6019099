"""A resource that costs nothing, so that a benchmark measures Harvester: each check moves a worker one step on."""

import threading
from collections.abc import Sequence
from typing import ClassVar

from harvester.core.workers import Worker, WorkerStatus
from harvester.plugins.api import CheckOutcome, Done, Gone, Grade, PluginSettings, Resource, Search, Seen, Submitted

_NEXT = {WorkerStatus.SUBMITTED: WorkerStatus.RUNNING, WorkerStatus.RUNNING: WorkerStatus.FINISHED}


class InstantResource(Resource[PluginSettings]):
    """Keeps its batch jobs in memory; all instances share them."""

    grade: ClassVar[Grade] = Grade.IDEMPOTENT
    poll_seconds = 0.05
    settle_seconds = 0.0
    jobs: ClassVar[dict[str, WorkerStatus]] = {}
    cleaned: ClassVar[int] = 0
    submitted: ClassVar[int] = 0
    _lock: ClassVar[threading.Lock] = threading.Lock()

    @property
    def endpoint(self) -> str:
        """There is one."""
        return "instant"

    def submit(self, workers: Sequence[Worker]) -> Sequence[Submitted]:
        """Take all."""
        with self._lock:
            self.jobs.update({worker.marker: WorkerStatus.SUBMITTED for worker in workers})
            InstantResource.submitted += len(workers)
        return [Submitted(worker.marker) for worker in workers]

    def find(self, workers: Sequence[Worker]) -> Search:
        """Tell which markers are known."""
        known = {worker.marker: Submitted(worker.marker) for worker in workers if worker.marker in self.jobs}
        return Search(known, complete=True)

    def check(self, workers: Sequence[Worker]) -> Sequence[CheckOutcome]:
        """Move every worker one step on and tell where it is."""
        with self._lock:
            return [self._step(worker.marker) for worker in workers]

    def _step(self, marker: str) -> CheckOutcome:
        state = self.jobs.get(marker)
        if state is None:
            return Gone("never submitted")
        self.jobs[marker] = _NEXT.get(state, state)
        return Seen(self.jobs[marker], exit_code=0 if self.jobs[marker].is_final else None)

    def kill(self, workers: Sequence[Worker]) -> Sequence[Done]:
        """End them."""
        with self._lock:
            self.jobs.update({worker.marker: WorkerStatus.CANCELLED for worker in workers})
        return [Done() for _ in workers]

    def clean(self, workers: Sequence[Worker]) -> Sequence[Done]:
        """Forget them."""
        with self._lock:
            for worker in workers:
                self.jobs.pop(worker.marker, None)
            InstantResource.cleaned += len(workers)
        return [Done() for _ in workers]
