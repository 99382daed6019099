"""All queues of an instance with their jobs, workers and the agents' last words."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import typer
from sqlalchemy import Connection

from harvester.cli.shown import cell, counts, moment, print_table
from harvester.core.jobs import JobStatus
from harvester.core.workers import WorkerStatus
from harvester.store import jobs, leases, queues, workers
from harvester.store.queues import Note


@dataclass(frozen=True, slots=True)
class Process:
    """A process of the instance; `alive` is False if it has not spoken in time."""

    host: str
    pid: int
    since: datetime
    alive: bool


@dataclass(frozen=True, slots=True)
class QueueOverview:
    """One queue; `active` says whether it gets new jobs and workers."""

    name: str
    active: bool
    jobs: Mapping[JobStatus, int]
    workers: Mapping[WorkerStatus, int]
    notes: Sequence[Note]


@dataclass(frozen=True, slots=True)
class Overview:
    """The instance at a glance."""

    processes: Sequence[Process]
    queues: Sequence[QueueOverview]


def look(connection: Connection, now: datetime) -> Overview:
    """The instance as its database tells."""
    processes = [
        Process(each.host, each.pid, each.since, each.expires_at > now) for each in leases.list_owners(connection)
    ]
    return Overview(processes, look_at_queues(connection))


def look_at_queues(connection: Connection) -> list[QueueOverview]:
    """All queues that were ever served."""
    by_job = jobs.count_by_queue_and_status(connection)
    by_worker = workers.count_by_queue_and_status(connection)
    return [
        QueueOverview(each.name, each.active, by_job.get(each.name, {}), by_worker.get(each.name, {}), each.notes)
        for each in queues.states(connection)
    ]


def print_overview(overview: Overview) -> None:
    """For people."""
    for each in overview.processes:
        state = "runs" if each.alive else "has not spoken in time, it may be dead"
        typer.echo(f"process {each.pid} on {each.host} {state}, since {moment(each.since)}")
    if not overview.processes:
        typer.echo("no process of this instance runs; start it with `harvester run`")
    typer.echo()
    print_queues(overview.queues)
    complaints = [line for each in overview.queues for line in _complaints(each)]
    if complaints:
        typer.echo()
    for line in complaints:
        typer.echo(line)


def print_queues(some: Sequence[QueueOverview]) -> None:
    """A table of queues."""
    headings = ("queue", "served", "jobs", "workers", "last decision")
    rows = [
        (each.name, "yes" if each.active else "no", counts(each.jobs), counts(each.workers), _decision(each))
        for each in some
    ]
    print_table(headings, rows, empty="no queue was ever served; see `harvester check`")


def text_of(note: Note) -> str:
    """An agent's word on a queue."""
    said = [cell(note.note[key]) for key in ("text", "problem", "server") if note.note.get(key)]
    return "; ".join(said)


def _decision(queue: QueueOverview) -> str:
    return next((text_of(note) for note in queue.notes if note.agent == "sizer"), "")


def _complaints(queue: QueueOverview) -> Iterator[str]:
    """What agents other than those that count say, when it is not the ordinary."""
    for note in queue.notes:
        text = text_of(note)
        if note.agent not in {"sizer", "job fetcher"} and text != "workers checked":
            yield f"{queue.name}: {note.agent} since {moment(note.since)}: {text}"
