"""One run from the first start to the verdict."""

import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from crashing.answers import Disturbances, unanswered
from crashing.judgement import Record
from crashing.pilots import Pilots
from crashing.processes import Starter
from crashing.torment import Torment
from crashing.workload import DIVIDED, INSTANCE, PARTS, RANGES_AT_ONCE, Workload
from databases import DatabaseServer, running_server_of, sqlite_section
from harvester.panda.devserver import DevControl
from harvester.panda.devserver.events import EventRange
from harvester.panda.devserver.records import FINAL_JOB_STATUSES, FINAL_WORKER_STATUSES, Job, Worker
from instance import Site, running_server

_JOBS: Final = TypeAdapter(list[Job])
_WORKERS: Final = TypeAdapter(list[Worker])
_RANGES: Final = TypeAdapter(list[EventRange])
_QUIET: Final = 3.0
_GLANCE: Final = 0.1
_LOOK: Final = 0.3
_IDLE: Final = 2.0
"""Seconds without a death after which there may be too little work for those who are to die at a point."""
_LONELY: Final = 10.0
"""Seconds without progress at the end after which a rest of jobs may wait for others."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done.

    Attributes:
        kills: how many SIGKILLs.
        workers: how many batch jobs at least.
        processes: how many processes of Harvester at the same time.
        points: at which a process has to die.
        patience: seconds without any progress after which the run is judged as it is.
        access_points: a directory in which the access points are made; beside the configuration by default.
        defect: a module that is imported into every process before Harvester runs.
    """

    engine: str
    seed: int
    kills: int
    workers: int
    processes: int
    points: Sequence[str]
    patience: float
    access_points: str | None = None
    defect: str | None = None


@dataclass(slots=True)
class Run:
    """See the module."""

    workload: Workload
    torment: Torment
    pilots: Pilots
    patience: float
    _fed: float = field(default=0.0)

    def go(self) -> Record:
        """Torment the instance, let it finish, and tell what came of it."""
        try:
            self.torment.run(self.feed)
            self.torment.stop()
            self._settle()
            self.torment.stop()
        finally:
            self.torment.kill_all()
        return self._record()

    def feed(self, share: float) -> None:
        """Give work in pace with the kills, and make an end of pulling when there were enough workers."""
        self.pilots.move()
        now = time.monotonic()
        if now - self._fed < (_LOOK if self.torment.idle < _IDLE else _IDLE):
            return
        self._fed = now
        self.workload.give(share)
        if self.torment.idle >= _IDLE:
            self.workload.give_more()
        if self.workload.pulling and self.workload.has_pulled_enough():
            self.torment.reconfigure(self._end_pulling)

    def _end_pulling(self) -> None:
        self.workload.pulling = False
        self.workload.configure()

    # ---- the end -----------------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Let the processes run undisturbed until everybody knows the end of everything, or nothing moves any more."""
        self.workload.give(1)
        self.workload.make_up(self._missing())
        self.torment.start()
        seen, moved = self._state(), time.monotonic()
        while time.monotonic() - moved < (_QUIET if self._is_over() else self.patience):
            self._wait()
            self.torment.replace_the_dead()
            if self._jobs_are_over():
                self.workload.make_up(self._missing())
            elif time.monotonic() - moved > _LONELY:
                self.workload.join(self._jobs())
            if self.workload.pulling and self.workload.has_pulled_enough():
                self.torment.stop()
                self._end_pulling()
                self.torment.start()
            if self._state() != seen:
                seen, moved = self._state(), time.monotonic()

    def _wait(self) -> None:
        until = time.monotonic() + _LOOK
        while time.monotonic() < until:
            self.pilots.move()
            time.sleep(_GLANCE)

    def _state(self) -> object:
        """Whatever changes as long as work goes on."""
        journal, control = self.workload.journal, self.workload.control
        return control.summary(), journal.counts(), journal.left(time.time())

    def _is_over(self) -> bool:
        return (
            not self.workload.pulling
            and self.workload.journal.left(time.time()) == 0
            and self._statuses("workers") <= FINAL_WORKER_STATUSES
            and self._jobs_are_over()
            and not self._missing() - self.workload.made_up
        )

    def _jobs_are_over(self) -> bool:
        """Whether none is left but those of which nobody may know."""
        return self._statuses("jobs") <= FINAL_JOB_STATUSES | {"sent"}

    def _statuses(self, kind: str) -> frozenset[str]:
        counts = self.workload.control.summary()[kind]
        assert isinstance(counts, dict)
        return frozenset(counts)

    def _missing(self) -> Counter[str]:
        """How many jobs were in lost answers, by queue; too many as long as work goes on."""
        if "sent" not in self._statuses("jobs"):
            return Counter()
        jobs = {job.job_id: job for job in self._jobs()}
        return Counter(jobs[job_id].site for job_id in unanswered(jobs.values(), self._disturbances()))

    def _disturbances(self) -> Disturbances:
        return Disturbances(self.torment.deaths, self.torment.outages)

    def _jobs(self) -> list[Job]:
        return _JOBS.validate_python(list(self.workload.control.jobs()))

    def _record(self) -> Record:
        control, jobs = self.workload.control, self._jobs()
        return Record(
            jobs,
            _WORKERS.validate_python(control.workers()),
            self.workload.journal.all(),
            dict.fromkeys(PARTS, self.workload.at_once),
            self.torment.deaths,
            self.torment.outages,
            INSTANCE,
            {
                job.job_id: _RANGES.validate_python(control.event_ranges(job.job_id))
                for job in jobs
                if job.site in DIVIDED
            },
            RANGES_AT_ONCE,
        )


@contextmanager
def prepared(plan: Plan) -> Iterator[Run]:
    """A run with everything it needs; all of it is gone afterwards."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="harvester-crash-")))
        access = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="access-", dir=plan.access_points or folder))
        )
        url = stack.enter_context(running_server(folder))
        control = stack.enter_context(DevControl(url))
        database = None if plan.engine == "sqlite" else stack.enter_context(running_server_of(plan.engine))
        site = Site(folder, access, url, database.section if database else sqlite_section(folder))
        workload = Workload(site, control, folder / "batch.db", plan.seed, plan.workers)
        starter = Starter(workload.configure(), folder / "harvester.log", plan.defect)
        yield Run(workload, _torment(plan, starter, database), Pilots(workload.journal, plan.seed), plan.patience)


def _torment(plan: Plan, starter: Starter, database: DatabaseServer | None) -> Torment:
    chance = random.Random(plan.seed)  # noqa: S311 - nobody's secret
    return Torment(starter, database, plan.points, plan.kills, plan.processes, chance)
