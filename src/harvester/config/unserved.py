"""What a valid queue may ask for that this version cannot do yet."""

from harvester.config.queue_model import QueueConfig, RunMode
from harvester.core.grouping import SUPPORTED


def unserved_attribute(queue: QueueConfig) -> tuple[str, str] | None:
    """The attribute that keeps the queue from being served, and what to write instead; None if it can be served."""
    if queue.map_type not in SUPPORTED:
        return "mapType", " or ".join(sorted(SUPPORTED))
    if queue.run_mode is RunMode.SLAVE:
        return "runMode", RunMode.SELF
    return None
