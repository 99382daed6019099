"""The job table of the development server: who waits where, who is late, who is done.

Nothing here walks over all jobs: waiting jobs stand in a heap per (site, label, resource type), deadlines in another,
and counts are kept as they change.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import count

from pydantic import JsonValue

from harvester.panda.devserver.adder import verdict
from harvester.panda.devserver.columns import plain_moment
from harvester.panda.devserver.memory import Memory
from harvester.panda.devserver.records import Job
from harvester.panda.devserver.samples import complete_job

SENT_LIMIT = 30 * 60.0
HEARTBEAT_LIMIT = 2 * 3600.0
HOLDING_LIMIT = 3 * 3600.0
NO_COMMAND = "NULL"
KILL = "tobekilled"
ALREADY_DONE = "alreadydone"
_FIRST_JOB_ID = 1_000_001
_LIMITS = {
    "sent": SENT_LIMIT,
    "starting": HEARTBEAT_LIMIT,
    "running": HEARTBEAT_LIMIT,
    "transferring": HEARTBEAT_LIMIT,
    "holding": HOLDING_LIMIT,
}
_LABELS = {
    "user": ("user", "panda", "install"),
    "managed": ("managed", "test", "prod_test", "install"),
    "unified": ("managed", "test", "prod_test", "install", "user", "panda"),
    "test": ("prod_test", "install", "test"),
}
_ARCHIVED = frozenset({"finished", "cancelled", "closed"})
_WIDTHS = {
    "pilot_error_diag": 500,
    "exe_error_diag": 500,
    "job_metrics": 500,
    "node": 128,
    "pilot_id": 200,
    "cpu_architecture_level": 20,
    "grid": 50,
    "source_site": 36,
    "destination_site": 36,
}
_NO_ATTRIBUTES = frozenset(
    {"job_id", "job_status", "job_sub_status", "meta_data", "job_output_report", "attempt_nr", "timeout"}
)
_TIMES = frozenset({"start_time", "end_time"})


@dataclass(frozen=True, slots=True)
class Request:
    """What a requester of jobs wants; `fits` is what the indexes do not cover."""

    site: str
    label: str | None
    resource_type: str | None
    n_jobs: int
    by: str
    fits: Callable[[Job], bool]


class Jobs:
    """All jobs, in memory, with their indexes."""

    def __init__(self, memory: Memory, adder_delay: float) -> None:
        self._memory = memory
        self._adder_delay = adder_delay
        self._by_id: dict[int, Job] = {}
        self._waiting: defaultdict[str, dict[tuple[str, str], list[tuple[int, int]]]] = defaultdict(dict)
        self._deadlines: list[tuple[float, int]] = []
        self.counts: Counter[tuple[str, str, str, str]] = Counter()
        self._restore()
        self._ids = count(max(self._by_id, default=_FIRST_JOB_ID - 1) + 1)

    def _restore(self) -> None:
        params = dict(self._memory.records("params"))
        for key, record in self._memory.records("job"):
            self._enter(Job.from_record(record, params=params[key]))

    def _enter(self, job: Job) -> None:
        self._by_id[job.job_id] = job
        self._count(job, 1)
        self._watch(job)
        if job.status == "activated":
            queue = self._waiting[job.site].setdefault((job.label, job.resource_type), [])
            heapq.heappush(queue, (-job.priority, job.job_id))

    def add(self, partials: Iterable[Mapping[str, JsonValue]], now: float) -> list[int]:
        """Put jobs in; each must not be known yet.

        Raises:
            ValueError: a job has no site, in which case none is taken; or a PandaID is taken or is no positive integer.
        """
        jobs = list(partials)
        for number, job in enumerate(jobs):
            if not (isinstance(site := job.get("site"), str) and site):
                raise ValueError(f'jobs.{number}: "site" has to name the queue whose Harvester is to fetch the job')
        return [self._add(job, now) for job in jobs]

    def _add(self, partial: Mapping[str, JsonValue], now: float) -> int:
        job_id = partial.get("PandaID") if "PandaID" in partial else next(self._ids)
        if type(job_id) is not int or job_id <= 0 or job_id in self._by_id:
            raise ValueError(f"PandaID {job_id!r} is taken or is no positive integer; leave it out to get a fresh one")
        params = complete_job(partial, job_id)
        job = Job(
            job_id=job_id,
            site=str(partial["site"]),
            label=str(params["prodSourceLabel"]),
            resource_type=str(params["resource_type"]),
            priority=_whole(params["currentPriority"]),
            attempt=_whole(params["attemptNr"]),
            created=now,
            changed=now,
            params=params,
        )
        self._enter(job)
        self._memory.keep("params", job_id, params)
        self._keep(job, now, "activated", job.site)
        return job_id

    def get(self, job_id: int) -> Job | None:
        """Give one job."""
        return self._by_id.get(job_id)

    def all(self) -> Iterable[Job]:
        """Give every job, in order of arrival."""
        return self._by_id.values()

    def acquire(self, request: Request, now: float) -> list[Job]:
        """Reserve the best waiting jobs; a job is given to nobody else from then on."""
        taken: list[Job] = []
        passed: list[tuple[list[tuple[int, int]], tuple[int, int]]] = []
        queues = self._queues(request)
        while len(taken) < request.n_jobs and (best := min((q for q in queues if q), default=None)):
            entry = heapq.heappop(best)
            job = self._by_id[entry[1]]
            if job.status != "activated":
                continue
            if request.fits(job):
                taken.append(job)
            else:
                passed.append((best, entry))
        for queue, entry in passed:
            heapq.heappush(queue, entry)
        for job in taken:
            job.acquired, job.acquired_by = now, request.by
            job.times_acquired += 1
            self.move(job, "sent", now, request.by)
        return taken

    def _queues(self, request: Request) -> list[list[tuple[int, int]]]:
        labels = _LABELS.get(request.label or "managed", (request.label,))
        return [
            queue
            for (label, kind), queue in self._waiting[request.site].items()
            if label in labels and request.resource_type in {None, kind}
        ]

    def update(self, fields: Mapping[str, JsonValue], now: float) -> str:
        """Store one update that passed the type checks; gives the command to answer."""
        job = self._by_id.get(_whole(fields["job_id"]))
        attempt = fields.get("attempt_nr")
        if (
            job is None
            or job.status in _ARCHIVED
            or attempt not in {None, job.attempt}
            or self._changes_batch_id(job, fields)
        ):
            self._memory.note(now, "job", str(fields["job_id"]), "update_ignored", str(fields["job_status"]))
            return KILL
        status = str(fields["job_status"])
        command = self._apply(job, status, fields, now)
        job.updates += 1
        _receive(job, status, fields.get("job_sub_status"), command, now)
        self._memory.keep("job", job.job_id, job.to_record())
        return command

    @staticmethod
    def _changes_batch_id(job: Job, fields: Mapping[str, JsonValue]) -> bool:
        old, new = job.batch_id, fields.get("batch_id")
        return bool(old and isinstance(new, str) and new != old and not old.isdigit() and not new.isdigit())

    def _apply(self, job: Job, status: str, fields: Mapping[str, JsonValue], now: float) -> str:
        is_end = status in {"finished", "failed"}
        if job.is_final or job.closing:
            return ALREADY_DONE if is_end or job.is_final else NO_COMMAND
        _store_fields(job, fields)
        if is_end:
            self._begin_closing(job, status, now, f"reported {status}")
        elif not (job.status == "running" and status == "starting"):
            self.move(job, status, now, job.sub_status or "")
        job.changed = now
        return job.command or NO_COMMAND

    def move(self, job: Job, status: str, now: float, why: str) -> None:
        """Give a job another status and see to counts, deadline and journal."""
        job.changed = now
        if status == job.status:
            return
        self._count(job, -1)
        job.status = status
        self._count(job, 1)
        self._watch(job)
        self._keep(job, now, status, why)

    def fail(self, job: Job, errors: dict[str, JsonValue], now: float) -> None:
        """End a job from the server's side, through the Adder."""
        if job.is_final or job.closing:
            return
        job.errors |= errors
        self._begin_closing(job, "failed", now, "failed by the server")

    def _begin_closing(self, job: Job, status: str, now: float, why: str) -> None:
        job.closing = status
        self.move(job, "holding", now, why)
        self._watch(job)

    def kill(self, job_id: int, now: float) -> bool:
        """Order the end of a job; one that still waits is cancelled at once."""
        job = self._by_id.get(job_id)
        if job is None or job.is_final:
            return False
        job.command = KILL
        if job.status == "activated":
            self.move(job, "cancelled", now, "killed while waiting")
        else:
            self._keep(job, now, "kill_ordered", "")
        return True

    def keep(self, job: Job) -> None:
        """Remember a job that was changed from outside."""
        self._memory.keep("job", job.job_id, job.to_record())

    def settle(self, now: float) -> None:
        """Let the Adder and the watcher do what has become due."""
        while self._deadlines and self._deadlines[0][0] <= now:
            job = self._by_id[heapq.heappop(self._deadlines)[1]]
            if job.closing and not job.is_final:
                self._close(job, now)
            elif job.status in _LIMITS and job.changed + _LIMITS[job.status] <= now:
                code = 102 if job.status == "sent" else 100
                job.errors |= {"jobDispatcherErrorCode": code, "jobDispatcherErrorDiag": f"lost while {job.status}"}
                self.move(job, "failed", now, f"no update while {job.status}")
            elif not job.is_final:
                self._watch(job)

    def _close(self, job: Job, now: float) -> None:
        status, errors = verdict(job)
        job.errors |= errors
        self.move(job, status, now, str(errors.get("ddmErrorDiag", "")))

    def _watch(self, job: Job) -> None:
        limit = self._adder_delay if job.closing else _LIMITS.get(job.status)
        if limit is not None and not job.is_final:
            heapq.heappush(self._deadlines, (job.changed + limit, job.job_id))

    def _count(self, job: Job, change: int) -> None:
        self.counts[job.site, job.resource_type, job.label, job.status] += change

    def _keep(self, job: Job, now: float, event: str, detail: str) -> None:
        self._memory.note(now, "job", job.job_id, event, detail)
        self._memory.keep("job", job.job_id, job.to_record())


def _whole(value: JsonValue) -> int:
    return value if isinstance(value, int) else 0


def _store_fields(job: Job, fields: Mapping[str, JsonValue]) -> None:
    """Keep what came; long texts are cut silently, "" and null clear nothing, the first metadata stay."""
    sub_status, meta_data, report = (fields.get(n) for n in ("job_sub_status", "meta_data", "job_output_report"))
    if isinstance(sub_status, str):
        job.sub_status = sub_status[:80]
    if isinstance(meta_data, str) and meta_data and job.meta_data is None:
        job.meta_data = meta_data
    if isinstance(report, str) and report:
        job.output_report = report
    batch_id = fields.get("batch_id")
    if isinstance(batch_id, str):
        job.batch_id = batch_id[:80]
    for name, value in fields.items():
        if value not in {None, ""} and name not in _NO_ATTRIBUTES and (name not in _TIMES or plain_moment(value)):
            job.attributes[name] = value[: _WIDTHS.get(name)] if isinstance(value, str) else value


def _receive(job: Job, status: str, sub_status: JsonValue, command: str, now: float) -> None:
    last = job.received[-1] if job.received else None
    if last and last[1:4] == [status, sub_status, command]:
        last[4] = _whole(last[4]) + 1
    else:
        job.received.append([now, status, sub_status, command, 1])
