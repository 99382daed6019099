"""`harvester run`: the service in the foreground."""

from __future__ import annotations

from typing import Final, TypeVar

from harvester.cli.operators import ConfigOption, QueuesOption

T = TypeVar("T")

_RETRY_SECONDS: Final = 3.0
_STOP_SECONDS: Final = 25.0
"""How long work in hand may take after the order to stop; a clean stop takes less than 30 s in all."""


def run(config: ConfigOption = None, queues: QueuesOption = None) -> None:
    """Run the service in the foreground; SIGTERM or Ctrl-C stops it cleanly, a second one at once."""
    from harvester.cli.loading import load  # noqa: PLC0415 - quick --help
    from harvester.cli.signals import StopSignals  # noqa: PLC0415

    stop = StopSignals()
    configuration = load(config, queues)
    harvester = _start(configuration, stop)
    if harvester is None:
        return
    stop.wait()
    harvester.stop(_STOP_SECONDS)
