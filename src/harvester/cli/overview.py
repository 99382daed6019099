"""All queues of an instance with their jobs, workers and the agents' last words."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import typer
from sqlalchemy import Connection

from harvester.agents.facts import REMOTE_QUEUES
from harvester.cli.hosts import print_credentials, print_measurements
from harvester.cli.shown import cell, counts, moment, print_table
from harvester.config.findings import nearest
from harvester.core.holds import Hold, HoldMode, hold_of
from harvester.core.jobs import JobStatus
from harvester.core.origin import Origin, words_of_age
from harvester.core.workers import WorkerStatus
from harvester.plugins.worker_door import SAFE_DOOR
from harvester.startup.loading import QueueTroubles
from harvester.startup.processes import Process, list_processes
from harvester.store import cache, credentials, holds, jobs, measurements, queues, worker_counts
from harvester.store.cache import CacheState
from harvester.store.claims import InHand
from harvester.store.credentials import CredentialRecord
from harvester.store.measurements import Measurement
from harvester.store.queues import Note

_ORDINARY: Final = frozenset({"workers checked", "the resource takes the workers", "it works again", SAFE_DOOR})
"""What agents say when there is nothing to complain about."""


@dataclass(frozen=True, slots=True)
class QueueOverview:
    """One queue; `active` says whether it is served, `held` what people hold it back with now."""

    name: str
    active: bool
    jobs: Mapping[JobStatus, int]
    workers: Mapping[WorkerStatus, int]
    notes: Sequence[Note]
    held: Hold | None = None


@dataclass(frozen=True, slots=True)
class Overview:
    """The instance at a glance.

    Attributes:
        at: when it was looked at.
        left_out: queues whose configuration has an error now.
        unreadable: why the queue configuration cannot be read now; empty if it can.
        documents: what the cacher keeps, and what came of fetching it.
        remote: the address of the remote queue configuration; empty if there is none.
        claims: what processes have in hand; None if nobody asked.
    """

    at: datetime
    processes: Sequence[Process]
    queues: Sequence[QueueOverview]
    left_out: Sequence[str] = ()
    documents: Sequence[CacheState] = ()
    credentials: Sequence[CredentialRecord] = ()
    unreadable: str = ""
    measurements: Sequence[Measurement] = ()
    remote: str = ""
    claims: Sequence[InHand] | None = None


def look(connection: Connection, now: datetime, troubles: QueueTroubles) -> Overview:
    """The instance as its database tells.

    Args:
        connection: to the database.
        now: what time it is.
        troubles: what is wrong with the queue configuration.
    """
    return Overview(
        now,
        list_processes(connection, now),
        look_at_queues(connection, now),
        sorted(troubles.left_out),
        cache.states(connection),
        credentials.of_hosts(connection),
        troubles.unreadable,
        measurements.latest(connection),
        troubles.remote,
    )


def look_at_queues(connection: Connection, now: datetime) -> list[QueueOverview]:
    """All queues that were ever served."""
    held = holds.present(connection)
    by_job = jobs.count_by_queue_and_status(connection)
    by_worker = worker_counts.by_queue_and_status(connection)
    return [
        QueueOverview(
            each.name,
            each.active,
            by_job.get(each.name, {}),
            by_worker.get(each.name, {}),
            each.notes,
            hold_of(each.name, held, now),
        )
        for each in queues.states(connection)
    ]


def print_overview(overview: Overview) -> None:
    """For people."""
    for each in overview.processes:
        state = "runs" if each.alive else "is dead, or has not spoken in time"
        typer.echo(f"process {each.pid} on {each.host} {state}, since {moment(each.since)}")
        if each.report.origin is not None:
            typer.echo(f"  {_words_of_origin(each.report.origin, overview.at)}")
    print_measurements(overview.measurements)
    for line in _rest(overview.processes):
        typer.echo(line)
    if overview.remote:
        typer.echo(_words_of_remote(overview))
    typer.echo()
    print_queues(overview.queues)
    print_credentials(overview.credentials, overview.at)
    complaints = [line for each in overview.queues for line in _complaints(each)]
    complaints += map(words_of_left_out, overview.left_out)
    if overview.unreadable:
        complaints.append(f"a running service goes on with the queues that it has, for {overview.unreadable}")
    complaints += [_words_of_document(each) for each in overview.documents if each.problem]
    if complaints:
        typer.echo()
    for line in complaints:
        typer.echo(line)


def print_claims(claims: Sequence[InHand]) -> None:
    """A table of what processes have in hand."""
    typer.echo()
    headings = ("process", "host", "has in hand", "rows", "until, unless renewed")
    rows = [(each.pid or "gone", each.host, each.what, each.rows, each.until) for each in claims]
    print_table(headings, rows, empty="no process has anything in hand")


def print_queues(some: Sequence[QueueOverview]) -> None:
    """A table of queues."""
    headings = ("queue", "served", "jobs", "workers", "last decision")
    rows = [(each.name, served(each), counts(each.jobs), counts(each.workers), _decision(each)) for each in some]
    print_table(headings, rows, empty="no queue was ever served; see `harvester check`")


def served(queue: QueueOverview) -> str:
    """Whether it is served, in a word."""
    if queue.held is None or not queue.active:
        return "yes" if queue.active else "no"
    return {HoldMode.PAUSE: "paused", HoldMode.DRAIN: "drains"}[queue.held.mode]


def _words_of_origin(origin: Origin, now: datetime) -> str:
    """Which remote main configuration a process works with."""
    why = f", which could not be fetched when it started: {origin.problem}" if origin.problem else ""
    age = words_of_age(now - origin.fetched_at)
    return f"its main configuration is that of {origin.address}, {moment(origin.fetched_at)}, {age}{why}"


def _words_of_remote(overview: Overview) -> str:
    """How old the remote queue configuration is that the instance works with."""
    state = next((each for each in overview.documents if each.key == REMOTE_QUEUES), None)
    fetched_at = state.refreshed_at if state else None
    age = f"that of {moment(fetched_at)}, {words_of_age(overview.at - fetched_at)}" if fetched_at else "never fetched"
    return f"queue configuration of {overview.remote}: {age}"


def _words_of_document(state: CacheState) -> str:
    """A document that is not as new as it should be."""
    last = f"the one of {moment(state.refreshed_at)} is used" if state.refreshed_at else "it never came"
    return f"cached {state.key}: {last}; asked for again at {moment(state.tried_at)}: {state.problem}"


def words_of_unknown(connection: Connection, name: str, troubles: QueueTroubles, now: datetime) -> str:
    """Why the database knows no queue of this name: it is not configured, or no service has ever served it.

    Args:
        connection: to the database.
        name: of the queue.
        troubles: what is wrong with the queue configuration, and which queues it has.
        now: what time it is.
    """
    if name in troubles.left_out:
        return "\n  ".join([words_of_left_out(name), *troubles.errors.get(name, ())])
    if name in troubles.active:
        return _words_of_newcomer(name, is_running=any(each.alive for each in list_processes(connection, now)))
    if name in troubles.unserved:
        return f"queue {name} was never served: {troubles.why_unserved(name)}"
    if troubles.unreadable:
        return f"queue {name} was never served, and the configuration cannot be read; see `harvester check`"
    known = {each.name for each in queues.states(connection)}
    near = nearest(name, known | troubles.configured)
    advice = f"did you mean {near}?" if near else "`harvester queue ls` shows those that were ever served"
    return f"there is no queue {name}; {advice}"


def _words_of_newcomer(name: str, *, is_running: bool) -> str:
    """A queue that is to be served, and was not yet."""
    if is_running:
        advice = "it looks for changes every [qconf] checkInterval, unless it was started with other files"
        return f"queue {name} is configured, but the service that runs has not begun to serve it: {advice}"
    return f"queue {name} is configured, but no service has started with it yet; start one with `harvester run`"


def text_of(note: Note) -> str:
    """An agent's word on a queue."""
    said = [cell(note.note[key]) for key in ("text", "problem", "server") if note.note.get(key)]
    return "; ".join(said)


def words_of_rest(connection: Connection, now: datetime) -> list[str]:
    """That nothing goes on, if no process of the instance runs."""
    return _rest(list_processes(connection, now))


def _rest(processes: Sequence[Process]) -> list[str]:
    runs = any(each.alive for each in processes)
    return [] if runs else ["No process of this instance runs; start it with `harvester run`."]


def words_of_left_out(name: str) -> str:
    """A queue whose configuration has an error."""
    return (
        f"the configuration of queue {name} has an error: a service that starts leaves it out, one that runs goes on "
        "with its last good configuration; `harvester check` tells what is wrong"
    )


def _decision(queue: QueueOverview) -> str:
    return next((text_of(note) for note in queue.notes if note.agent == "sizer"), "")


def _complaints(queue: QueueOverview) -> Iterator[str]:
    """What agents say when it is not the ordinary; those that count say something all the time."""
    if queue.held is not None:
        yield f"{queue.name} is {queue.held.words}"
    for note in queue.notes:
        text = text_of(note)
        counts_only = note.agent in {"sizer", "job fetcher"} and not note.note.get("problem")
        if text and not counts_only and text not in _ORDINARY:
            yield f"{queue.name}: {note.agent} since {moment(note.since)}: {text}"
