"""`event/...`: giving event ranges out and hearing how they ended."""

import json
from collections.abc import Iterator

from pydantic import JsonValue

from harvester.panda.devserver.answers import Answer, ok, refused
from harvester.panda.devserver.jobs import KILL
from harvester.panda.devserver.methods import Call, method

_MAY_HAVE_RANGES = frozenset({"sent", "starting", "running"})


@method("POST", "event/acquire_event_ranges", production=True)
def acquire_event_ranges(
    call: Call,
    *,
    job_id: int,
    jobset_id: int,
    task_id: int | None = None,
    n_ranges: int = 10,
    timeout: int = 60,
    scattered: bool = False,
    segment_id: int | None = None,
) -> Answer:
    """Give ranges of a job that is at work; none at all means that there are no more."""
    job = call.state.jobs.get(job_id)
    if job is None or job.status not in _MAY_HAVE_RANGES or job.command == KILL:
        return ok([])
    return ok([each.given for each in call.state.events.acquire(job_id, n_ranges, call.now)])


@method("POST", "event/update_event_ranges", production=True)
def update_event_ranges(
    call: Call,
    event_ranges: str,
    timeout: int = 120,
    version: int = 0,
) -> Answer:
    """Hear how ranges ended; the text holds ranges, or chunks of them with a zip file from version 1 on."""
    try:
        entries = json.loads(event_ranges)
        returns = [call.state.events.report(each, zipped, call.now) for each, zipped in _reports(entries, version)]
    except (ValueError, TypeError, AttributeError, KeyError):
        return refused("failed to load JSON")
    return ok({"StatusCode": 0, "Returns": list(returns), "Commands": {}})


def _reports(entries: JsonValue, version: int) -> Iterator[tuple[dict[str, JsonValue], JsonValue]]:
    for each in entries if isinstance(entries, list) else ():
        if not isinstance(each, dict):
            raise TypeError("an entry is no object")
        ranges = [each] if version == 0 else each["eventRanges"]
        for about in ranges if isinstance(ranges, list) else ():
            if isinstance(about, dict):
                yield about, each.get("zipFile")


@method("GET", "event/get_available_event_range_count", production=True)
def get_available_event_range_count(
    call: Call,
    job_id: int,
    jobset_id: int,
    task_id: int,
    timeout: int = 60,
) -> Answer:
    """Count the ranges that nobody has yet."""
    return ok(call.state.events.available(job_id))
