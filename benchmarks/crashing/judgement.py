"""Says what came of a run: by the resource's own journal and the server's own record, never by Harvester's word.

Every finding is one sentence about one job, worker or batch job.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from crashing import answers, event_judgement
from crashing.journal import BatchJob
from harvester.panda.devserver.events import EventRange
from harvester.panda.devserver.records import FINAL_WORKER_STATUSES, Job, Worker


@dataclass(frozen=True, slots=True)
class Record:
    """What the server and the batch system wrote down.

    Attributes:
        limits: `maxWorkers` by queue.
        deaths: when a process was killed.
        outages: when the database was killed.
        instance: `harvester_id`, with which every marker begins.
        ranges: the event ranges of divided jobs.
        ranges_at_once: how many answers with ranges may be on their way to one process.
    """

    jobs: Sequence[Job]
    workers: Sequence[Worker]
    batch_jobs: Sequence[BatchJob]
    limits: Mapping[str, int]
    deaths: Sequence[float]
    outages: Sequence[float]
    instance: str
    ranges: Mapping[int, Sequence[EventRange]] = field(default_factory=dict)
    ranges_at_once: int = 1

    @property
    def disturbances(self) -> answers.Disturbances:
        """Deaths and outages."""
        return answers.Disturbances(self.deaths, self.outages)

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
        unanswered_ranges: event ranges likewise; the server gives them out anew when their job has ended.
    """

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    orphaned: list[str] = field(default_factory=list)
    over_limit: list[str] = field(default_factory=list)
    unreported: list[str] = field(default_factory=list)
    unanswered: list[int] = field(default_factory=list)
    unanswered_ranges: list[str] = field(default_factory=list)

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
    excused = answers.unanswered(record.jobs, record.disturbances)
    story = _story_of_ranges(record, frozenset(excused))
    destroyed = story.unanswered()
    return Verdict(
        [*_lost(record, frozenset(excused)), *event_judgement.lost(story, frozenset(destroyed))],
        [*_doubled(record), *event_judgement.doubled(story)],
        list(_orphaned(record)),
        list(_over_limit(record)),
        [*_unreported(record), *event_judgement.unreported(story)],
        excused,
        destroyed,
    )


def _story_of_ranges(record: Record, excused: frozenset[int]) -> event_judgement.Story:
    arrived = {job: some for job, some in record.ranges.items() if job not in excused}
    taken = event_judgement.taken_by(record.batch_jobs)
    return event_judgement.Story(arrived, taken, record.disturbances, record.ranges_at_once)


def _lost(record: Record, excused: frozenset[int]) -> Iterable[str]:
    """Jobs and workers without the end that they should have."""
    run = {job_id for each in record.batch_jobs for job_id in each.jobs}
    for job in record.jobs:
        if job.status != "finished" and job.job_id not in excused:
            heard = job.received or "nothing"
            yield f"job {job.job_id} of {job.site} is {job.status}/{job.sub_status}, the server has heard {heard}"
        if job.status == "finished" and job.job_id not in run:
            yield f"job {job.job_id} is said to be finished, and no batch job has run it"
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
