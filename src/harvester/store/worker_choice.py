"""Which workers people and the server mean: the conditions of `worker ls`, `worker kill` and KILL_WORKERS."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, func, select

from harvester.core.workers import FINAL_WORKER_STATUSES, Worker, WorkerStatus
from harvester.store.schema import workers
from harvester.store.sets import one_of
from harvester.store.workers import WORKER, worker_of

_ALIVE = workers.c.status.not_in(FINAL_WORKER_STATUSES)


@dataclass(frozen=True, slots=True)
class WorkerChoice:
    """Conditions that hold together; None is no condition, an empty collection means nobody.

    Attributes:
        made_before: only workers whose intent was stored before then.
    """

    ids: Collection[int] | None = None
    queues: Collection[str] | None = None
    statuses: Collection[WorkerStatus] | None = None
    computing_elements: Collection[str] | None = None
    submission_hosts: Collection[str] | None = None
    made_before: datetime | None = None

    def conditions(self, connection: Connection) -> Iterator[ColumnElement[bool]]:
        """What a row has to be."""
        if self.ids is not None:
            yield one_of(connection, workers.c.worker_id, self.ids)
        if self.statuses is not None:
            yield workers.c.status.in_(self.statuses)
        for column, wanted in (
            (workers.c.queue, self.queues),
            (workers.c.computing_element, self.computing_elements),
            (workers.c.submission_host, self.submission_hosts),
        ):
            if wanted is not None:
                yield column.in_(wanted)
        if self.made_before is not None:
            yield workers.c.created_at < self.made_before


def listed(connection: Connection, choice: WorkerChoice, limit: int) -> list[Worker]:
    """Workers for a person to look at, newest first."""
    query = select(*WORKER.raw).where(*choice.conditions(connection))
    rows = connection.execute(query.order_by(workers.c.worker_id.desc()).limit(limit)).all()
    return [worker_of(values) for values in WORKER.convert(rows)]


def live(connection: Connection, choice: WorkerChoice) -> list[int]:
    """The workers that have not ended."""
    return list(connection.scalars(select(workers.c.worker_id).where(_ALIVE, *choice.conditions(connection))))


@dataclass(frozen=True, slots=True)
class LiveWorkers:
    """How many live workers of a kind there are, and how many of them are to be killed already."""

    queue: str
    status: WorkerStatus
    computing_element: str | None
    submission_host: str | None
    number: int
    condemned: int


def live_by_place(connection: Connection, choice: WorkerChoice) -> list[LiveWorkers]:
    """The workers that have not ended, by queue, status and where they are, the largest group first."""
    places = (workers.c.queue, workers.c.status, workers.c.computing_element, workers.c.submission_host)
    numbers = func.count(), func.count(workers.c.kill_due)
    query = select(*places, *numbers).where(_ALIVE, *choice.conditions(connection)).group_by(*places)
    found = [LiveWorkers(*row) for row in connection.execute(query)]
    return sorted(found, key=lambda each: (-each.number, each.queue, each.status))
