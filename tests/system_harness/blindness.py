"""A local resource whose checks go wrong when they are told to: `{"module": "system_harness.blindness", …}`."""

from collections.abc import Sequence

from harvester.core.workers import Worker
from harvester.plugins.api import CheckOutcome, Gone, Unknown
from harvester.plugins.local.resource import LocalResource

BLIND = "blind"
"""As long as there is such a file beside the ledger, nothing is known of any worker."""
DENIES = "denies"
"""As long as there is such a file, no worker is known."""


class GoesBlind(LocalResource):
    """Runs its workers all the while."""

    def check(self, workers: Sequence[Worker]) -> Sequence[CheckOutcome]:
        """What the resource knows, or what it is told to answer."""
        if (self._directory / BLIND).exists():
            return [Unknown("the controller does not answer")] * len(workers)
        if (self._directory / DENIES).exists():
            return [Gone("the controller has never heard of it")] * len(workers)
        return super().check(workers)
