"""Named instants at which the process can be made to die, to prove that dying there loses nothing.

`HARVESTER_KILL_AT=submitter.before_commit` kills the process with SIGKILL when it gets there for the first time,
`…:3` for the third time. Without the variable the points do nothing.
"""

import os
import signal
import threading
from typing import Final

_NAME, _, _COUNT = os.environ.get("HARVESTER_KILL_AT", "").partition(":")
_LOCK: Final = threading.Lock()
_LEFT = [int(_COUNT or 1)]


def reach(name: str) -> None:
    """The process has come to the named instant."""
    if name != _NAME:
        return
    with _LOCK:
        _LEFT[0] -= 1
        if _LEFT[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
