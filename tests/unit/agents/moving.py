"""Plugins that move and pack what a test tells them, and short ways to files in the database."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import update
from world import QUEUE, World

from harvester.agents.monitor import Monitor
from harvester.agents.sizer import Sizer
from harvester.agents.submitter import Submitter
from harvester.core.files import File, FileKind, FileStatus
from harvester.core.jobs import Job, JobStatus, JobSubstatus
from harvester.core.workers import WorkerStatus
from harvester.plugins.api import (
    Done,
    Failed,
    FileOutcome,
    Later,
    Moved,
    Packed,
    Parcel,
    PluginContext,
    PluginSettings,
    Preparator,
    Seen,
    Stager,
    StartOutcome,
    Zipper,
)
from harvester.plugins.registry import Role
from harvester.store import files, jobs
from harvester.store.jobs import NewJob
from harvester.store.schema import JobPhase
from harvester.store.schema import jobs as job_table


class Told:
    """What was asked about, call by call, and what is answered by LFN."""

    def __init__(self) -> None:
        self.started: list[list[str]] = []
        self.looked: list[list[str]] = []
        self.seen: list[File] = []
        self.start: dict[str, StartOutcome] = {}
        self.look: dict[str, FileOutcome] = {}

    def trigger(self, some: Sequence[File]) -> Sequence[StartOutcome]:
        self.started.append([each.lfn for each in some])
        self.seen = list(some)
        return [self.start.get(each.lfn, Done()) for each in some]

    def check(self, some: Sequence[File]) -> Sequence[FileOutcome]:
        self.looked.append([each.lfn for each in some])
        return [self.look.get(each.lfn, Moved(f"/moved/{each.lfn}", each.size, each.checksum)) for each in some]


class ToldPreparator(Told, Preparator[PluginSettings]):
    def __init__(self, context: PluginContext) -> None:
        Told.__init__(self)
        Preparator.__init__(self, PluginSettings(), context)


class ToldStager(Told, Stager[PluginSettings]):
    def __init__(self, context: PluginContext) -> None:
        Told.__init__(self)
        Stager.__init__(self, PluginSettings(), context)


class ToldZipper(Zipper[PluginSettings]):
    """Answers by name of the packed file."""

    def __init__(self, context: PluginContext) -> None:
        super().__init__(PluginSettings(), context)
        self.begun: list[str] = []
        self.parcels: list[Parcel] = []
        self.answers: dict[str, Packed | Later | Failed] = {}

    def begin(self, parcels: Sequence[Parcel]) -> Sequence[Done | Later | Failed]:
        self.begun += [each.file.lfn for each in parcels]
        return [Done() for _ in parcels]

    def pack(self, parcels: Sequence[Parcel]) -> Sequence[Packed | Later | Failed]:
        self.parcels += parcels
        return [self.answers.get(each.file.lfn, Packed(f"/zips/{each.file.lfn}", 7, "ad:1")) for each in parcels]


class Traffic:
    """The plugins of a world, and its files."""

    def __init__(self, world: World) -> None:
        context = PluginContext("test", QUEUE, world.clock, world.directory)
        self.world = world
        self.preparator, self.auxiliary = ToldPreparator(context), ToldPreparator(context)
        self.stager, self.zipper = ToldStager(context), ToldZipper(context)
        self.plug(Role.PREPARATOR, self.preparator)
        self.plug(Role.AUX_PREPARATOR, self.auxiliary)
        self.plug(Role.STAGER, self.stager)
        self.plug(Role.ZIPPER, self.zipper)

    def plug(self, role: Role, plugin: Any) -> None:  # noqa: ANN401 (any plugin)
        self.world.pool._plugins = {**self.world.pool._plugins, role: plugin}

    def fetch(self, job_id: int, *inputs: File, queue: str = QUEUE, params: Mapping[str, Any] | None = None) -> None:
        """A job comes from the server, with these inputs."""
        with self.world.db.write() as connection:
            job = Job(job_id, queue, JobStatus.STARTING, JobSubstatus.FETCHED)
            jobs.insert_fetched(connection, [NewJob(job, dict(params or {}))], self.world.clock())
            files.insert_new(connection, inputs)

    def end(
        self, job_id: int, *outputs: File, params: Mapping[str, Any] | None = None, needed: int | None = None
    ) -> None:
        """A job has ended well, with these outputs."""
        self.fetch(job_id, *outputs, params=params)
        ended = {
            "phase": JobPhase.STAGE,
            "status": JobStatus.FINISHED,
            "substatus": JobSubstatus.TO_TRANSFER,
            "outputs_needed": needed,
        }
        with self.world.db.write() as connection:
            connection.execute(update(job_table).where(job_table.c.job_id == job_id).values(**ended))

    def files(self, job_id: int) -> dict[str, File]:
        with self.world.db.read() as connection:
            return {each.lfn: each for each in files.of_jobs(connection, [job_id], list(FileKind))[job_id]}

    def statuses(self, job_id: int) -> dict[str, FileStatus]:
        return {lfn: each.status for lfn, each in self.files(job_id).items()}

    def until(self, agent: type[Any], is_over: Callable[[], bool], rounds: int = 10) -> None:
        for _ in range(rounds):
            if is_over():
                return
            self.world.work(agent)
            self.world.clock.forward(seconds=6)
        assert is_over()


def an_input(job_id: int, lfn: str, **more: object) -> File:
    known = {"kind": FileKind.INPUT, "status": FileStatus.TO_PREPARE, **more}
    return File(file_id=0, job_id=job_id, lfn=lfn, **known)


def an_output(job_id: int, lfn: str, **more: object) -> File:
    known = {"kind": FileKind.OUTPUT, "status": FileStatus.DEFINED, "path": f"/outputs/{lfn}", **more}
    return File(file_id=0, job_id=job_id, lfn=lfn, **known)


def running_worker(world: World, job_id: int) -> int:
    """A worker that runs a job."""
    world.give_jobs(job_id)
    world.work(Sizer)
    world.work(Submitter)
    worker = world.workers()[-1].worker_id
    world.resource.states[worker] = Seen(WorkerStatus.RUNNING)
    world.clock.forward(minutes=10)
    world.work(Monitor)
    return worker
