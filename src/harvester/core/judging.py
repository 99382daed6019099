"""What a round of checks means for workers and their jobs: pure functions of what was seen, the rules and the time."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from harvester.core.errors import IllegalTransitionError
from harvester.core.held import Held
from harvester.core.jobs import Job, JobStatus, JobSubstatus, Kill, PilotError, job_status_from_worker
from harvester.core.news import NO_NEWS, News
from harvester.core.outcomes import CheckOutcome, Done, Failed, Gone, Later, Seen, Unknown
from harvester.core.records import record_type
from harvester.core.workers import MapType, WorkerStatus, next_worker_status

_DONE = Done()
_STARTED = frozenset({WorkerStatus.RUNNING, WorkerStatus.IDLE, WorkerStatus.READY})
_REPORTED_ENDS = {"finished": JobStatus.FINISHED, "failed": JobStatus.FAILED}
_UPWARD = ("pilotErrorCode", "pilotErrorDiag", "exeErrorCode", "exeErrorDiag")


@record_type
class Observation:
    """All that one round learned about one worker.

    Attributes:
        finished: whether its logs and outputs are gathered, once it has ended.
        ended_alone: jobs that have ended while their worker goes on, and whose logs and outputs are gathered.
        unsettled: whether there are others whose logs and outputs are not gathered yet.
        untaken: jobs that it was given while it ran and that it had certainly not taken up when it ended.
    """

    held: Held
    outcome: CheckOutcome
    news: News = NO_NEWS
    finished: Done | Later | Failed = _DONE
    ended_alone: tuple[int, ...] = ()
    unsettled: bool = False
    untaken: tuple[int, ...] = ()

    @property
    def has_started(self) -> bool:
        """Whether the worker may have something to say."""
        now_running = isinstance(self.outcome, Seen) and self.outcome.status in _STARTED
        return now_running or self.has_ended or self.held.worker.status in _STARTED

    @property
    def has_ended(self) -> bool:
        """Whether the batch job is over."""
        return isinstance(self.outcome, Gone) or (isinstance(self.outcome, Seen) and self.outcome.status.is_final)

    @property
    def end(self) -> WorkerStatus:
        """How an ended batch job has ended; one that nobody knows of any more has failed."""
        told = self.outcome.status if isinstance(self.outcome, Seen) else WorkerStatus.FAILED
        return self.held.batch_end or told

    @property
    def jobs_that_end(self) -> tuple[int, ...]:
        """Jobs of a running worker that say they have ended; only those that share a worker end before it."""
        if self.held.worker.map_type is not MapType.MANY_TO_ONE or self.has_ended:
            return ()
        told = self.news.attributes
        return tuple(job for job in self.held.worker.job_ids if _reported_end(told.get(job, {})))

    @property
    def may_get_jobs(self) -> bool:
        """Whether it may be given jobs while it runs."""
        return self.held.worker.late_binding or self.held.worker.map_type is MapType.MANY_TO_ONE

    @property
    def is_jobless(self) -> bool:
        """Whether it was submitted without jobs and has got none yet."""
        return self.held.worker.late_binding and not self.held.worker.job_ids

    @property
    def jobs_wanted(self) -> int:
        """How many jobs it asks for that it may have: further ones only where jobs share a worker."""
        may_have = self.is_jobless or self.held.worker.map_type is MapType.MANY_TO_ONE
        is_new = self.held.jobs_asked == 0 and self.held.kill_error is None
        return self.news.jobs_wanted if may_have and is_new and not self.has_ended else 0

    @property
    def is_ready(self) -> bool:
        """Whether it has asked for its first jobs and waits for them."""
        asks = self.news.jobs_wanted or self.held.worker.status is WorkerStatus.READY
        return bool(asks) and (self.is_jobless or self.held.jobs_asked > 0)

    @property
    def leaves_jobs(self) -> bool:
        """Whether jobs that it has not taken up go to other workers; not if the server or a person had it killed."""
        return not self.held.ends_jobs

    @property
    def has_pushed_jobs(self) -> bool:
        """Whether this instance gave the worker its jobs; what a pulling worker says of its own is for the server."""
        return bool(self.held.worker.job_ids) and self.held.worker.map_type is not MapType.NO_JOB


@dataclass(frozen=True, slots=True)
class Rules:
    """When a worker is killed, and how long its outputs may take to gather.

    Attributes:
        queue_time: workers that wait in the batch system longer are killed.
        check_timeout: workers that nobody could check for so long are killed; None for never.
        heartbeat: workers silent for so long are killed; None for never.
        jobless: workers that have run for so long without getting a job are killed.
        gather: how long gathering outputs is tried again.
    """

    queue_time: timedelta
    check_timeout: timedelta | None
    heartbeat: timedelta | None
    jobless: timedelta
    gather: timedelta


@record_type
class Verdict:
    """What is to be written about one worker."""

    status: WorkerStatus
    cause: str
    native_status: str | None
    exit_code: int | None
    error_code: int
    node: str | None
    started_at: datetime | None
    ended_at: datetime | None
    batch_end: WorkerStatus | None


def trusted(outcome: CheckOutcome) -> CheckOutcome:
    """The outcome, if it is one that the contract knows; anything else tells nothing."""
    match outcome:
        case Seen(status=WorkerStatus(), started_at=started, ended_at=ended) if _aware(started) and _aware(ended):
            return outcome
        case Gone() | Unknown():
            return outcome
    return Unknown(f"the plugin gave an answer that the contract does not know: {outcome!r}"[:300])


def _aware(moment: object) -> bool:
    return moment is None or (isinstance(moment, datetime) and moment.tzinfo is not None)


def judge(seen: Observation, rules: Rules, now: datetime) -> Verdict | None:
    """The new state of a worker; None if nothing has changed or nothing is known."""
    worker = seen.held.worker
    outcome = _as_seen(seen.outcome)
    if outcome is not None and outcome.status is WorkerStatus.READY and worker.status is not WorkerStatus.READY:
        outcome = replace(outcome, status=WorkerStatus.RUNNING)  # who asks for jobs is for the worker to say
    if outcome is not None and outcome.status is WorkerStatus.RUNNING and seen.is_ready:
        outcome = replace(outcome, status=WorkerStatus.READY)
    if outcome is None or worker.status.is_final or (outcome.status is worker.status and not outcome.status.is_final):
        return None
    try:
        status = next_worker_status(worker.status, outcome.status)
    except IllegalTransitionError:
        return None
    ended_at = (outcome.ended_at or worker.ended_at or now) if status.is_final else None
    waits = status.is_final and _must_wait(seen.finished, ended_at or now, rules, now)
    if waits:
        status = WorkerStatus.RUNNING if worker.status is WorkerStatus.RUNNING else WorkerStatus.IDLE
    if status is worker.status and not (waits and seen.held.batch_end is None):
        return None
    started = status in _STARTED or outcome.status is WorkerStatus.FINISHED
    return Verdict(
        status=status,
        cause=_cause(seen, outcome, waits=waits),
        native_status=outcome.native_status or worker.native_status,
        exit_code=worker.exit_code if outcome.exit_code is None else outcome.exit_code,
        error_code=outcome.error_code or worker.error_code,
        node=outcome.node or worker.node,
        started_at=worker.started_at or outcome.started_at or (now if started else None),
        ended_at=ended_at,
        batch_end=outcome.status if waits else seen.held.batch_end,
    )


def _as_seen(outcome: CheckOutcome) -> Seen | None:
    match outcome:
        case Seen():
            return outcome
        case Gone(reason):
            return Seen(WorkerStatus.FAILED, diagnostics=f"nothing tells how it ended: {reason}")
        case Unknown():
            return None


def _must_wait(finished: Done | Later | Failed, ended_at: datetime, rules: Rules, now: datetime) -> bool:
    return isinstance(finished, Later) and now - ended_at < rules.gather


def _cause(seen: Observation, outcome: Seen, *, waits: bool) -> str:
    """What is said of the new state; once the batch job has ended, what was said of its end."""
    if seen.held.batch_end is not None:
        parts = [seen.held.worker.diagnostics]
    else:
        exit_code = "" if outcome.exit_code is None else f"exit code {outcome.exit_code}"
        told = () if exit_code in outcome.diagnostics else (exit_code,)
        parts = [outcome.native_status or outcome.status.value, *told, outcome.diagnostics]
    outputs = f"outputs: {seen.finished.reason}" if isinstance(seen.finished, Failed | Later) and not waits else ""
    return "; ".join(filter(None, [*parts, outputs]))


def reason_to_kill(seen: Observation, rules: Rules, now: datetime) -> Kill | None:
    """Why the worker has to be killed; None if it may go on (core reference §3.7 step 4)."""
    worker, news = seen.held.worker, seen.news
    if seen.held.batch_end is not None or (isinstance(seen.outcome, Seen) and seen.outcome.status.is_final):
        return None
    if news.kill_requested:
        return Kill("the worker asked for it", ends_jobs=False)
    waited = now - (worker.submitted_at or now)
    if worker.status is WorkerStatus.SUBMITTED and isinstance(seen.outcome, Seen):
        still_queued = seen.outcome.status is WorkerStatus.SUBMITTED
        if still_queued and waited > rules.queue_time:
            return _given_up(
                f"it has waited in the batch system for {_hours(waited)}, longer than workerQueueTimeLimit"
            )
    return (
        _jobless_too_long(seen, rules, now) or _silent_too_long(seen, rules, now) or _unseen_too_long(seen, rules, now)
    )


def _jobless_too_long(seen: Observation, rules: Rules, now: datetime) -> Kill | None:
    started = seen.held.worker.started_at
    if not seen.is_jobless or started is None or now - started <= rules.jobless:
        return None
    return _given_up(f"it has got no job for {_hours(now - started)}, longer than workerJobTimeLimit")


def _silent_too_long(seen: Observation, rules: Rules, now: datetime) -> Kill | None:
    started = seen.held.worker.started_at
    if rules.heartbeat is None or started is None:
        return None
    silent = now - (seen.news.heartbeat_at or started)
    if silent <= rules.heartbeat:
        return None
    return _given_up(f"no heartbeat for {_hours(silent)}, longer than worker_heartbeat")


def _unseen_too_long(seen: Observation, rules: Rules, now: datetime) -> Kill | None:
    since = seen.held.worker.unseen_since
    if rules.check_timeout is None or since is None or not isinstance(seen.outcome, Unknown):
        return None
    if now - since <= rules.check_timeout:
        return None
    return _given_up(f"nobody could check it for {_hours(now - since)}, longer than checkTimeout")


def _given_up(reason: str) -> Kill:
    return Kill(reason, PilotError.KILLED_BY_HARVESTER, ends_jobs=False)


def _hours(span: timedelta) -> str:
    return f"{span.total_seconds() / 3600:.1f} h"


@record_type
class JobChange:
    """What is to be written about one job of a worker."""

    status: JobStatus
    substatus: JobSubstatus
    attributes: Mapping[str, object]
    meta_data: str | None
    started_at: datetime | None
    ended_at: datetime | None


def judge_job(job: Job, seen: Observation, verdict: Verdict | None, now: datetime) -> JobChange | None:
    """What the worker's state and its own words make of a job; None if nothing has changed.

    The worker's word on how the job ended wins over how the batch job ended (core reference §4.1), and is enough where
    jobs share a worker.
    """
    worker = seen.held.worker
    told = dict(seen.news.attributes.get(job.job_id, {}))
    if verdict is None and not told:
        return None
    state = verdict.status if verdict else worker.status
    if state is WorkerStatus.READY:
        if job.substatus is JobSubstatus.QUEUED and not told:
            return None  # it is what the worker has asked for
        state = WorkerStatus.RUNNING  # it asks for others beside this one
    status, substatus = job_status_from_worker(state)
    meta_data = told.pop("metaData", None)
    attributes = {**job.attributes, **told}
    if job.job_id in seen.ended_alone:
        substatus = JobSubstatus.TO_TRANSFER
    if state.is_final or substatus is JobSubstatus.TO_TRANSFER:
        status = _reported_end(attributes) or status
        attributes = _with_error(attributes, seen.held, verdict, status)
    started_at = job.started_at or (verdict.started_at if verdict else worker.started_at)
    return JobChange(
        status=status,
        substatus=substatus,
        attributes={"batchID": worker.batch_id, **attributes} if worker.batch_id else attributes,
        meta_data=job.meta_data if meta_data is None else _text(meta_data),
        started_at=started_at,
        ended_at=(job.ended_at or now) if status.is_final else None,
    )


def _reported_end(attributes: Mapping[str, object]) -> JobStatus | None:
    """How the worker says that a job has ended; None if it does not say so."""
    return _REPORTED_ENDS.get(str(attributes.get("jobStatus")))


def _with_error(
    attributes: dict[str, object], held: Held, verdict: Verdict | None, status: JobStatus
) -> dict[str, object]:
    if status is JobStatus.FINISHED or any(attributes.get(key) for key in _UPWARD):
        return attributes
    code = held.kill_error or (PilotError.KILLED if status is JobStatus.CANCELLED else PilotError.GENERAL)
    cause = verdict.cause if verdict else held.worker.diagnostics
    diagnostics = f"worker {held.worker.worker_id}: {cause}"
    return {**attributes, "pilotErrorCode": code, "pilotErrorDiag": diagnostics[:500]}


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
