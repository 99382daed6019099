"""Whatever agents, crashes, kills and answers come in whatever order: no job is stranded, none is run twice.

One example plays `QUEUES`, two of each way in which jobs and workers meet, in one database: the order of the agents is
the same for all; what goes on when, and what befalls their jobs and workers, is each queue's own.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from interleaving import Interleaving
from sqlalchemy import delete, select
from world import World, client_of

from empty_databases import open_copy
from harvester.agents.base import Agent
from harvester.agents.feeder import Feeder
from harvester.agents.killer import Killer
from harvester.agents.monitor import Monitor
from harvester.agents.reconciler import Reconciler
from harvester.agents.settling import cancel_jobs
from harvester.agents.sizer import Sizer
from harvester.agents.stager import StagerAgent
from harvester.agents.submitter import Submitter
from harvester.core.jobs import Kill
from harvester.core.workers import FINAL_WORKER_STATUSES, LIVE_WORKER_STATUSES, MapType, WorkerStatus
from harvester.plugins.api import CheckOutcome, Gone, News, Refused, Seen, Unclear, Unknown
from harvester.store import workers
from harvester.store.schema import JobPhase, job_workers, metadata
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
WAYS = [(map_type, late) for map_type in MapType if map_type is not MapType.NO_JOB for late in (False, True)]
QUEUES = {f"Q{place}": WAYS[place % len(WAYS)] for place in range(2 * len(WAYS))}
EXAMPLES = 170
"""Of as many queues each: more than 2,000 cases."""
PART = 3
"""One queue in so many is met by each thing that happens."""


class Play(Interleaving):
    """Queues with two jobs each, and all that can befall them."""

    agents = AGENTS
    at_once = len(QUEUES) // PART

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.numbers = count(1)
        self.jobs: dict[str, list[int]] = defaultdict(list)
        for queue, (map_type, late) in QUEUES.items():
            keys = {"useJobLateBinding": late, "allowJobMixture": True, "workerMaker": MAKER}
            world.serve(queue, maxSubmissionAttempts=3, mapType=map_type, **keys)
            self._give(queue, 2)
        world.work(Sizer)

    def _give(self, queue: str, number: int = 1) -> None:
        fresh = [next(self.numbers) for _ in range(number)]
        self.jobs[queue] += fresh
        self.world.give_jobs(*fresh, queue=queue)

    def _met(self, n: int) -> list[tuple[int, str]]:
        """The queues that something befalls, each with a number of its own."""
        return [(n // PART + 7 * place, queue) for place, queue in enumerate(QUEUES) if (place + n) % PART == 0]

    def _some_workers(self, n: int) -> list[tuple[int, int]]:
        """A worker of each queue that something befalls."""
        with self.world.db.read() as connection:
            query = select(worker_table.c.queue, worker_table.c.worker_id).order_by(worker_table.c.worker_id)
            known: dict[str, list[int]] = defaultdict(list)
            for queue, worker in connection.execute(query):
                known[queue].append(worker)
        return [(each, known[queue][each % len(known[queue])]) for each, queue in self._met(n) if known[queue]]

    # ---- what can befall it ------------------------------------------------------------------------------------------

    def new_job(self, n: int) -> None:
        for _, queue in self._met(n):
            self._give(queue)

    def kill_worker(self, n: int) -> None:
        kills = {worker: Kill("unwanted") for _, worker in self._some_workers(n)}
        with self.world.db.write() as connection:
            workers.request_kill(connection, kills, self.world.clock(), "test")

    def cancel_job(self, n: int) -> None:
        numbers = [self.jobs[queue][each % len(self.jobs[queue])] for each, queue in self._met(n)]
        with self.world.db.write() as connection:
            served = workers.live_of_jobs(connection, numbers)
            cancel_jobs(connection, [each for each in numbers if each not in served], self.world.clock(), "test")

    def answer(self, n: int) -> None:
        for each, worker in self._some_workers(n):
            self.world.resource.states[worker] = ANSWERS[each % len(ANSWERS)]

    def ask(self, n: int) -> None:
        for each, worker in self._some_workers(n):
            self.world.messenger.news[worker] = News(jobs_wanted=1 + each % 3)

    def take(self, n: int) -> None:
        """Workers take up what they were given; nobody else may have it from then on."""
        messenger = self.world.messenger
        for _, worker in self._some_workers(n):
            if not self.world.worker(worker).status.is_final:
                messenger.taken[worker] |= messenger.jobs_given[worker]
                for job in messenger.jobs_given.pop(worker, ()):
                    messenger.news[worker] = News(attributes={job: {"jobStatus": "running"}})

    def end_alone(self, n: int) -> None:
        """Jobs end while their workers go on."""
        for _, worker in self._some_workers(n):
            for job in self.world.messenger.taken[worker]:
                self.world.messenger.news[worker] = News(attributes={job: {"jobStatus": "finished"}})

    def refuse(self, n: int) -> None:
        outcomes = (Refused("no"), Refused("never", permanent=True), Unclear("timeout"))
        for each, worker in self._some_workers(n):
            self.world.resource.outcomes[worker] = outcomes[each % 3]

    def hide(self, n: int) -> None:
        self.world.resource.complete = n % 2 == 0

    def forward(self, n: int) -> None:
        self.world.clock.forward(minutes=1 + n % 15)

    # ---- the end -----------------------------------------------------------------------------------------------------

    def bring_to_an_end(self) -> None:
        """All answers are good again, and every batch job ends sooner or later."""
        self.crash(0)
        resource = self.world.resource
        resource.complete = True
        resource.outcomes.clear()
        resource.states.clear()
        for _ in range(MANY_ROUNDS):
            self.fill_up()
            open_queues = self.open_queues()
            if not open_queues:
                return
            self.world.clock.forward(minutes=20)
            for agent in AGENTS:
                self.world.work(agent)
            self._let_workers_end()
        raise AssertionError(f"these do not come to an end: {[(each, QUEUES[each]) for each in open_queues]}")

    def _let_workers_end(self) -> None:
        """All take what they have and ask for more; one without a job waits as long as there are any."""
        with self.world.db.read() as connection:
            ids = connection.scalars(select(worker_table.c.worker_id)).all()
            held = workers.find(connection, ids)
            unended = select(job_table.c.queue).where(job_table.c.phase.in_((JobPhase.SUBMIT, JobPhase.WORK)))
            busy = set(connection.scalars(unended))
        messenger = self.world.messenger
        messenger.news = {each.worker.worker_id: News(jobs_wanted=2) for each in held}
        messenger.taken |= {each.worker.worker_id: set(each.worker.job_ids) for each in held}
        for each in held:
            waits = each.kill_error is None and not each.worker.job_ids and each.worker.queue in busy
            state = WorkerStatus.RUNNING if waits else WorkerStatus.FINISHED
            self.world.resource.states[each.worker.worker_id] = Seen(state)

    def fill_up(self) -> None:
        """A rest of jobs that makes no group would wait for ever."""
        with self.world.db.read() as connection:
            waiting = Counter(connection.scalars(select(job_table.c.queue).where(job_table.c.phase == JobPhase.SUBMIT)))
        for queue in waiting.keys() - self._queues_with_workers():
            if QUEUES[queue][0] is MapType.MANY_TO_ONE and waiting[queue] == 1:
                self._give(queue)

    def open_queues(self) -> set[str]:
        """Those in which something has not ended."""
        ended = (JobPhase.REPORT, JobPhase.SWEEP)
        with self.world.db.read() as connection:
            at_work = set(connection.scalars(select(job_table.c.queue).where(job_table.c.phase.not_in(ended))))
        return at_work | self._queues_with_workers()

    def _queues_with_workers(self) -> set[str]:
        with self.world.db.read() as connection:
            live = worker_table.c.status.not_in(FINAL_WORKER_STATUSES)
            return set(connection.scalars(select(worker_table.c.queue).where(live)))

    # ---- what must always hold ---------------------------------------------------------------------------------------

    def look(self) -> None:
        with self.world.db.read() as connection:
            live = worker_table.c.status.in_(LIVE_WORKER_STATUSES)
            of_jobs = select(job_workers.c.job_id).join(
                worker_table, worker_table.c.worker_id == job_workers.c.worker_id
            )
            served = Counter(connection.scalars(of_jobs.where(live)))
            working = set(connection.scalars(select(job_table.c.job_id).where(job_table.c.phase == JobPhase.WORK)))
            ended = select(worker_table.c.worker_id).where(~live, worker_table.c.kill_due.is_not(None))
            assert connection.scalars(ended).all() == [], "a worker that has ended is killed for ever"
        assert working <= served.keys(), "a job waits for a worker that it does not have"
        taken = Counter(job for some in self.world.messenger.taken.values() for job in some)
        alone = {
            job for queue, some in self.jobs.items() if QUEUES[queue][0] is not MapType.ONE_TO_MANY for job in some
        }
        assert all(served[job] <= 1 for job in alone), "a job has two live workers"
        assert all(taken[job] <= 1 for job in alone), "a job was taken up by two workers"


STEPS: Sequence[Callable[[Play, int], None]] = (
    *(Play.whole_round,) * 6,
    *(Play.ask, Play.take, Play.end_alone),
    *(Play.claim, Play.act, Play.commit, Play.kill_worker, Play.new_job, Play.forward) * 2,
    *(Play.crash, Play.take_for_dead, Play.cancel_job, Play.answer, Play.refuse, Play.hide),
)


@pytest.fixture(scope="module")
def world(template: Path) -> Iterator[World]:
    """One database for all examples, which begin with empty tables: to compile statements anew takes too long."""
    with TemporaryDirectory() as directory, client_of("http://127.0.0.1:1/api/v1") as panda:
        db = open_copy(template, Path(directory))
        yield World(Path(directory), db, panda)
        db.close()


@given(steps=st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 59)), min_size=10, max_size=40))
@settings(max_examples=EXAMPLES)
def test_no_order_of_events_strands_a_job(world: World, steps: list[tuple[Callable[[Play, int], None], int]]):
    with world.db.write() as connection:
        for table in metadata.sorted_tables:
            connection.execute(delete(table))
    played = Play(World(world.directory, world.db, world.panda))
    for step, number in steps:
        step(played, number)
        played.look()
    played.bring_to_an_end()
