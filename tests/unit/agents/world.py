"""One instance in a bottle: a real database and a development server, a resource and a messenger made of dictionaries.

`World.work(agent)` does what the runner does with an agent, once and in this thread.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import JsonValue
from sqlalchemy import update

from harvester.agents.base import Agent, Instance, Unit, Wakeups
from harvester.agents.facts import Facts
from harvester.agents.private_documents import PrivateDocuments
from harvester.agents.refusals import Refusals
from harvester.config.findings import Findings
from harvester.config.queue_builder import build_queue
from harvester.config.queue_merge import MergedQueue
from harvester.config.queues import QueueConfig
from harvester.config.service import Settings
from harvester.core.held import Held
from harvester.core.jobs import Job, JobStatus, JobSubstatus
from harvester.core.kinds import WorkerKind
from harvester.core.labels import pilot_type_of
from harvester.core.workers import Worker, WorkerStatus
from harvester.panda import Credentials, PandaClient
from harvester.plugins.api import (
    Assignment,
    CheckOutcome,
    Done,
    Failed,
    Grade,
    GroupToServe,
    Later,
    Messenger,
    News,
    Plugin,
    PluginContext,
    PluginSettings,
    Resource,
    Search,
    Seen,
    SubmitOutcome,
    Submitted,
    WorkerMaker,
    WorkerPlan,
)
from harvester.plugins.calling import PluginCalls
from harvester.plugins.data.dummy import DummyPreparator, DummyStager
from harvester.plugins.pool import PluginPool
from harvester.plugins.registry import Role
from harvester.store import cache, history, jobs, queues, worker_choice, workers
from harvester.store.cache import Attempt, CacheKey
from harvester.store.engine import Database
from harvester.store.jobs import NewJob
from harvester.store.leases import ClaimTicket, Owner, release_owner
from harvester.store.schema import JobPhase
from harvester.store.schema import jobs as job_table
from harvester.store.worker_choice import WorkerChoice
from moving_clock import NOW, MovingClock

QUEUE = "HERE"


class FakeResource(Resource[PluginSettings]):
    """Holds batch jobs in a dictionary; what it says can be set by worker."""

    grade = Grade.SEARCHABLE
    settle_seconds = 60.0
    endpoint = "fake"

    def __init__(self, context: PluginContext) -> None:
        super().__init__(PluginSettings(), context)
        self.holds: dict[str, str] = {}
        self.asked: list[list[int]] = []
        self.outcomes: dict[int, SubmitOutcome] = {}
        self.states: dict[int, CheckOutcome] = {}
        self.killed: list[tuple[int, str | None]] = []
        self.cleaned: list[int] = []
        self.clean_answer: Done | Later | Failed = Done()
        self.complete = True

    def submit(self, workers: Sequence[Worker]) -> Sequence[SubmitOutcome]:
        self.asked.append([each.worker_id for each in workers])
        return [self.outcomes.get(each.worker_id) or self._take(each) for each in workers]

    def _take(self, worker: Worker) -> Submitted:
        self.holds[worker.marker] = f"batch-{len(self.holds) + 1}"
        return Submitted(self.holds[worker.marker], log_urls={"stdOut": "/out"})

    def find(self, workers: Sequence[Worker]) -> Search:
        found = {each.marker: Submitted(self.holds[each.marker]) for each in workers if each.marker in self.holds}
        return Search(found, self.complete, "" if self.complete else "the controller does not answer")

    def check(self, workers: Sequence[Worker]) -> Sequence[CheckOutcome]:
        return [self.states.get(each.worker_id, Seen(WorkerStatus.SUBMITTED)) for each in workers]

    def kill(self, workers: Sequence[Worker]) -> Sequence[Done | Later | Failed]:
        self.killed += [(each.worker_id, each.batch_id) for each in workers]
        return [Done() for _ in workers]

    def clean(self, workers: Sequence[Worker]) -> Sequence[Done | Later | Failed]:
        self.cleaned += [each.worker_id for each in workers]
        return [self.clean_answer for _ in workers]


class FakeMessenger(Messenger[PluginSettings]):
    """Tells the news that a test has put in."""

    def __init__(self, context: PluginContext) -> None:
        super().__init__(PluginSettings(), context)
        self.news: dict[int, News] = {}
        self.fed: list[int] = []
        self.feed_answer: Done | Later | Failed = Done()
        self.finish_answer: Done | Later | Failed = Done()
        self.acknowledged: list[int] = []
        self.cleaned: list[int] = []
        self.jobs_given: dict[int, set[int]] = defaultdict(set)
        self.taken: dict[int, set[int]] = defaultdict(set)
        self.hidden: set[int] = set()
        self.give_answer: Done | Later | Failed = Done()

    def access_point_template(self) -> str:
        return "/access/${workerID}"

    def feed(self, assignments: Sequence[Assignment]) -> Sequence[Done | Later | Failed]:
        self.fed += [each.worker.worker_id for each in assignments]
        return [self.feed_answer for _ in assignments]

    def feed_running(self, assignments: Sequence[Assignment]) -> Sequence[Done | Later | Failed]:
        for each in assignments:
            if isinstance(self.give_answer, Done):
                self.jobs_given[each.worker.worker_id] |= each.job_params.keys()
                self.news.pop(each.worker.worker_id, None)
        return [self.give_answer for _ in assignments]

    def untaken(self, workers: Sequence[Worker]) -> Sequence[Collection[int] | Later]:
        return [self._untaken(each) for each in workers]

    def _untaken(self, worker: Worker) -> Collection[int] | Later:
        if worker.worker_id in self.hidden:
            return Later("its files cannot be read")
        return set(worker.job_ids) - self.taken[worker.worker_id]

    def collect(self, workers: Sequence[Worker]) -> Sequence[News]:
        return [self.news.get(each.worker_id, News()) for each in workers]

    def acknowledge(self, workers: Sequence[Worker]) -> None:
        self.acknowledged += [each.worker_id for each in workers]

    def finish(self, assignments: Sequence[Assignment]) -> Sequence[Done | Later | Failed]:
        return [self.finish_answer for _ in assignments]

    def clean(self, workers: Sequence[Worker]) -> Sequence[Done | Later | Failed]:
        self.cleaned += [each.worker_id for each in workers]
        return [Done() for _ in workers]


class FakeWorkerMaker(WorkerMaker[PluginSettings]):
    """Makes one kind of worker, or fails the jobs that a test names."""

    def __init__(self, context: PluginContext) -> None:
        super().__init__(PluginSettings(), context)
        self.fails: set[int] = set()
        self.ready: int | None = None

    def ready_resources(self) -> int | None:
        return self.ready

    def make(self, groups: Sequence[GroupToServe]) -> Sequence[WorkerPlan | Failed]:
        return [Failed("no worker is large enough") if self._fails(group) else _plan(group.kind) for group in groups]

    def _fails(self, group: GroupToServe) -> bool:
        return not self.fails.isdisjoint(job.job_id for job in group.jobs)


def _plan(kind: WorkerKind) -> WorkerPlan:
    pilot = pilot_type_of(kind.label)
    return WorkerPlan(cores=4, job_type=kind.job_type, resource_type=kind.resource_type, pilot_type=pilot)


class FakePool(PluginPool):
    """Gives the same plugins to all queues."""

    def __init__(self, queues: dict[str, QueueConfig], plugins: Mapping[Role, Plugin[Any]]) -> None:
        super().__init__(queues, lambda queue: PluginContext("test", queue, lambda: NOW, Path()))
        self.known = queues
        self._plugins = dict(plugins)

    def use(self, plugins: Mapping[Role, Plugin[Any]]) -> None:
        """Give these instead from now on."""
        self._plugins.update(plugins)

    @property
    def active(self) -> frozenset[str]:
        return frozenset(self.known)

    @property
    def served(self) -> Sequence[QueueConfig]:
        return list(self.known.values())

    def _get(self, _queue: str, role: Role, _block: object) -> Plugin[Any]:
        return self._plugins[role]


def settings_with(**sections: Mapping[str, object]) -> Settings:
    """The defaults, with some sections written by key."""
    panda = {"server_api_url_ssl": "http://127.0.0.1:1/api/v1"}
    return Settings.model_validate({"master": {"harvester_id": "test"}, "pandacon": panda, **sections})


@dataclass
class World:
    """An instance with one queue, and short ways to look into it and to push it on."""

    directory: Path
    db: Database
    panda: PandaClient
    clock: MovingClock = field(default_factory=MovingClock)
    settings: Settings = field(default_factory=settings_with)

    def __post_init__(self) -> None:
        context = PluginContext("test", QUEUE, self.clock, self.directory)
        self.resource = FakeResource(context)
        self.messenger = FakeMessenger(context)
        self.maker = FakeWorkerMaker(context)
        self.pool = FakePool({}, self._plugins(context))
        self.serve(QUEUE)
        self.owner = Owner(1)
        self.woken: list[str] = []
        self.wake = Wakeups()
        self.instance = Instance(
            self.settings,
            self.pool,
            self.db,
            self.panda,
            self.clock,
            self.wake,
            "host",
            Facts(self.db, self.clock, "test", PrivateDocuments(self.directory / "private")),
            PluginCalls(self._tick),
            Refusals(self._tick),
        )

    def _tick(self) -> float:
        return self.clock().timestamp()

    def _plugins(self, context: PluginContext) -> dict[Role, Plugin[Any]]:
        resource = dict.fromkeys((Role.SUBMITTER, Role.MONITOR, Role.SWEEPER), self.resource)
        return {
            **resource,
            Role.MESSENGER: self.messenger,
            Role.WORKER_MAKER: self.maker,
            Role.PREPARATOR: DummyPreparator(PluginSettings(), context),
            Role.STAGER: DummyStager(PluginSettings(), context),
        }

    def serve(self, name: str, **attributes: Any) -> None:  # noqa: ANN401 (any attribute of a queue)
        """Take a queue into service, or change it."""
        block = {"plugin": "dummy"}
        raw = {"maxWorkers": 100, "nQueueLimitWorker": 100, "nQueueLimitJob": 100, "submitter": block, **attributes}
        queue = build_queue(MergedQueue(name, raw), self.directory, Findings())
        assert queue is not None
        self.pool.known[name] = queue
        with self.db.write() as connection:
            queues.activate(connection, list(self.pool.known), self.clock())

    def give_jobs(self, *job_ids: int, queue: str = QUEUE, params: Mapping[str, JsonValue] | None = None) -> None:
        """Jobs that are prepared and wait for a worker."""
        new = [
            NewJob(Job(each, queue, JobStatus.STARTING, JobSubstatus.PREPARED), dict(params or {})) for each in job_ids
        ]
        with self.db.write() as connection:
            jobs.insert_fetched(connection, new, self.clock())
            mine = update(job_table).where(job_table.c.job_id.in_(job_ids))
            connection.execute(mine.values(phase=JobPhase.SUBMIT))

    def tell(self, main_key: str, document: JsonValue, sub_key: str = "") -> None:
        """A document from outside, as the cacher would have fetched it just now."""
        with self.db.write() as connection:
            cache.note(connection, [Attempt(CacheKey(main_key, sub_key), document)], self.clock())
        self.instance.facts.refresh()

    def configure(self, **sections: Mapping[str, object]) -> None:
        """Change settings of the instance."""
        self.settings = settings_with(**sections)
        self.instance = replace(self.instance, settings=self.settings)

    # ---- pushing on --------------------------------------------------------------------------------------------------

    def claim(self, agent: Agent[Any, Any], busy: frozenset[str] = frozenset()) -> list[Any]:
        """The agent's units, claimed under a fresh fence."""
        now = self.clock()
        ticket = ClaimTicket(self.owner.next_fence(), now, now + timedelta(minutes=10), busy)
        return list(self.db.transact(lambda connection: agent.claim(connection, ticket)))

    def finish(self, agent: Agent[Any, Any], unit: Unit, result: object = None) -> None:
        """Act, unless the result is given, and commit."""
        result = agent.act(unit) if result is None else result
        self.woken += self.db.transact(lambda connection: agent.commit(connection, unit, result))
        agent.after_commit(unit, result)

    def lose_claims(self) -> None:
        """Whoever claimed is taken for dead, and the claims are free."""
        with self.db.write() as connection:
            release_owner(connection, self.owner.owner_id, self.clock())

    def work(self, agent: type[Agent[Any, Any]]) -> int:
        """One look for work and all of it done; returns how many units there were."""
        able = agent(self.instance)
        units = self.claim(able)
        for unit in units:
            self.finish(able, unit)
        return len(units)

    # ---- looking in --------------------------------------------------------------------------------------------------

    def worker(self, worker_id: int) -> Worker:
        return self.held(worker_id).worker

    def held(self, worker_id: int) -> Held:
        with self.db.read() as connection:
            (held,) = workers.find(connection, [worker_id])
        return held

    def workers(self, queue: str = QUEUE) -> list[Worker]:
        with self.db.read() as connection:
            return worker_choice.listed(connection, WorkerChoice(queues=[queue]), 10_000)[::-1]

    def job(self, job_id: int) -> Job:
        with self.db.read() as connection:
            (job,) = jobs.find(connection, [job_id])
        return job

    def jobs(self) -> list[Job]:
        with self.db.read() as connection:
            return sorted(jobs.listed(connection, queue=None, status=None, limit=10_000), key=lambda job: job.job_id)

    def causes(self, kind: history.Kind, subject: int) -> list[str]:
        with self.db.read() as connection:
            return [each.cause for each in history.of(connection, kind, subject)]

    def note_of(self, agent: str, queue: str = QUEUE) -> Mapping[str, object]:
        with self.db.read() as connection:
            state = next(each for each in queues.states(connection) if each.name == queue)
        return next((each.note for each in state.notes if each.agent == agent), {})


def client_of(url: str) -> PandaClient:
    return PandaClient(url, Credentials(), "test", timeout=10, retries=0)
