"""The plugins through which the processes reach the simulated resource; all state is in the world."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar, Final

from harvester.core.files import File, FileKind
from harvester.core.workers import Worker, WorkerStatus
from harvester.plugins.api import (
    Assignment,
    CheckOutcome,
    Done,
    EventFeed,
    Failed,
    FileOutcome,
    Gone,
    Grade,
    Later,
    Messenger,
    Moved,
    News,
    PluginContext,
    PluginSettings,
    Preparator,
    Refused,
    Resource,
    Search,
    Seen,
    Stager,
    SubmitOutcome,
    Submitted,
    Unclear,
    Unknown,
)
from simulation_harness.batch import SETTLES
from simulation_harness.batch_jobs import BatchJob, Pair

if TYPE_CHECKING:
    from simulation_harness.world import World

_CURRENT: Final[list["World"]] = []
_GARBAGE: Final = ("a word", None, Seen("weird"), Submitted(""))  # type: ignore[arg-type]  # a bad plugin's answers


@contextmanager
def plugged_into(world: "World") -> Iterator[None]:
    """Plugins that are built now belong to this world."""
    _CURRENT.append(world)
    try:
        yield
    finally:
        _CURRENT.pop()


def current_world() -> "World":
    """The world that is being played."""
    return _CURRENT[-1]


class SimulatedResource(Resource[PluginSettings]):
    """The batch system, as a plugin sees it."""

    grade: ClassVar[Grade] = Grade.SEARCHABLE
    settle_seconds = SETTLES

    def __init__(self, settings: PluginSettings, context: PluginContext) -> None:
        super().__init__(settings, context)
        self._world = _CURRENT[-1]
        self.poll_seconds = self._world.plan.poll_seconds

    @property
    def endpoint(self) -> str:
        """There is one."""
        return "simulated"

    def submit(self, workers: Sequence[Worker]) -> Sequence[SubmitOutcome]:
        """Take them one after the other; the call may break off in the middle."""
        world, mood = self._world, self._world.batch.mood
        with world.unstoppable():
            world.takes_time("submit", mood.slow)
        if mood.closed > world.now:
            return [Refused("the queue is closed") for _ in workers]
        if mood.blind > world.now:
            return [Unclear("no connection") for _ in workers]
        outcomes = [self._submit(each) for each in workers]
        return world.answer("submit", outcomes, mood.absent_minded)

    def _submit(self, worker: Worker) -> SubmitOutcome:
        world = self._world
        if world.kernel.chance.random() < world.plan.refusing:
            return Refused("not today")
        job = world.batch.accept(worker.marker, worker.queue, world.points.jobs_of(worker.marker))
        if world.kernel.chance.random() < world.batch.mood.absent_minded:
            return Unclear("the answer was lost")
        return Submitted(job.batch_id)

    def find(self, workers: Sequence[Worker]) -> Search:
        """Search the listing; one that is not complete says so."""
        world, mood = self._world, self._world.batch.mood
        world.takes_time("find", mood.slow)
        if mood.blind > world.now:
            return Search({}, complete=False, reason="no connection")
        listed = world.batch.listing(each.marker for each in workers)
        is_patchy = mood.patchy > world.now
        found = {
            marker: Submitted(batch_id)
            for marker, batch_id in listed
            if not (is_patchy and world.kernel.chance.random() < 0.5)
        }
        return Search(found, complete=not is_patchy, reason="half of the pages are missing" if is_patchy else "")

    def check(self, workers: Sequence[Worker]) -> Sequence[CheckOutcome]:
        """Tell what the listing says, or what the system makes of it."""
        world, mood = self._world, self._world.batch.mood
        world.takes_time("check", mood.slow)
        if mood.blind > world.now:
            return [Unknown("no connection") for _ in workers]
        listed = world.batch.listing(each.marker for each in workers)
        outcomes = [self._check(listed.get((each.marker, each.batch_id or ""))) for each in workers]
        return world.answer("check", outcomes, mood.absent_minded)

    def _check(self, job: BatchJob | None) -> CheckOutcome:
        world, mood = self._world, self._world.batch.mood
        chance = world.kernel.chance
        if mood.patchy > world.now and chance.random() < 0.5:
            return Unknown("half of the pages are missing")
        if mood.garbled > world.now and chance.random() < 0.3:
            return chance.choice(_GARBAGE)  # type: ignore[return-value]  # that is the point
        if job is None:
            return Gone("it is not in the listing")
        status = job.status(world.now)
        if mood.lying > world.now and chance.random() < 0.5:
            lie = {WorkerStatus.RUNNING: WorkerStatus.SUBMITTED, WorkerStatus.SUBMITTED: WorkerStatus.SUBMITTED}
            status = lie.get(status, WorkerStatus.RUNNING if job.has_begun(world.now) else WorkerStatus.SUBMITTED)
        return Seen(status, native_status=status.value, exit_code=0 if status is WorkerStatus.FINISHED else None)

    def kill(self, workers: Sequence[Worker]) -> Sequence[Done | Later | Failed]:
        """End them."""
        world, mood = self._world, self._world.batch.mood
        world.takes_time("kill", mood.slow)
        if mood.blind > world.now:
            return [Later("no connection") for _ in workers]
        for each in workers:
            world.batch.kill(each.marker, each.batch_id)
        return world.answer("kill", [Done() for _ in workers], mood.absent_minded)

    def clean(self, workers: Sequence[Worker]) -> Sequence[Done | Later | Failed]:
        """Forget them."""
        world, mood = self._world, self._world.batch.mood
        world.takes_time("clean", mood.slow)
        if mood.blind > world.now:
            return [Later("no connection") for _ in workers]
        for each in workers:
            world.judge.note_cleaning(each.marker)
            world.batch.clean(each.marker)
        return world.answer("clean", [Done() for _ in workers], mood.absent_minded)


class SimulatedMessenger(Messenger[PluginSettings]):
    """Access points on a shared disk that the world keeps."""

    def __init__(self, settings: PluginSettings, context: PluginContext) -> None:
        super().__init__(settings, context)
        self._world = _CURRENT[-1]

    def access_point_template(self) -> str:
        """Nobody looks at it."""
        return "/access/${workerID}"

    def feed(self, assignments: Sequence[Assignment]) -> Sequence[Done | Later | Failed]:
        """Put the jobs there."""
        with self._world.unstoppable():
            self._world.takes_time("feed")
        for each in assignments:
            self._world.points.feed(each.worker.marker, _jobs_of(each))
        return [Done() for _ in assignments]

    def feed_running(self, assignments: Sequence[Assignment]) -> Sequence[Done | Later | Failed]:
        """Put further jobs there, for pilots that have asked for some."""
        world = self._world
        world.takes_time("feed running", world.batch.mood.slow)
        outcomes: list[Done | Later | Failed] = [
            world.points.feed_running(each.worker.marker, _jobs_of(each)) for each in assignments
        ]
        return world.answer("feed running", outcomes, world.batch.mood.absent_minded)

    def untaken(self, workers: Sequence[Worker]) -> Sequence[Collection[int]]:
        """Jobs that lie there yet."""
        self._world.takes_time("untaken")
        return [self._world.points.untaken(each.marker, each.job_ids) for each in workers]

    def feed_events(self, feeds: Sequence[EventFeed]) -> Sequence[Done | Later | Failed]:
        """Put event ranges there."""
        world = self._world
        world.takes_time("feed events", world.batch.mood.slow)
        outcomes: list[Done | Later | Failed] = [
            world.points.feed_ranges(each.worker.marker, each.delivery, _ranges_of(each)) for each in feeds
        ]
        return world.answer("feed events", outcomes, world.batch.mood.absent_minded)

    def collect(self, workers: Sequence[Worker]) -> Sequence[News]:
        """What the pilots have written since the last look that was acknowledged."""
        self._world.takes_time("collect")
        return [self._world.points.news_of(each.marker) for each in workers]

    def acknowledge(self, workers: Sequence[Worker]) -> None:
        """The news are safe."""
        for each in workers:
            self._world.points.acknowledge(each.marker)

    def finish(self, assignments: Sequence[Assignment]) -> Sequence[Done | Later | Failed]:
        """There is nothing to gather."""
        self._world.takes_time("finish")
        return [Done() for _ in assignments]

    def clean(self, workers: Sequence[Worker]) -> Sequence[Done | Later | Failed]:
        """Remove the access points."""
        self._world.takes_time("clean up")
        for each in workers:
            self._world.judge.note_cleaning(each.marker)
            self._world.points.remove(each.marker)
        return [Done() for _ in workers]


def _jobs_of(assignment: Assignment) -> list[Pair]:
    """The jobs that are to be put into an access point."""
    return [(job, int(str(params["attemptNr"]))) for job, params in assignment.job_params.items()]


def _ranges_of(feed: EventFeed) -> list[str]:
    return [str(each["eventRangeID"]) for some in feed.ranges.values() for each in some]


class _Carrier:
    """Files that take some looks to arrive; a few never do."""

    def __init__(self, settings: PluginSettings, context: PluginContext) -> None:
        super().__init__(settings, context)  # type: ignore[call-arg]  # the plugin comes after it
        self._world = _CURRENT[-1]

    def trigger(self, files: Sequence[File]) -> Sequence[Done | Later | Failed]:
        """Begin the transfers."""
        self._world.takes_time("trigger")
        outcomes: list[Done | Later | Failed] = [self._world.transfers.begin(each) for each in files]
        return self._world.answer("trigger", outcomes, self._world.batch.mood.absent_minded)

    def check(self, files: Sequence[File]) -> Sequence[FileOutcome]:
        """How they stand."""
        self._world.takes_time("transfers")
        return [self._world.transfers.stand(each) for each in files]


class SimulatedPreparator(_Carrier, Preparator[PluginSettings]):
    """Brings inputs."""


class SimulatedStager(_Carrier, Stager[PluginSettings]):
    """Takes outputs away."""


def moved(file: File) -> Moved:
    """A file that has arrived."""
    known = file.kind is not FileKind.INPUT
    return Moved(f"/storage/{file.lfn}", 10 if known else None, "ad:00000001" if known else None)
