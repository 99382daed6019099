"""Local resources that kill Harvester once, in the middle of a submission: `{"module": "system_harness.dying", …}`."""

import os
import signal
from collections.abc import Sequence
from pathlib import Path

from harvester.core.workers import Worker
from harvester.plugins.api import SubmitOutcome
from harvester.plugins.local.resource import LocalResource


def die_once(place: Path) -> None:
    """SIGKILL for this process, the first time that anybody comes here."""
    try:
        place.mkdir(parents=True)
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


class DiesBeforeEntry(LocalResource):
    """Dies before anything is written into the ledger."""

    def submit(self, workers: Sequence[Worker]) -> Sequence[SubmitOutcome]:
        """Die, then submit."""
        die_once(self.context.state_dir / "died")
        return super().submit(workers)


class DiesAfterEntry(LocalResource):
    """Dies when the workers are in the ledger and nobody was told to start them."""

    def _wake(self) -> str:
        die_once(self.context.state_dir / "died")
        return super()._wake()


class DiesAfterStart(LocalResource):
    """Dies when the workers have been started and the answer is on its way."""

    def submit(self, workers: Sequence[Worker]) -> Sequence[SubmitOutcome]:
        """Submit, then die."""
        outcomes = super().submit(workers)
        die_once(self.context.state_dir / "died")
        return outcomes
