"""Why a queue, a worker or a job is where it is, in words; pure functions of what the database tells."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from harvester.cli.overview import QueueOverview, text_of, words_of_left_out
from harvester.cli.shown import cell, counts, moment, number_of
from harvester.core.workers import Worker, WorkerStatus
from harvester.startup.loading import NO_TROUBLES, QueueTroubles
from harvester.store.history import Event
from harvester.store.queues import Note
from harvester.store.schema import JobPhase, WorkerPhase
from harvester.store.views import JobView, WorkerView

_LEADS: Final[Mapping[str, str]] = {
    "sizer": "Workers",
    "job fetcher": "Jobs from the server",
    "monitor": "Checks",
    "reconciler": "Interrupted submissions",
}
_JOB_WAITS: Final[Mapping[JobPhase, str]] = {
    JobPhase.PREPARE: "its input files, which the preparator brings",
    JobPhase.SUBMIT: "a worker, which the sizer has to grant",
    JobPhase.WORK: "the end of its worker",
    JobPhase.STAGE: "its outputs to be stored, which the stager does",
    JobPhase.REPORT: "the server to be told of its end, which the propagator does",
    JobPhase.SWEEP: "nothing: it is done, and deleted when its keep time is over",
}
_JOBS_IN: Final[Mapping[JobPhase, str]] = {
    JobPhase.PREPARE: "Jobs whose input files the preparator brings",
    JobPhase.SUBMIT: "Jobs that wait for a worker, which the sizer has to grant",
    JobPhase.WORK: "Jobs that have a worker, which runs or waits in the batch system",
    JobPhase.STAGE: "Jobs whose outputs the stager stores",
    JobPhase.REPORT: "Jobs of whose end the propagator has to tell the server",
    JobPhase.SWEEP: "Jobs that are done",
}
_LIMITS: Final[Mapping[str, str]] = {
    "jobs": "limited by the jobs that there are",
    "no limit set": "limited to one waiting worker",
    "order of the server": "as many as the server ordered",
    "activated jobs": "limited by the jobs that the server has activated",
    "queue status": "closed by the information system",
    "circuit breaker": "stopped because its workers are out of sight",
    "throttler": "held back by the throttler",
}
"""What decided, where that is no key of the configuration."""
_WORKER_WAITS: Final[Mapping[WorkerPhase, str]] = {
    WorkerPhase.SUBMIT: "its submission; the resource was not asked yet",
    WorkerPhase.SETTLE: "certainty: the resource was asked and its answer is not recorded, so its marker is searched",
    WorkerPhase.MONITOR: "the resource, which holds it and is asked about it regularly",
    WorkerPhase.SWEEP: "nothing: it has ended, and is cleaned up when its keep time is over",
}


def explain_queue(
    queue: QueueOverview,
    phases: Mapping[JobPhase, int],
    troubles: QueueTroubles = NO_TROUBLES,
    *,
    failed: Worker | None = None,
    refused: Worker | None = None,
) -> list[str]:
    """Why a queue has the workers and jobs that it has.

    Args:
        queue: the queue.
        phases: its jobs by phase.
        troubles: what is wrong with the queue configuration now.
        failed: its worker that failed last.
        refused: its worker that the resource did not take last.
    """
    live = {status: number for status, number in queue.workers.items() if not status.is_final}
    ended = {status: number for status, number in queue.workers.items() if status.is_final}
    return [
        f"Queue {queue.name} {_service(queue, troubles)}",
        *([f"It is {queue.held.words}."] if queue.held else []),
        *([f"But {words_of_left_out(queue.name)}."] if queue.active and queue.name in troubles.left_out else []),
        *(f"  {error}" for error in troubles.errors.get(queue.name, ())),
        f"It has {_live_workers(live)} and {_ended_workers(ended)}.",
        *_jobs(phases),
        *(_said(note) for note in queue.notes),
        *_mishaps(queue, failed, refused),
    ]


def _live_workers(live: Mapping[WorkerStatus, int]) -> str:
    number = sum(live.values())
    return f"{number_of(number, 'live worker')} ({counts(live)})" if number else "no live workers"


def _ended_workers(ended: Mapping[WorkerStatus, int]) -> str:
    return f"remembers ended ones ({counts(ended)})" if any(ended.values()) else "remembers no ended ones"


def _mishaps(queue: QueueOverview, failed: Worker | None, refused: Worker | None) -> Iterator[str]:
    """How workers of the queue last came to a bad end; what an agent says already is not said again."""
    if failed is not None:
        yield f"Last failure: {_end_of(failed)}; `harvester worker explain {failed.worker_id}` tells more."
    if refused is not None and not any(refused.diagnostics in text_of(note) for note in queue.notes):
        yield f"Last refusal: {_end_of(refused)}."


def _end_of(worker: Worker) -> str:
    batch_id = f", batch id {worker.batch_id}," if worker.batch_id else ""
    at = f" at {moment(worker.ended_at)}" if worker.ended_at else ""
    return f"worker {worker.worker_id}{batch_id}{at}: {cell(worker.diagnostics) or worker.status}"


def _service(queue: QueueOverview, troubles: QueueTroubles) -> str:
    if queue.active:
        return "is served."
    return f"is not served: {troubles.why_unserved(queue.name)}; its present workers are still followed."


def _jobs(phases: Mapping[JobPhase, int]) -> Iterator[str]:
    for phase, words in _JOBS_IN.items():
        if number := phases.get(phase):
            yield f"{words}: {number}."


def _said(note: Note) -> str:
    parts = [_decision(note), text_of(note)]
    if limit := note.note.get("limit"):
        parts.append(_limited_by(limit))
    parts += _by_type(note.note.get("by_type"))
    lead = _LEADS.get(note.agent, note.agent.capitalize())
    return f"{lead}: {'; '.join(part for part in parts if part)} (since {moment(note.since)})."


def _limited_by(limit: object) -> str:
    return _LIMITS.get(str(limit), f"limited by {limit}")


def _by_type(numbers: object) -> Iterator[str]:
    """What each resource type got, where the server ordered by type."""
    for name, told in numbers.items() if isinstance(numbers, Mapping) else ():
        if isinstance(told, Mapping):
            yield f"{told.get('new')} of {told.get('wanted')} {cell(name)}, {_limited_by(told.get('limit'))}"


def _decision(note: Note) -> str:
    new = note.note.get("new_workers")
    if not isinstance(new, int):
        return ""
    return f"{number_of(new, 'new one') if new else 'no new ones'} in the last decision"


def explain_worker(view: WorkerView, left_out: Collection[str] = ()) -> list[str]:
    """What happened to a worker, and what it waits for.

    Args:
        view: the worker.
        left_out: queues whose configuration has an error, so that nobody looks after their workers.
    """
    worker = view.worker
    return [
        f"Worker {worker.worker_id} of queue {worker.queue} is {worker.status}{_batch(worker)}.",
        *_worker_state(view),
        f"It waits for {_WORKER_WAITS[view.phase]}{_until(view.due)}.",
        *(f"But {words_of_left_out(each)}." for each in left_out if each == worker.queue),
        *_history(view.events),
    ]


def _batch(worker: Worker) -> str:
    if worker.batch_id is None:
        return f", without a batch id yet; its batch job would carry the marker {worker.marker}"
    native = f", there {cell(worker.native_status)}" if worker.native_status else ""
    return f", batch id {worker.batch_id}{native}"


def _worker_state(view: WorkerView) -> Iterator[str]:
    worker = view.worker
    if worker.job_ids:
        yield f"Its jobs: {cell(worker.job_ids)}."
    if worker.diagnostics:
        yield f"Last said of it: {cell(worker.diagnostics)}."
    if worker.unseen_since:
        yield f"Nobody could check it since {moment(worker.unseen_since)}; it still counts against the queue's limits."
    if view.batch_end is not None:
        yield f"Its batch job has ended as {view.batch_end}; its outputs are being gathered."
    if view.kill_due is not None:
        yield f"It is to be killed; the resource is asked at {moment(view.kill_due)}."
    if view.phase is WorkerPhase.SETTLE:
        yield (
            f"The resource was asked {number_of(view.tries, 'time')}; "
            f"{number_of(view.absences, 'complete listing')} in a row did not show it."
        )
    if view.report_due is not None:
        yield f"The server is told of it at {moment(view.report_due)}."


def explain_job(view: JobView, workers: Sequence[Worker], queue: QueueOverview | None) -> list[str]:
    """What happened to a job, and what it waits for.

    Args:
        view: the job.
        workers: those that run or ran it.
        queue: its queue, whose decisions a job without a worker waits for.
    """
    job = view.job
    return [
        f"Job {job.job_id} of queue {job.queue} is {job.status} ({job.substatus}).",
        f"It waits for {_JOB_WAITS[view.phase]}{_until(view.due)}.",
        *(f"Worker {each.worker_id} is {each.status}{_batch(each)}." for each in workers),
        *(_job_state(view, queue)),
        *_history(view.events),
    ]


def _job_state(view: JobView, queue: QueueOverview | None) -> Iterator[str]:
    if view.phase is JobPhase.SUBMIT:
        if view.job.submission_attempts:
            yield f"{number_of(view.job.submission_attempts, 'worker')} could not be submitted for it, or be given it."
        yield from (_said(note) for note in (queue.notes if queue else ()) if note.agent == "sizer")
    if diagnostics := view.job.attributes.get("pilotErrorDiag"):
        yield f"Its error: {cell(diagnostics)}."
    for each in view.files:
        if view.phase in {JobPhase.PREPARE, JobPhase.STAGE}:
            yield f"File {cell(each.lfn)} ({each.kind}) is {each.status}, tried {number_of(each.attempts, 'time')}."
    if view.report_due is not None:
        yield f"The server is told of it at {moment(view.report_due)}."


def _until(due: object) -> str:
    return f"; looked at next at {cell(due)}" if due else ""


def _history(events: Sequence[Event]) -> Iterator[str]:
    if events:
        yield "What happened (UTC):"
    for each in events:
        was = f"{each.was} → " if each.was and each.was != each.became else ""
        yield f"  {moment(each.at)}  {was}{cell(each.became)}: {cell(each.cause)} ({each.agent})"
