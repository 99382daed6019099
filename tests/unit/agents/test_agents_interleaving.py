"""Whatever agents, crashes, kills and answers come in whatever order: no job is stranded, none is run twice."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from world import QUEUE, World, client_of, open_copy

from harvester.agents.base import Agent, Unit
from harvester.agents.killer import Killer
from harvester.agents.monitor import Monitor
from harvester.agents.reconciler import Reconciler
from harvester.agents.settling import cancel_jobs
from harvester.agents.sizer import Sizer
from harvester.agents.stager import StagerAgent
from harvester.agents.submitter import Submitter
from harvester.core.jobs import Kill
from harvester.core.workers import LIVE_WORKER_STATUSES, WorkerStatus
from harvester.plugins.api import CheckOutcome, Gone, Refused, Seen, Unclear, Unknown
from harvester.store import leases, workers
from harvester.store.schema import JobPhase, job_workers
from harvester.store.schema import jobs as job_table
from harvester.store.schema import workers as worker_table

AGENTS: Sequence[type[Agent[Any, Any]]] = (Sizer, Submitter, Reconciler, Monitor, Killer, StagerAgent)
ANSWERS: Sequence[CheckOutcome] = (
    Seen(WorkerStatus.RUNNING),
    Seen(WorkerStatus.FINISHED),
    Seen(WorkerStatus.FAILED),
    Seen(WorkerStatus.CANCELLED),
    Gone("not listed"),
    Unknown("no answer"),
)
MANY_ROUNDS = 15


class Play:
    """An instance of two processes that know nothing of each other, and all that can befall it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.world.serve(QUEUE, maxSubmissionAttempts=3)
        self.claimed: list[tuple[Agent[Any, Any], Unit]] = []
        self.acted: list[tuple[Agent[Any, Any], Unit, Any]] = []
        for _ in range(2):
            self.new_job(0)
        self.world.work(Sizer)

    def _some_worker(self, n: int) -> int:
        known = self.world.workers()
        return known[n % len(known)].worker_id

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
            if self.is_over():
                return
            self.world.clock.forward(minutes=20)
            for agent in AGENTS:
                self.world.work(agent)
            resource.states = {each.worker_id: Seen(WorkerStatus.FINISHED) for each in self.world.workers()}
        raise AssertionError(f"it does not come to an end: {self.world.workers()} {self.world.jobs()}")

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
            assert sorted(served) == sorted(set(served)), "a job has two live workers"
            assert set(working) <= set(served), "a job waits for a worker that it does not have"
            assert connection.scalars(ended).all() == [], "a worker that has ended is killed for ever"


STEPS: Sequence[Callable[[Play, int], None]] = (
    *(Play.whole_round,) * 6,
    *(Play.claim, Play.act, Play.commit, Play.kill_worker, Play.new_job, Play.forward) * 2,
    *(Play.crash, Play.take_for_dead, Play.cancel_job, Play.answer, Play.refuse, Play.hide),
)


@contextmanager
def play(template: Path) -> Iterator[Play]:
    with TemporaryDirectory() as directory, client_of("http://127.0.0.1:1/api/v1") as panda:
        db = open_copy(template, Path(directory))
        yield Play(World(Path(directory), db, panda))
        db.close()


@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 59)), min_size=10, max_size=40))
@settings(max_examples=80, deadline=None)
def test_no_order_of_events_strands_a_job(template: Path, steps: list[tuple[Callable[[Play, int], None], int]]):
    with play(template) as played:
        for step, number in steps:
            step(played, number)
            played.look()
        played.bring_to_an_end()
