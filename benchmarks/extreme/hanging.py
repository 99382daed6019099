"""Plugins that hang for ever in one verb."""

import threading
from collections.abc import Sequence
from typing import Final

from harvester.core.workers import Worker, WorkerStatus
from harvester.plugins.api import Assignment, CheckOutcome, Done, Failed, Later, News, Seen, Submitted
from harvester.plugins.messengers.shared_file import SharedFileMessenger
from instant import InstantResource

_NEVER: Final = threading.Event()


class HangsInSubmit(InstantResource):
    """Never answers a submission."""

    def submit(self, workers: Sequence[Worker]) -> Sequence[Submitted]:
        """Hang."""
        _NEVER.wait()
        return super().submit(workers)


class HangsInCheck(InstantResource):
    """Never answers a check; a resource of its own, since all that share one share its fate."""

    @property
    def endpoint(self) -> str:
        """One for each queue."""
        return f"hanging {self.context.queue}"

    def check(self, workers: Sequence[Worker]) -> Sequence[CheckOutcome]:
        """Hang."""
        _NEVER.wait()
        return super().check(workers)


class HangsInKill(InstantResource):
    """Its workers run for ever, and cannot be killed."""

    def seen(self, worker: Worker) -> CheckOutcome:  # noqa: ARG002 (the resource's signature)
        """Tell that it runs."""
        return Seen(WorkerStatus.RUNNING)

    def kill(self, workers: Sequence[Worker]) -> Sequence[Done]:
        """Hang."""
        _NEVER.wait()
        return super().kill(workers)


class HangsInClean(InstantResource):
    """Never cleans."""

    def clean(self, workers: Sequence[Worker]) -> Sequence[Done]:
        """Hang."""
        _NEVER.wait()
        return super().clean(workers)


class HangsInFeed(SharedFileMessenger):
    """Never fills an access point."""

    def feed(self, assignments: Sequence[Assignment]) -> Sequence[Done | Later | Failed]:
        """Hang."""
        _NEVER.wait()
        return super().feed(assignments)


class HangsInCollect(SharedFileMessenger):
    """Never reads an access point."""

    def collect(self, workers: Sequence[Worker]) -> Sequence[News]:
        """Hang."""
        _NEVER.wait()
        return super().collect(workers)
