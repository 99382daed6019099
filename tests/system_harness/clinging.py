"""A local resource with a defect, which keeps its process from ending: `{"module": "system_harness.clinging", …}`."""

import threading
from collections.abc import Sequence
from contextlib import suppress

from harvester.core.workers import Worker
from harvester.plugins.api import SubmitOutcome
from harvester.plugins.local.resource import LocalResource

_NEVER = threading.Event()


class LetsGoOfNoProcess(LocalResource):
    """Leaves a thread in the first process, for which Python waits at its end, as some libraries do that hang."""

    def submit(self, workers: Sequence[Worker]) -> Sequence[SubmitOutcome]:
        """Submit, and begin something that never ends."""
        with suppress(FileExistsError):
            (self.context.state_dir / "clung").mkdir(parents=True)
            threading.Thread(target=_NEVER.wait, name="never ends", daemon=False).start()
        return super().submit(workers)
