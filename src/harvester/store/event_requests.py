"""Workers that wait for event ranges."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, delete, select, update

from harvester.core.records import record_type
from harvester.core.workers import FINAL_WORKER_STATUSES, WorkerStatus
from harvester.store.leases import EVENT_REQUEST, ClaimTicket, claim_rows
from harvester.store.schema import event_requests, job_workers, workers
from harvester.store.selection import Selection
from harvester.store.sets import change_rows, insert_missing, none_of, one_of

_REQUEST = Selection(
    [event_requests.c[name] for name in ("worker_id", "queue", "wanted", "token", "delivery")],
)
_NOT_THERE = (*FINAL_WORKER_STATUSES, WorkerStatus.PENDING)


@record_type
class EventRequest:
    """A worker that waits for event ranges.

    Attributes:
        wanted: how many ranges, by job.
        token: names the request to the messenger that brought it; empty where Harvester asks by itself.
        delivery: number under which the answer of the server is stored; None while it was not asked.
    """

    worker_id: int
    queue: str
    wanted: Mapping[int, int]
    token: str = ""
    delivery: int | None = None


def ask(connection: Connection, requests: Sequence[EventRequest], now: datetime) -> None:
    """These workers wait for ranges.

    One that waits already goes on waiting for what it asked for first, and a request that was fulfilled last, which
    somebody may have seen just before that, is not taken for a new one.
    """
    if not requests:
        return
    mine = one_of(connection, event_requests.c.worker_id, [each.worker_id for each in requests])
    query = select(event_requests.c.worker_id, event_requests.c.token, EVENT_REQUEST.due).where(mine)
    known = {row[0]: (row[1], row[2]) for row in connection.execute(query)}
    new = [each for each in requests if each.worker_id not in known]
    insert_missing(connection, event_requests, [_row(each) | {"due": now} for each in new])
    fulfilled = {worker: token for worker, (token, due) in known.items() if due is None}
    rows = [_row(each) for each in requests if fulfilled.get(each.worker_id, each.token) != each.token]
    change_rows(connection, event_requests, rows, EVENT_REQUEST.due.is_(None), same=EVENT_REQUEST.set(now))


def _row(request: EventRequest) -> dict[str, object]:
    wanted = _as_json(request.wanted)
    return {"worker_id": request.worker_id, "queue": request.queue, "wanted": wanted, "token": request.token}


def claim(connection: Connection, ticket: ClaimTicket, most: int) -> list[EventRequest]:
    """Requests of workers that the resource holds; those of workers that have ended are dropped."""
    due = EVENT_REQUEST.due <= ticket.now
    there = select(workers.c.worker_id).where(workers.c.worker_id == event_requests.c.worker_id)
    gone = ~there.where(workers.c.status.not_in(FINAL_WORKER_STATUSES)).exists()
    connection.execute(delete(event_requests).where(due, gone))
    is_held = there.where(workers.c.status.not_in(_NOT_THERE)).exists()
    few = replace(ticket, limit=min(most, ticket.limit))
    where = (is_held, *none_of(event_requests.c.queue, ticket.busy))
    return [
        EventRequest(worker, queue, {int(job): number for job, number in wanted.items()}, token, delivery)
        for worker, queue, wanted, token, delivery in claim_rows(connection, EVENT_REQUEST, _REQUEST, few, *where)
    ]


def note_answer(
    connection: Connection, answered: Mapping[int, Mapping[int, int]], delivery: int, now: datetime
) -> None:
    """The server has answered for these workers and jobs: they can be fed."""
    rows = [{"worker_id": worker, "wanted": _as_json(wanted)} for worker, wanted in answered.items()]
    change_rows(connection, event_requests, rows, same={"delivery": delivery, **EVENT_REQUEST.set(now)})


def postpone(connection: Connection, worker_ids: Collection[int], due: datetime) -> None:
    """These requests are looked at again at `due`."""
    if worker_ids:
        mine = update(event_requests).where(one_of(connection, event_requests.c.worker_id, worker_ids))
        connection.execute(mine.values(EVENT_REQUEST.set(due)))


def ask_anew(connection: Connection, worker_ids: Collection[int], due: datetime) -> None:
    """What the server gave for these workers is of no use: it is asked again at `due`."""
    if worker_ids:
        mine = update(event_requests).where(one_of(connection, event_requests.c.worker_id, worker_ids))
        connection.execute(mine.values(delivery=None, **EVENT_REQUEST.set(due)))


def note_fulfilled(connection: Connection, worker_ids: Collection[int]) -> None:
    """These workers wait for nothing any more."""
    if worker_ids:
        mine = update(event_requests).where(one_of(connection, event_requests.c.worker_id, worker_ids))
        connection.execute(mine.values(delivery=None, **EVENT_REQUEST.set(None)))


def forget_of_jobs(connection: Connection, job_ids: Collection[int]) -> None:
    """Remove what was fulfilled for workers of these jobs, which are over."""
    if job_ids:
        mine = select(job_workers.c.worker_id).where(one_of(connection, job_workers.c.job_id, job_ids))
        old = delete(event_requests).where(event_requests.c.worker_id.in_(mine), EVENT_REQUEST.due.is_(None))
        connection.execute(old)


def _as_json(wanted: Mapping[int, int]) -> dict[str, int]:
    return {str(job): number for job, number in wanted.items()}
