"""What a valid queue may ask for that this version cannot do yet."""

from harvester.config.queue_model import QueueConfig
from harvester.core.workers import MapType


def unserved_attribute(queue: QueueConfig) -> tuple[str, str] | None:
    """The attribute that keeps the queue from being served, and what to write instead; None if it can be served."""
    if queue.use_job_late_binding and queue.map_type is not MapType.NO_JOB:
        return "useJobLateBinding", "false"
    return None
