"""Which jobs share a worker, and which workers share a job, by the queue's mapType (core reference §4.4, §4.8)."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, repeat

from harvester.core.jobs import Job
from harvester.core.workers import MapType

Group = tuple[Job, ...]


@dataclass(frozen=True, slots=True)
class GroupRules:
    """How the jobs of a queue come together.

    Attributes:
        jobs_per_worker: jobs that share a worker with ManyToOne.
        mixture: whether jobs of different tasks may share a worker (allowJobMixture).
        rest_waits: whether jobs that do not fill a worker wait for others to come.
    """

    map_type: MapType
    jobs_per_worker: int = 1
    mixture: bool = False
    rest_waits: bool = True


@dataclass(frozen=True, slots=True)
class Spread:
    """How many workers one job may have with OneToMany.

    Attributes:
        at_once: live ones (nWorkersPerJob).
        in_total: all that it ever gets (maxWorkersPerJobInTotal); 0 for no such limit.
        per_cycle: those that it gets in one cycle (maxWorkersPerJobPerCycle); 0 for no such limit.
    """

    at_once: int = 1
    in_total: int = 0
    per_cycle: int = 0

    def room(self, live: int, ever: int) -> int:
        """How many more a job may get now that has `live` ones and had `ever`, the live ones among them."""
        rooms = [self.at_once - live]
        if self.in_total:
            rooms.append(self.in_total - ever)
        if self.per_cycle:
            rooms.append(self.per_cycle)
        return max(min(rooms), 0)


@dataclass(frozen=True, slots=True)
class Tally:
    """How many workers a job has.

    Attributes:
        live: those that have not ended.
        ever: all that it has had; while it is open none of them is forgotten.
        at_once: how many live ones it may have; None before it got its first.
    """

    live: int
    ever: int
    at_once: int | None


@dataclass(frozen=True, slots=True)
class Sharing:
    """Jobs that may get a worker, or one more.

    Attributes:
        candidates: best first.
        rooms: how many workers each may get now, by its id.
        at_once: how many live ones each may have.
    """

    candidates: Sequence[Job]
    rooms: Mapping[int, int]
    at_once: Mapping[int, int]


def sharing(jobs: Sequence[Job], tallies: Mapping[int, Tally], spread: Spread) -> Sharing:
    """Which of the jobs may be shared by further workers; a job keeps the number of workers that it was begun with."""
    at_once = {job: tally.at_once or spread.at_once for job, tally in tallies.items()}
    rooms = {job: replace(spread, at_once=at_once[job]).room(tally.live, tally.ever) for job, tally in tallies.items()}
    best_first = sorted(jobs, key=lambda job: (-job.priority, job.task_id or 0, job.job_id))
    return Sharing([job for job in best_first if rooms.get(job.job_id)], rooms, at_once)


def group_jobs(
    rules: GroupRules, jobs: Sequence[Job], new_workers: int, rooms: Mapping[int, int] | None = None
) -> list[Group]:
    """At most one group per new worker, the groups of the best jobs first.

    NoJob makes empty groups (the worker fetches its own job). OneToMany repeats a job once for each worker that it may
    have. With every other map type a job is in one group at the most.

    Args:
        rules: how they come together.
        jobs: candidates, best first.
        new_workers: how many groups are wanted at the most.
        rooms: how many workers each job may get, by its id, with OneToMany.
    """
    match rules.map_type:
        case MapType.NO_JOB:
            return [()] * new_workers
        case MapType.ONE_TO_ONE:
            return [(job,) for job in jobs[:new_workers]]
        case MapType.ONE_TO_MANY:
            known = rooms or {}
            return list(islice(((job,) for job in jobs for _ in range(known.get(job.job_id, 0))), new_workers))
        case MapType.MANY_TO_ONE:
            return list(islice(_shared_workers(rules, jobs), new_workers))


def _shared_workers(rules: GroupRules, jobs: Sequence[Job]) -> Iterator[Group]:
    """Full groups; the rest of a task makes a smaller one as soon as another task begins, the last rest may wait."""
    group: list[Job] = []
    for job in jobs:
        if group and not rules.mixture and job.task_id != group[0].task_id:
            yield tuple(group)
            group = []
        group.append(job)
        if len(group) == rules.jobs_per_worker:
            yield tuple(group)
            group = []
    if group and not rules.rest_waits:
        yield tuple(group)


@dataclass(frozen=True, slots=True)
class Request:
    """A running worker that asks for jobs.

    Attributes:
        number: how many it can take.
        tasks: tasks of the jobs that it has; empty if it has none.
    """

    worker_id: int
    number: int
    tasks: frozenset[int | None] = frozenset()


def serve(
    rules: GroupRules, requests: Sequence[Request], jobs: Sequence[Job], rooms: Mapping[int, int] | None = None
) -> dict[int, Group]:
    """What each asking worker gets; those that get nothing are left out.

    A worker that runs already is given what there is, also fewer jobs than it asks for: its cores are waiting.

    Args:
        rules: how jobs come together.
        requests: who asks, the first to be served first.
        jobs: candidates, best first.
        rooms: how many workers each job may get, by its id, with OneToMany; one each with the other map types.
    """
    known = rooms or {}
    left = [each for job in jobs for each in repeat(job, known.get(job.job_id, 0) if rooms is not None else 1)]
    given: dict[int, list[Job]] = defaultdict(list)
    for request in requests:
        most = request.number if rules.map_type is MapType.MANY_TO_ONE else min(request.number, 1)
        chosen, left = _choose(request, most, left, mixture=rules.mixture)
        if chosen:
            given[request.worker_id] = chosen
    return {worker: tuple(some) for worker, some in given.items()}


def _choose(request: Request, most: int, jobs: Sequence[Job], *, mixture: bool) -> tuple[list[Job], list[Job]]:
    """The jobs for one worker, and those that are left."""
    tasks = set(request.tasks)
    chosen: dict[int, Job] = {}
    left: list[Job] = []
    for job in jobs:
        suits = mixture or not tasks or job.task_id in tasks
        if len(chosen) < most and suits and job.job_id not in chosen:
            chosen[job.job_id] = job
            tasks.add(job.task_id)
        else:
            left.append(job)
    return list(chosen.values()), left
