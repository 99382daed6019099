"""How many jobs a queue should ask the server for, and which limit decided (core reference §4.5)."""

from dataclasses import dataclass

from harvester.core.ceilings import Rule, ceiling_of


@dataclass(frozen=True, slots=True)
class JobCounts:
    """Jobs of one queue: fetched and not yet running, and running; cores are known only where a limit needs them."""

    starting: int = 0
    running: int = 0
    starting_cores: int = 0
    running_cores: int = 0


@dataclass(frozen=True, slots=True)
class JobLimits:
    """The limits of one queue on jobs that have not started; ratios are in percent of what runs, None is no such limit.

    Attributes:
        jobs: nQueueLimitJob; None means that the queue fetches no jobs.
        ratio: nQueueLimitJobRatio; its least result `least`, nQueueLimitJobMin, is one for cores too.
        cores: nQueueLimitJobCores.
        per_request: `[jobfetcher] maxJobs`.
    """

    jobs: int | None
    per_request: int
    ratio: int | None = None
    least: int | None = None
    cores: int | None = None
    cores_ratio: int | None = None
    cores_least: int | None = None

    @property
    def counts_more(self) -> bool:
        """Whether more matters than the number of jobs that have not started."""
        return self.jobs is not None and any(limit is not None for limit in (self.ratio, self.cores, self.cores_ratio))


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A decision: how many jobs to ask for, and the reason in words an operator understands."""

    jobs: int
    limit: str
    reason: str


def size_job_fetch(limits: JobLimits, counts: JobCounts, usual_cores: int = 1) -> JobRequest:
    """The number of jobs to ask for: those present and those asked for together keep within every limit.

    Args:
        limits: what the configuration allows.
        counts: what the queue holds now.
        usual_cores: of a job of this queue; the jobs that come are charged with it, or with the average of those that
            wait if that is more, since their cores are known only when they are there.
    """
    if limits.jobs is None:
        return JobRequest(0, "nQueueLimitJob", "nQueueLimitJob is not set, so no jobs are fetched")
    leasts = {"nQueueLimitJobMin": limits.least}
    rule = Rule("nQueueLimitJob", limits.jobs, "nQueueLimitJobRatio", limits.ratio, leasts)
    leasts = {**leasts, "nQueueLimitJobCoresMin": limits.cores_least}
    cores = Rule("nQueueLimitJobCores", limits.cores, "nQueueLimitJobCoresRatio", limits.cores_ratio, leasts)
    average = -(-counts.starting_cores // counts.starting) if counts.starting else 1
    per_job = max(average, usual_cores, 1)
    requests = [
        _request(rule, counts.starting, counts.running, "jobs"),
        _request(cores, counts.starting_cores, counts.running_cores, "cores of jobs", per_job),
        JobRequest(limits.per_request, "jobfetcher.maxJobs", f"at most {limits.per_request} jobs in a request"),
    ]
    return min(filter(None, requests), key=lambda request: request.jobs)


def _request(rule: Rule, present: int, running: int, things: str, per_job: int = 1) -> JobRequest | None:
    """What a rule leaves; while there is any room one job may come, whatever its size."""
    ceiling = ceiling_of(rule, running, things)
    if ceiling is None:
        return None
    left = max(ceiling.allowed - present, 0)
    reason = f"{present} of {ceiling.allowed} {things} are waiting to run{ceiling.source}"
    return JobRequest(max(left // per_job, min(left, 1)), ceiling.limit, reason)
