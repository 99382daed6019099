"""Whatever agents, crashes, kills and answers come in whatever order: no job is stranded, none is run twice."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from world import QUEUE, World, client_of, open_copy

from harvester.agents.base import Agent, Unit
from harvester.agents.feeder import Feeder
from harvester.agents.killer import Killer
from harvester.agents.monitor import Monitor
from harvester.agents.reconciler import Reconciler
from harvester.agents.settling import cancel_jobs
from harvester.agents.sizer import Sizer
from harvester.agents.stager import StagerAgent
from harvester.agents.submitter import Submitter
from harvester.core.jobs import JobSubstatus, Kill
from harvester.core.workers import LIVE_WORKER_STATUSES, MapType, Worker, WorkerStatus
from harvester.plugins.api import CheckOutcome, Gone, News, Refused, Seen, Unclear, Unknown
from harvester.store import leases, workers
from harvester.store.schema import JobPhase, job_workers
from harvester.store.schema import jobs as job_table
from harvester.store.schema import workers as worker_table

AGENTS: Sequence[type[Agent[Any, Any]]] = (Sizer, Submitter, Reconciler, Feeder, Monitor, Killer, StagerAgent)
MAKER = {"plugin": "simple", "nJobsPerWorker": 2, "nWorkersPerJob": 2, "maxWorkersPerJobInTotal": 4}
ANSWERS: Sequence[CheckOutcome] = (
    Seen(WorkerStatus.RUNNING),
    Seen(WorkerStatus.FINISHED),
    Seen(WorkerStatus.FAILED),
    Seen(WorkerStatus.CANCELLED),
    Gone("not listed"),
    Unknown("no answer"),
)
MANY_ROUNDS = 25


class Play:
    """An instance of two processes that know nothing of each other, and all that can befall it."""

    def __init__(self, world: World, map_type: MapType, *, late: bool) -> None:
        self.world = world
        self.map_type = map_type
        keys = {"useJobLateBinding": late, "allowJobMixture": True, "workerMaker": MAKER}
        self.world.serve(QUEUE, maxSubmissionAttempts=3, mapType=map_type, **keys)
        self.claimed: list[tuple[Agent[Any, Any], Unit]] = []
        self.acted: list[tuple[Agent[Any, Any], Unit, Any]] = []
        for _ in range(2):
            self.new_job(0)
        self.world.work(Sizer)

    def _some_worker(self, n: int) -> int:
        known = self.world.workers()
        return known[n % len(known)].worker_id if known else 0

    def new_job(self, _: int) -> None:
        self.world.give_jobs(len(self.world.jobs()) + 1)

    def claim(self, n: int) -> None:
        agent = AGENTS[n % len(AGENTS)](self.world.instance)
        self.claimed += [(agent, unit) for unit in self.world.claim(agent)]

    def act(self, n: int) -> None:
        if self.claimed:
            agent, unit = self.claimed.pop(n % len(self.claimed))
            self.acted.append((agent, unit, agent.act(unit)))

    def commit(self, n: int) -> None:
        if self.acted:
            self.world.finish(*self.acted.pop(n % len(self.acted)))

    def whole_round(self, n: int) -> None:
        self.world.work(AGENTS[n % len(AGENTS)])

    def crash(self, _: int) -> None:
        self.claimed.clear()
        self.acted.clear()
        self.take_for_dead(0)

    def take_for_dead(self, _: int) -> None:
        """Others free the claims, and the process goes on nevertheless."""
        with self.world.db.write() as connection:
            leases.release_owner(connection, self.world.owner.owner_id, self.world.clock())

    def kill_worker(self, n: int) -> None:
        number = self._some_worker(n)
        with self.world.db.write() as connection:
            workers.request_kill(connection, {number: Kill("unwanted")}, self.world.clock(), "test")

    def cancel_job(self, n: int) -> None:
        number = 1 + n % len(self.world.jobs())
        with self.world.db.write() as connection:
            if number not in workers.live_of_jobs(connection, [number]):
                cancel_jobs(connection, [number], self.world.clock(), "test")

    def answer(self, n: int) -> None:
        self.world.resource.states[self._some_worker(n // len(ANSWERS))] = ANSWERS[n % len(ANSWERS)]

    def ask(self, n: int) -> None:
        self.world.messenger.news[self._some_worker(n)] = News(jobs_wanted=1 + n % 3)

    def take(self, n: int) -> None:
        """A worker takes up what it was given; nobody else may have it from then on."""
        messenger, worker = self.world.messenger, self._some_worker(n)
        if worker and not self.world.worker(worker).status.is_final:
            messenger.taken[worker] |= messenger.jobs_given[worker]
            for job in messenger.jobs_given.pop(worker, ()):
                messenger.news[worker] = News(attributes={job: {"jobStatus": "running"}})

    def end_alone(self, n: int) -> None:
        """A job ends while its worker goes on."""
        number = self._some_worker(n)
        for job in self.world.messenger.taken[number]:
            self.world.messenger.news[number] = News(attributes={job: {"jobStatus": "finished"}})

    def refuse(self, n: int) -> None:
        outcomes = (Refused("no"), Refused("never", permanent=True), Unclear("timeout"))
        self.world.resource.outcomes[self._some_worker(n // 3)] = outcomes[n % 3]

    def hide(self, n: int) -> None:
        self.world.resource.complete = n % 2 == 0

    def forward(self, n: int) -> None:
        self.world.clock.forward(minutes=1 + n % 15)

    def bring_to_an_end(self) -> None:
        """All answers are good again, and every batch job ends sooner or later."""
        self.crash(0)
        resource = self.world.resource
        resource.complete = True
        resource.outcomes.clear()
        resource.states.clear()
        for _ in range(MANY_ROUNDS):
            self.fill_up()
            if self.is_over():
                return
            self.world.clock.forward(minutes=20)
            for agent in AGENTS:
                self.world.work(agent)
            self.world.messenger.news = {each.worker_id: News(jobs_wanted=2) for each in self.world.workers()}
            self.world.messenger.taken |= {each.worker_id: set(each.job_ids) for each in self.world.workers()}
            resource.states = {each.worker_id: self._last_state(each) for each in self.world.workers()}
        raise AssertionError(f"it does not come to an end: {self.world.workers()} {self.world.jobs()}")

    def _last_state(self, worker: Worker) -> CheckOutcome:
        """A worker without a job waits for one as long as there are any, unless it is killed."""
        is_killed = self.world.held(worker.worker_id).kill_error is not None
        waits = not is_killed and not worker.job_ids and not all(job.status.is_final for job in self.world.jobs())
        return Seen(WorkerStatus.RUNNING if waits else WorkerStatus.FINISHED)

    def fill_up(self) -> None:
        """A rest of jobs that makes no group would wait for ever."""
        waiting = sum(job.substatus is JobSubstatus.PREPARED for job in self.world.jobs())
        served = any(not each.status.is_final for each in self.world.workers())
        if self.map_type is MapType.MANY_TO_ONE and waiting == 1 and not served:
            self.new_job(0)

    def is_over(self) -> bool:
        with self.world.db.read() as connection:
            phases = connection.scalars(select(job_table.c.phase)).all()
        ended = all(each.status.is_final for each in self.world.workers())
        return ended and set(phases) <= {JobPhase.REPORT, JobPhase.SWEEP}

    # ---- what must always hold -----------------------------------------------------------------------------------

    def look(self) -> None:
        with self.world.db.read() as connection:
            live = worker_table.c.status.in_(LIVE_WORKER_STATUSES)
            of_jobs = select(job_workers.c.job_id).join(
                worker_table, worker_table.c.worker_id == job_workers.c.worker_id
            )
            served = connection.scalars(of_jobs.where(live)).all()
            working = connection.scalars(select(job_table.c.job_id).where(job_table.c.phase == JobPhase.WORK)).all()
            ended = select(worker_table.c.worker_id).where(~live, worker_table.c.kill_due.is_not(None))
            twice = len(served) - len(set(served))
            assert self.map_type is MapType.ONE_TO_MANY or not twice, "a job has two live workers"
            taken = Counter(job for some in self.world.messenger.taken.values() for job in some)
            is_shared = self.map_type is MapType.ONE_TO_MANY
            assert is_shared or set(taken.values()) <= {1}, "a job was taken up by two workers"
            assert set(working) <= set(served), "a job waits for a worker that it does not have"
            assert connection.scalars(ended).all() == [], "a worker that has ended is killed for ever"


STEPS: Sequence[Callable[[Play, int], None]] = (
    *(Play.whole_round,) * 6,
    *(Play.ask, Play.take, Play.end_alone),
    *(Play.claim, Play.act, Play.commit, Play.kill_worker, Play.new_job, Play.forward) * 2,
    *(Play.crash, Play.take_for_dead, Play.cancel_job, Play.answer, Play.refuse, Play.hide),
)


@contextmanager
def play(template: Path, map_type: MapType, *, late: bool) -> Iterator[Play]:
    with TemporaryDirectory() as directory, client_of("http://127.0.0.1:1/api/v1") as panda:
        db = open_copy(template, Path(directory))
        yield Play(World(Path(directory), db, panda), map_type, late=late)
        db.close()


@pytest.mark.parametrize(
    ("map_type", "late"),
    [
        (MapType.ONE_TO_ONE, False),
        (MapType.MANY_TO_ONE, False),
        (MapType.ONE_TO_MANY, False),
        (MapType.ONE_TO_ONE, True),
        (MapType.MANY_TO_ONE, True),
        (MapType.ONE_TO_MANY, True),
    ],
)
@given(steps=st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 59)), min_size=10, max_size=40))
@settings(max_examples=40, deadline=None)
def test_no_order_of_events_strands_a_job(
    template: Path,
    map_type: MapType,
    late: bool,  # noqa: FBT001 (a parameter of the test)
    steps: list[tuple[Callable[[Play, int], None], int]],
):
    with play(template, map_type, late=late) as played:
        for step, number in steps:
            step(played, number)
            played.look()
        played.bring_to_an_end()
