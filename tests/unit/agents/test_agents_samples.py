"""Points of hyper-parameter searches from iDDS to workers, their losses and checkpoints back."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import update
from test_agents_events import FeedingMessenger, feed_all, hear, say, states, worker_of
from test_agents_reporting import phase_of
from world import QUEUE, World

from harvester.agents.event_feeder import EventFeeder
from harvester.agents.job_fetcher import JobFetcher
from harvester.agents.preparator import PreparatorAgent
from harvester.agents.propagator import JobPropagator
from harvester.agents.sizer import Sizer
from harvester.agents.stager import StagerAgent
from harvester.agents.submitter import Submitter
from harvester.core.events import EventState
from harvester.core.files import FileKind, FileStatus
from harvester.core.samples import SamplePoint
from harvester.core.workers import WorkerStatus
from harvester.panda import Credentials, PandaUnavailable
from harvester.panda.checkpoints import Acquaintances, Checkpoints
from harvester.panda.devserver import DevControl, DevServer
from harvester.panda.idds import Idds
from harvester.plugins.api import News, ReportedEvent, ReportedFile
from harvester.plugins.data.checksums import read_content
from harvester.store import files, jobs
from harvester.store.schema import JobPhase
from harvester.store.schema import workers as worker_table

TASK = 41

Start = Callable[..., int]


@pytest.fixture
def searching(served: World, server: DevServer) -> Iterator[World]:
    """An instance that knows an iDDS server."""
    idds = Idds(server.origin, Credentials(), timeout=5)
    checkpoints = Checkpoints(Acquaintances(server.url, Credentials(), {}), timeout=5)
    served.instance = replace(served.instance, idds=idds, checkpoints=checkpoints)
    yield served
    idds.close()
    checkpoints.close()


@pytest.fixture
def messenger(searching: World, monkeypatch: pytest.MonkeyPatch) -> FeedingMessenger:
    feeding = FeedingMessenger(searching)
    monkeypatch.setattr(searching.pool, "messenger", lambda _: feeding)
    searching.messenger = feeding
    return feeding


@pytest.fixture
def start(
    searching: World, control: DevControl, server: DevServer, messenger: FeedingMessenger, tmp_path: Path
) -> Start:
    """Brings a job that tries points as far as a worker that the resource holds."""

    def run(*points: int, **more: object) -> int:
        assert messenger
        job = {"site": QUEUE, "taskID": TASK, "hp_points": list(points), "sourceURL": server.origin, "coreCount": 2}
        (job_id,) = control.add_jobs([{**job, **more}])  # type: ignore[dict-item]  # a test's own
        for agent in (JobFetcher, PreparatorAgent, Sizer, Submitter):
            searching.work(agent)
        move(searching, tmp_path / "access")
        return job_id

    return run


def move(world: World, place: Path) -> None:
    """The access points of all workers are this directory."""
    place.mkdir(exist_ok=True)
    with world.db.write() as connection:
        connection.execute(update(worker_table).values(access_point=str(place)))


def range_of(job_id: int, point: int) -> str:
    return f"{TASK}-{job_id}-1-{point}-1"


def given_to(messenger: FeedingMessenger, job_id: int) -> list[dict[str, object]]:
    return [dict(each) for feed in messenger.feeds.values() for each in feed.ranges.get(job_id, ())]


def value(world: World, job_id: int, point: int, loss: object, word: str = "finished") -> None:
    """The worker tells what a point was worth."""
    event = ReportedEvent(job_id, range_of(job_id, point), word, about={"loss": loss})  # type: ignore[dict-item]  # a worker's word
    hear(world, worker_of(world), News(events=[event]))


def write(world: World, job_id: int, name: str, content: bytes, **wrong: object) -> Path:
    """The worker writes a checkpoint and tells of it."""
    path = Path(world.worker(worker_of(world)).access_point, name)
    path.write_bytes(content)
    with path.open("rb") as file:
        summary = read_content(file)
    told = ReportedFile(job_id, name, FileKind.CHECKPOINT, str(path), summary.size, summary.adler32, "g", is_zip=False)
    hear(world, worker_of(world), News(files=[replace(told, **wrong)]))  # type: ignore[arg-type]  # a test's own
    return path


def checkpoint_status(world: World, job_id: int) -> FileStatus:
    with world.db.read() as connection:
        ((file,),) = files.of_jobs(connection, [job_id], [FileKind.CHECKPOINT]).values()
    return file.status


def stored(control: DevControl, point: int) -> bytes | None:
    return control.cached(f"hpo_cp_{TASK}_{point}")


def losses(control: DevControl) -> dict[object, object]:
    return {row["point_id"]: row["losses"] for row in control.points(TASK) if row["losses"]}


def told_of(control: DevControl, job_id: int) -> dict[str, object]:
    return {str(each["range_id"]): each["told"] for each in control.event_ranges(job_id) if each["told"]}


# ---- points ----------------------------------------------------------------------------------------------------------


@pytest.mark.shows("pandacon.iddsURL")
def test_a_worker_gets_points_as_idds_describes_them(searching: World, start: Start, messenger: FeedingMessenger):
    job_id = start(3, 4)
    feed_all(searching)
    assert given_to(messenger, job_id) == [
        {
            "eventRangeID": range_of(job_id, point),
            "hp_point": {"id": point, "parameters": {"x": point / 10}, "loss": None},
        }
        for point in (3, 4)
    ]


def test_without_idds_nothing_is_reserved(
    searching: World, start: Start, messenger: FeedingMessenger, control: DevControl
):
    searching.instance = replace(searching.instance, idds=None)
    job_id = start(3)
    feed_all(searching)
    assert messenger.calls == 0
    assert [each["times_given"] for each in control.event_ranges(job_id)] == [0]


def test_idds_is_asked_again_and_only_for_what_is_not_known(
    searching: World, start: Start, messenger: FeedingMessenger, control: DevControl, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("harvester.agents.sample_points._AT_ONCE", 1)
    job_id = start(3, 4)
    searching.work(EventFeeder)
    searching.work(EventFeeder)
    control.fault("http_500", "idds", count=1)
    feed_all(searching)
    assert messenger.calls == 0
    searching.clock.forward(seconds=11)
    feed_all(searching)
    assert len(messenger.given(job_id)) == 2
    assert [each["times_asked"] for each in control.points(TASK)] == [1, 1]


@pytest.mark.parametrize(("faults", "asked"), [(1, [0, 1, 1, 1, 1]), (3, [0, 0, 0, 0, 0])])
def test_one_point_that_idds_stumbles_over_holds_up_no_others(
    searching: World, start: Start, control: DevControl, faults: int, asked: list[int]
):
    start(1, 2, 3, 4, 5, coreCount=5)
    searching.work(EventFeeder)
    control.fault("http_500", "idds", count=faults)
    searching.work(EventFeeder)
    assert [each["times_asked"] for each in control.points(TASK)] == asked


def test_a_point_that_idds_does_not_know_has_failed(
    searching: World, start: Start, messenger: FeedingMessenger, control: DevControl
):
    foreign = {"eventRangeID": f"{TASK}-1-1-99-1"}
    job_id = start(3, event_ranges=[foreign, {"eventRangeID": "nonsense"}])
    feed_all(searching)
    assert messenger.given(job_id) == [range_of(job_id, 3)]
    searching.clock.forward(seconds=3)
    searching.work(JobPropagator)
    assert told_of(control, job_id) == {foreign["eventRangeID"]: ["failed"], "nonsense": ["failed"]}


def test_a_worker_of_which_all_points_have_failed_asks_for_others(
    searching: World, start: Start, messenger: FeedingMessenger
):
    job_id = start(event_ranges=[{"eventRangeID": f"{TASK}-1-1-99-1"}])
    feed_all(searching)
    assert messenger.calls == 0
    searching.clock.forward(seconds=11)
    feed_all(searching)
    assert list(messenger.feeds.values())[-1].ranges == {job_id: []}


def test_others_of_the_queue_do_not_wait_for_idds(searching: World, start: Start, control: DevControl):
    start(3)
    searching.work(EventFeeder)
    searching.clock.forward(seconds=61)
    control.add_jobs([{"site": QUEUE, "event_ranges": 2}])
    for agent in (JobFetcher, PreparatorAgent, Sizer, Submitter):
        searching.work(agent)
    assert {unit.about for unit in searching.claim(EventFeeder(searching.instance))} == {f"points of {QUEUE}", QUEUE}


# ---- losses ----------------------------------------------------------------------------------------------------------


def test_idds_is_told_a_loss_before_the_server_is_told_the_end(searching: World, start: Start, control: DevControl):
    job_id = start(3, 4)
    feed_all(searching)
    control.fault("http_500", "idds", count=1)
    value(searching, job_id, 3, 0.25)
    searching.work(JobPropagator)
    assert (losses(control), told_of(control, job_id)) == ({}, {})
    searching.clock.forward(seconds=9)
    searching.work(JobPropagator)
    assert losses(control) == {3: [0.25]}
    assert told_of(control, job_id) == {range_of(job_id, 3): ["finished"]}
    assert states(searching, job_id)[range_of(job_id, 3)] is EventState.DONE


@pytest.mark.parametrize(("faults", "known"), [(1, {2, 3, 4, 5}), (3, set())])
def test_one_loss_that_idds_stumbles_over_holds_up_no_others(
    searching: World, start: Start, control: DevControl, faults: int, known: set[int]
):
    job_id = start(1, 2, 3, 4, 5, coreCount=5)
    feed_all(searching)
    for point in (1, 2, 3, 4, 5):
        value(searching, job_id, point, 0.5)
    control.fault("http_500", "idds", count=faults)
    searching.work(JobPropagator)
    assert losses(control).keys() == known
    assert told_of(control, job_id).keys() == {range_of(job_id, point) for point in known}


def wait_until_the_server_is_well(world: World, job_id: int, control: DevControl) -> None:
    """The job has to be told until then, and is told after that."""
    world.work(StagerAgent)
    world.work(JobPropagator)
    assert phase_of(world, job_id) is JobPhase.REPORT
    control.clear_faults()
    world.clock.forward(seconds=9)
    world.work(JobPropagator)


def test_a_job_does_not_end_before_its_losses_are_told(searching: World, start: Start, control: DevControl):
    job_id = start(3)
    feed_all(searching)
    value(searching, job_id, 3, 1)
    control.fault("http_500", "idds")
    searching.work(JobPropagator)
    hear(searching, worker_of(searching), News(), WorkerStatus.FINISHED)
    wait_until_the_server_is_well(searching, job_id, control)
    assert phase_of(searching, job_id) is JobPhase.SWEEP
    assert losses(control) == {3: [1.0]}


@pytest.mark.parametrize("loss", ["small", 10**400, "nan"])
def test_what_is_no_loss_fails_its_point(searching: World, start: Start, control: DevControl, loss: object):
    job_id = start(3)
    feed_all(searching)
    value(searching, job_id, 3, loss)
    searching.work(JobPropagator)
    assert losses(control) == {}
    assert told_of(control, job_id) == {range_of(job_id, 3): ["failed"]}


def test_a_failed_point_has_no_loss(searching: World, start: Start, control: DevControl):
    job_id = start(3)
    feed_all(searching)
    value(searching, job_id, 3, 0.5, word="failed")
    searching.work(JobPropagator)
    assert losses(control) == {}
    assert told_of(control, job_id) == {range_of(job_id, 3): ["failed"]}


def test_jobs_that_search_for_nothing_do_not_wait_for_idds(searching: World, start: Start):
    start(3)
    searching.give_jobs(7)
    searching.clock.forward(hours=1)
    with searching.db.write() as connection:
        jobs.trigger_reports(connection, [7], searching.clock())
    assert {unit.about for unit in searching.claim(JobPropagator(searching.instance))} == {"jobs", "searches"}


# ---- checkpoints -----------------------------------------------------------------------------------------------------


def test_a_checkpoint_is_stored_each_time_that_it_is_written(searching: World, start: Start, control: DevControl):
    job_id = start(3)
    feed_all(searching)
    for content in (b"first", b"second"):
        write(searching, job_id, f"{TASK}_3", content)
        searching.work(JobPropagator)
        assert stored(control, 3) == content
        assert checkpoint_status(searching, job_id) is FileStatus.DONE


def test_the_next_worker_of_a_point_goes_on_with_its_checkpoint(
    searching: World, start: Start, messenger: FeedingMessenger
):
    first = start(3)
    feed_all(searching)
    write(searching, first, f"{TASK}_3", b"so far")
    searching.work(JobPropagator)
    second = start(3, 4)
    feed_all(searching)
    at_three, at_four = given_to(messenger, second)
    assert Path(str(at_three["checkpoint"])).read_bytes() == b"so far"
    assert "checkpoint" not in at_four


def test_a_checkpoint_that_cannot_be_had_keeps_nobody_from_working(
    searching: World, start: Start, messenger: FeedingMessenger, control: DevControl, tmp_path: Path
):
    first = start(3)
    feed_all(searching)
    write(searching, first, f"{TASK}_3", b"so far")
    searching.work(JobPropagator)
    second = start(3)
    control.fault("http_500", "cache")
    feed_all(searching)
    (given,) = given_to(messenger, second)
    assert "hp_point" in given
    assert "checkpoint" not in given
    assert [each.name for each in (tmp_path / "access").iterdir()] == [f"{TASK}_3"]


def test_a_checkpoint_is_removed_when_its_point_is_valued(searching: World, start: Start, control: DevControl):
    job_id = start(3)
    feed_all(searching)
    write(searching, job_id, f"{TASK}_3", b"so far")
    searching.work(JobPropagator)
    value(searching, job_id, 3, 0.5)
    searching.work(JobPropagator)
    assert stored(control, 3) is None


class Silent(Checkpoints):
    """A server that does not answer."""

    asked = 0

    def remove(self, source_url: str, point: SamplePoint) -> None:  # noqa: ARG002 (the server's signature)
        self.asked += 1
        raise PandaUnavailable(source_url, "no answer in time")


def test_losses_wait_for_a_silent_server_of_checkpoints_only_once(searching: World, start: Start, control: DevControl):
    job_id = start(3, 4, 5)
    feed_all(searching)
    silent = Silent()
    searching.instance = replace(searching.instance, checkpoints=silent)
    for point in (3, 4, 5):
        value(searching, job_id, point, 0.5)
    searching.work(JobPropagator)
    assert losses(control) == {3: [0.5], 4: [0.5], 5: [0.5]}
    assert silent.asked == 1


def test_a_checkpoint_of_a_valued_point_is_not_stored_any_more(searching: World, start: Start, control: DevControl):
    job_id = start(3)
    feed_all(searching)
    control.fault("http_500", "file_server/upload_hpo_checkpoint")
    write(searching, job_id, f"{TASK}_3", b"so far")
    searching.work(JobPropagator)
    assert checkpoint_status(searching, job_id) is FileStatus.RENEWED
    value(searching, job_id, 3, 0.5)
    searching.work(JobPropagator)
    control.clear_faults()
    assert checkpoint_status(searching, job_id) is FileStatus.DONE
    searching.clock.forward(hours=1)
    searching.work(JobPropagator)
    assert stored(control, 3) is None


def test_what_is_written_while_it_is_brought_away_is_brought_again(searching: World, start: Start, control: DevControl):
    job_id = start(3)
    feed_all(searching)
    write(searching, job_id, f"{TASK}_3", b"first")
    propagator = JobPropagator(searching.instance)
    (unit,) = searching.claim(propagator)
    result = propagator.act(unit)
    write(searching, job_id, f"{TASK}_3", b"second")
    searching.finish(propagator, unit, result)
    assert checkpoint_status(searching, job_id) is FileStatus.RENEWED
    searching.clock.forward(seconds=9)
    searching.work(JobPropagator)
    assert stored(control, 3) == b"second"


def test_a_job_ends_when_its_checkpoint_is_stored(searching: World, start: Start, control: DevControl):
    job_id = start(3)
    feed_all(searching)
    control.fault("http_500", "file_server/upload_hpo_checkpoint")
    write(searching, job_id, f"{TASK}_3", b"so far")
    hear(searching, worker_of(searching), News(), WorkerStatus.FAILED)
    wait_until_the_server_is_well(searching, job_id, control)
    assert (phase_of(searching, job_id), stored(control, 3)) == (JobPhase.SWEEP, b"so far")


def test_a_job_ends_when_its_checkpoint_is_given_up(
    searching: World, start: Start, control: DevControl, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("harvester.agents.checkpoint_uploads._MOST_ATTEMPTS", 3)
    job_id = start(3)
    feed_all(searching)
    control.fault("refuse", "file_server/upload_hpo_checkpoint")
    write(searching, job_id, f"{TASK}_3", b"so far")
    hear(searching, worker_of(searching), News(), WorkerStatus.FINISHED)
    searching.work(StagerAgent)
    for _ in range(3):
        searching.work(JobPropagator)
        searching.clock.forward(seconds=9)
    assert (phase_of(searching, job_id), checkpoint_status(searching, job_id)) == (JobPhase.SWEEP, FileStatus.FAILED)


@pytest.mark.parametrize(
    ("name", "job", "wrong"),
    [
        ("point", {}, {}),
        (f"{TASK + 1}_3", {}, {}),
        (f"{TASK}_3", {"sourceURL": "NULL"}, {}),
        (f"{TASK}_3", {}, {"size": 2**40}),
    ],
)
def test_what_can_never_be_stored_is_given_up_at_once(
    searching: World,
    start: Start,
    control: DevControl,
    *,
    name: str,
    job: dict[str, object],
    wrong: dict[str, object],
):
    job_id = start(3, **job)
    feed_all(searching)
    write(searching, job_id, name, b"so far", **wrong)
    searching.work(JobPropagator)
    assert (checkpoint_status(searching, job_id), stored(control, 3)) == (FileStatus.FAILED, None)


def test_only_what_the_worker_told_of_is_sent(searching: World, start: Start, control: DevControl, tmp_path: Path):
    job_id = start(3)
    feed_all(searching)
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    path = write(searching, job_id, f"{TASK}_3", b"so far")
    path.unlink()
    path.symlink_to(secret)
    searching.work(JobPropagator)
    path.unlink()
    path.write_bytes(b"changed")
    searching.clock.forward(seconds=9)
    searching.work(JobPropagator)
    assert (checkpoint_status(searching, job_id), stored(control, 3)) == (FileStatus.RENEWED, None)


def test_few_jobs_at_a_time_bring_checkpoints_away_and_the_others_are_reported_all_the_same(
    searching: World, start: Start, control: DevControl
):
    for point in range(3):
        job_id = start(point + 1)
        feed_all(searching)
        write(searching, job_id, f"{TASK}_{point + 1}", b"x")
    busy = frozenset({"checkpoints"})
    units = searching.claim(JobPropagator(searching.instance), busy)
    assert sorted((unit.about, len(unit.jobs)) for unit in units) == [("further checkpoints", 1), ("searches", 2)]
    for unit in units:
        searching.finish(JobPropagator(searching.instance), unit)
    searching.clock.forward(seconds=9)
    searching.work(JobPropagator)
    assert [stored(control, point) for point in (1, 2, 3)] == [b"x"] * 3


def test_one_unit_at_a_time_waits_for_idds(searching: World, start: Start):
    start(1)
    feed_all(searching)
    searching.give_jobs(7)
    searching.clock.forward(hours=1)
    units = searching.claim(JobPropagator(searching.instance), frozenset({"searches"}))
    assert [(unit.about, [job.job_id for job in unit.jobs]) for unit in units] == [("jobs", [7])]
    units = searching.claim(JobPropagator(searching.instance))
    assert [unit.about for unit in units] == ["searches"]


def test_checkpoints_of_other_jobs_stay_where_they_are(searching: World, start: Start, control: DevControl):
    job_id = start(hp_points=None, event_ranges=1, isHPO="NULL")
    write(searching, job_id, f"{TASK}_3", b"x")
    searching.work(JobPropagator)
    assert checkpoint_status(searching, job_id) is FileStatus.RENEWED
    assert control.points(TASK) == []


def test_killed_after_everything_was_told_it_is_told_once_more(searching: World, start: Start, control: DevControl):
    job_id = start(3)
    feed_all(searching)
    write(searching, job_id, f"{TASK}_3", b"so far")
    value(searching, job_id, 3, 0.5)
    propagator = JobPropagator(searching.instance)
    for unit in searching.claim(propagator):
        propagator.act(unit)
    searching.clock.forward(minutes=11)
    say(searching, job_id)
    searching.work(JobPropagator)
    assert losses(control) == {3: [0.5, 0.5]}
    assert stored(control, 3) is None
    assert checkpoint_status(searching, job_id) is FileStatus.DONE
