"""Takes in what workers say of event ranges, and that they want some."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Connection

from harvester.agents.base import Instance
from harvester.core.events import event_mode, initial_ranges
from harvester.core.jobs import Job
from harvester.core.judging import Observation
from harvester.core.workers import Worker
from harvester.panda.storable import whole
from harvester.plugins.api import Assignment
from harvester.store import event_requests, events, jobs
from harvester.store.event_requests import EventRequest
from harvester.store.leases import TOGETHER


def speaks_of_events(seen: Observation) -> bool:
    """Whether the worker has said anything about event ranges."""
    return bool(seen.news.events) or seen.news.ranges_wanted is not None


def store_event_news(
    connection: Connection, seen: Sequence[Observation], working: Sequence[Job], now: datetime
) -> bool:
    """Write what became of ranges of jobs that are still with their workers; whether somebody waits for ranges.

    Args:
        connection: a write transaction, in which the files that workers told of are stored already.
        seen: what was seen of workers to which this instance gave their jobs.
        working: their jobs, which stay as they are until the transaction ends.
        now: the present time.
    """
    divided = {job.job_id for job in working if job.events}
    told = [each for each in seen if speaks_of_events(each)] if divided else []
    words = [word for each in told for word in _words(each, divided)]
    if words:
        jobs.trigger_reports(connection, events.note_words(connection, words), now + TOGETHER)
    requests = [request for each in told if (request := _request(each, divided))]
    event_requests.ask(connection, requests, now)
    return bool(requests)


def _words(seen: Observation, divided: Collection[int]) -> list[events.Word]:
    worker_id = seen.held.worker.worker_id
    return [
        events.Word(each.job_id, worker_id, each.range_id, each.word, each.lfn, each.about)
        for each in seen.news.events
        if each.job_id in divided
    ]


def _request(seen: Observation, divided: Collection[int]) -> EventRequest | None:
    asked, worker = seen.news.ranges_wanted, seen.held.worker
    if asked is None or seen.has_ended:
        return None
    wanted = {job: number for job, number in asked.wanted.items() if job in divided}
    return EventRequest(worker.worker_id, worker.queue, wanted, asked.token) if wanted else None


def prefetch(
    connection: Connection, instance: Instance, queue: str, submitted: Sequence[Assignment], now: datetime
) -> bool:
    """Ask for ranges for workers that the resource has just taken (`prefetchEvents`); whether there are any."""
    config = instance.plugins.queue(queue)
    if not config.prefetch_events:
        return False
    requests = [
        EventRequest(each.worker.worker_id, queue, wanted)
        for each in submitted
        if (wanted := _first_ranges(each, config.init_events_multiplier))
    ]
    event_requests.ask(connection, requests, now)
    return bool(requests)


def prefetch_for_found(
    connection: Connection, instance: Instance, queue: str, found: Sequence[Worker], now: datetime
) -> bool:
    """The same for workers whose submission was interrupted and that the resource was found to hold."""
    job_ids = [job for worker in found for job in worker.job_ids]
    if not job_ids:
        return False
    params = jobs.params_of(connection, job_ids)
    submitted = [Assignment(worker, {job: params.get(job, {}) for job in worker.job_ids}) for worker in found]
    return prefetch(connection, instance, queue, submitted, now)


def _first_ranges(assignment: Assignment, multiplier: int) -> dict[int, int]:
    worker = assignment.worker
    return {
        job: number
        for job, params in assignment.job_params.items()
        if event_mode(params)
        and (number := initial_ranges(worker.cores, len(worker.job_ids), _cores(params), multiplier))
    }


def _cores(params: jobs.Params) -> int:
    return whole(params.get("coreCount")) or 1
