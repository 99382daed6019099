"""Workers that the server ordered for queues in slave mode and that are not made yet (core reference §4.7)."""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import Connection, and_, case, delete, select, update

from harvester.core.kinds import WorkerKind
from harvester.core.worker_orders import Order
from harvester.store.schema import ordered_workers
from harvester.store.sets import insert_missing


def replace(connection: Connection, orders: Mapping[str, Order], now: datetime) -> None:
    """What is ordered for these queues is this from now on, and nothing else."""
    if not orders:
        return
    connection.execute(delete(ordered_workers).where(ordered_workers.c.queue.in_(orders)))
    rows = [
        {
            "queue": queue,
            "job_type": kind.job_type,
            "resource_type": kind.resource_type,
            "number": number,
            "ordered_at": now,
        }
        for queue, order in orders.items()
        for kind, number in order.items()
    ]
    insert_missing(connection, ordered_workers, rows)


def of(connection: Connection, queues: Collection[str]) -> dict[str, dict[WorkerKind, int]]:
    """What is still to be made, by queue; kinds of which all were made stand there with 0."""
    found: dict[str, dict[WorkerKind, int]] = {queue: {} for queue in queues}
    columns = (ordered_workers.c.queue, ordered_workers.c.job_type, ordered_workers.c.resource_type)
    query = select(*columns, ordered_workers.c.number).where(ordered_workers.c.queue.in_(queues)).order_by(*columns)
    for queue, job_type, resource_type, number in connection.execute(query):
        found[queue][WorkerKind(job_type, resource_type)] = number
    return found


def consume(connection: Connection, queue: str, made: Order) -> None:
    """These workers are made: so many less are to come of their kinds."""
    if not made:
        return
    table = ordered_workers.c
    rests = [
        (and_(table.job_type == kind.job_type, table.resource_type == kind.resource_type), table.number - number)
        for kind, number in made.items()
    ]
    rest = case(*rests, else_=table.number)
    left = case((rest > 0, rest), else_=0)
    connection.execute(update(ordered_workers).where(table.queue == queue).values(number=left))
