"""How soon the claims of a dead process are free for others: from its SIGKILL until somebody says so in the log."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

_LEASE: Final = 30.0
"""Seconds that a claim of the workload's agents lasts: `lockInterval` is shorter, and this is the least."""
LONGEST: Final = 2 * _LEASE
"""Seconds after which a take-over comes too late."""
_TAKEN_OVER: Final = re.compile(r"^(\S+ \S+) panda\.log\.\S+ .* took over from a dead process .*\bpid=(\d+)")


def delays(log: Path, deaths: Mapping[int, float]) -> Iterator[float]:
    """Seconds of each take-over.

    Args:
        log: of all processes.
        deaths: by process id, in seconds since 1970.
    """
    with log.open(errors="replace") as lines:
        for line in lines:
            found = _TAKEN_OVER.match(line)
            if found and int(found[2]) in deaths:
                when = datetime.strptime(found[1], "%Y-%m-%d %H:%M:%S,%f").replace(tzinfo=UTC)
                yield max(when.timestamp() - deaths[int(found[2])], 0.0)
