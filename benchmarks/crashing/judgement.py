"""Says what came of a run: by the resource's own journal and the server's own record, never by Harvester's word.

Every finding is one sentence about one job, worker or batch job.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

from pydantic import JsonValue

from crashing.batch import BatchJob
from harvester.panda.devserver.records import FINAL_WORKER_STATUSES, Job, Worker

Row = Mapping[str, JsonValue]
_STORED_WITHIN: Final = 5.0
"""Seconds that it may take to store an answer."""
_STORED_AFTER_OUTAGE: Final = 25.0
"""Seconds that it may take when the database was killed meanwhile, or just before."""


@dataclass(frozen=True, slots=True)
class Record:
    """What the server and the batch system wrote down.

    Attributes:
        limits: `maxWorkers` by queue.
        deaths: when a process was killed.
        outages: when the database was killed.
        instance: `harvester_id`, with which every marker begins.
    """

    jobs: Sequence[Job]
    workers: Sequence[Worker]
    batch_jobs: Sequence[BatchJob]
    limits: Mapping[str, int]
    deaths: Sequence[float]
    outages: Sequence[float]
    instance: str

    @property
    def by_marker(self) -> dict[str, Worker]:
        """The workers that the server knows."""
        return {f"{self.instance}-{each.worker_id}": each for each in self.workers}


@dataclass(slots=True)
class Verdict:
    """What went wrong, and what could not be helped.

    Attributes:
        unanswered: jobs that the server handed out in an answer that a kill destroyed. The protocol has no way to ask
            for them again; the server itself gives them out anew after half an hour.
    """

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    orphaned: list[str] = field(default_factory=list)
    over_limit: list[str] = field(default_factory=list)
    unreported: list[str] = field(default_factory=list)
    unanswered: list[int] = field(default_factory=list)

    @property
    def faults(self) -> dict[str, list[str]]:
        """Everything that must be empty."""
        return {
            "lost": self.lost,
            "doubled": self.doubled,
            "orphaned": self.orphaned,
            "over_limit": self.over_limit,
            "unreported": self.unreported,
        }


def judge(record: Record) -> Verdict:
    """Judge a run that is over."""
    excused = unanswered(record.jobs, record.deaths, record.outages)
    return Verdict(
        list(_lost(record, frozenset(excused))),
        list(_doubled(record)),
        list(_orphaned(record)),
        list(_over_limit(record)),
        list(_unreported(record)),
        excused,
    )


def unanswered(jobs: Iterable[Job], deaths: Sequence[float], outages: Sequence[float] = ()) -> list[int]:
    """Jobs of answers that never arrived: nobody ever spoke of any of them, and the asker was killed just then.

    An answer arrives as a whole or not at all, and a death excuses no more than one.
    """
    answers = defaultdict(list)
    for job in jobs:
        if job.acquired is not None:
            answers[job.acquired].append(job)
    left, ids = deque(sorted(deaths)), list[int]()
    for given, some in sorted(answers.items()):
        if any(job.received or job.status != "sent" for job in some):
            continue
        while left and left[0] < given:
            left.popleft()
        away = any(-_STORED_AFTER_OUTAGE <= outage - given <= _STORED_WITHIN for outage in outages)
        if left and left[0] - given <= (_STORED_AFTER_OUTAGE if away else _STORED_WITHIN):
            left.popleft()
            ids += [job.job_id for job in some]
    return ids


def _lost(record: Record, excused: frozenset[int]) -> Iterable[str]:
    for job in record.jobs:
        if job.status != "finished" and job.job_id not in excused:
            yield f"job {job.job_id} is {job.status}/{job.sub_status}, the server has heard {job.received or 'nothing'}"
    for worker in record.workers:
        if not worker.is_final:
            yield f"worker {worker.worker_id} is {worker.status} for ever, it had been {worker.statuses}"


def _doubled(record: Record) -> Iterable[str]:
    markers, runs = defaultdict(list), defaultdict(list)
    for each in record.batch_jobs:
        markers[each.marker].append(each.batch_id)
        for job_id in each.jobs:
            runs[job_id].append(each.batch_id)
    for marker, batch_ids in markers.items():
        if len(batch_ids) > 1:
            yield f"worker {marker} was submitted as the batch jobs {batch_ids}"
    for job_id, batch_ids in runs.items():
        if len(batch_ids) > 1:
            yield f"job {job_id} was run by the batch jobs {batch_ids}"
    for job in record.jobs:
        if job.times_acquired > 1:
            yield f"job {job.job_id} was given out {job.times_acquired} times"


def _orphaned(record: Record) -> Iterable[str]:
    known = record.by_marker
    for each in record.batch_jobs:
        worker = known.get(each.marker)
        if worker is None:
            yield f"batch job {each.batch_id} belongs to {each.marker}, of whom the server never heard"
        elif worker.fields.get("batchID") != each.batch_id:
            yield f"batch job {each.batch_id} is not what the server knows as {each.marker}: {worker.fields}"
        if each.ended_at is None:
            yield f"batch job {each.batch_id} of {each.marker} hangs for ever"
        elif each.cleaned is None:
            yield f"batch job {each.batch_id} of {each.marker} was never cleaned up"
        elif each.cleaned < each.ended_at:
            yield f"batch job {each.batch_id} of {each.marker} was cleaned up while it ran"


def _over_limit(record: Record) -> Iterable[str]:
    by_queue = defaultdict(list)
    for each in record.batch_jobs:
        by_queue[each.queue].append(each)
    for queue, batch_jobs in by_queue.items():
        most = most_at_once((each.accepted, each.ended_at) for each in batch_jobs)
        for number in range(record.limits[queue] + 1, most + 1):
            yield f"queue {queue} held {number} batch jobs at once, {record.limits[queue]} are allowed"


def most_at_once(spans: Iterable[tuple[float, float | None]]) -> int:
    """How many began and had not ended at the worst moment; an end comes before a beginning of the same moment."""
    steps = [step for begin, end in spans for step in ((begin, 1), (float("inf") if end is None else end, -1))]
    return max(accumulate(step for _, step in sorted(steps)), default=0)


def _unreported(record: Record) -> Iterable[str]:
    known = record.by_marker
    for each in record.batch_jobs:
        worker = known.get(each.marker)
        end = "finished" if each.killed is None else "cancelled"
        if worker is not None and worker.status != end:
            yield f"batch job {each.batch_id} is {end}, but its worker {each.marker} is {worker.status}"
    for worker in record.workers:
        ends = Counter(status for status in worker.told if status in FINAL_WORKER_STATUSES)
        if len(ends) > 1:
            yield f"worker {worker.worker_id} was said to be {' and '.join(ends)}"
    for job in record.jobs:
        told = {str(each[1]) for each in job.received if each[1] in {"finished", "failed"}}
        if len(told) > 1:
            yield f"job {job.job_id} was said to be {' and '.join(sorted(told))}"
