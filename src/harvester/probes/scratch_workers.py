"""Workers that no service has and no resource holds, for probes of what would only look at them."""

import time
from dataclasses import replace
from pathlib import Path

from harvester.config.queues import QueueConfig
from harvester.core.access_points import fill_access_point
from harvester.core.workers import MapType, Worker, WorkerStatus, marker_of
from harvester.plugins.api import PluginContext
from harvester.probes.verdicts import ProbeError

SUFFIX = ".test"
"""What the name of a test has behind that of its instance."""
OWN_DIRECTORY = "${workerID}"


def beyond_all_others() -> int:
    """A number of workers that no service has: access points and logs are called by them."""
    return time.time_ns() // 1_000_000


def scratch_worker(context: PluginContext, queue: QueueConfig, template: str = "") -> Worker:
    """A worker with a marker and a number of its own.

    Args:
        context: of a plugin of the queue.
        queue: its queue.
        template: of access points; empty if it needs none.

    Raises:
        ProbeError: workers of the queue share an access point.
    """
    number, instance = beyond_all_others(), f"{context.instance}{SUFFIX}"
    marker = marker_of(instance, number)
    name, now = queue.queue_name, context.clock()
    worker = Worker(number, name, WorkerStatus.SUBMITTED, marker, MapType.ONE_TO_ONE, created_at=now)
    if not template:
        return worker
    if problem := shared(template):
        raise ProbeError(problem)
    known = {"harvesterID": instance, "workerID": number, "computingSite": queue.queue_name, "nCore": 1}
    return replace(worker, access_point=fill_access_point(template, number, known))


def shared(template: str) -> str:
    """Why a test must not use such access points; empty if it may."""
    if OWN_DIRECTORY in template:
        return ""
    return f"{template} is no directory of one worker, a test would disturb the others; add /{OWN_DIRECTORY}"


def contents(directory: str) -> list[str]:
    """The names of what is in an access point; none if it is not there."""
    try:
        return sorted(each.name for each in Path(directory).iterdir())
    except OSError:
        return []
