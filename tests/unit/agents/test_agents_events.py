"""Event ranges from the server to workers, and their ends back to the server."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pytest
from sqlalchemy import select
from test_agents_reporting import phase_of
from world import QUEUE, FakeMessenger, World

from harvester.agents.base import Pace
from harvester.agents.event_feeder import EventFeeder
from harvester.agents.job_fetcher import JobFetcher
from harvester.agents.monitor import Monitor
from harvester.agents.preparator import PreparatorAgent
from harvester.agents.propagator import JobPropagator
from harvester.agents.sizer import Sizer
from harvester.agents.stager import StagerAgent
from harvester.agents.submitter import Submitter
from harvester.core.events import EventState
from harvester.core.files import FileKind
from harvester.core.jobs import JobStatus
from harvester.core.workers import WorkerStatus
from harvester.panda.devserver import DevControl
from harvester.panda.errors import PandaUnavailable
from harvester.panda.event_messages import EventJob
from harvester.plugins.api import Done, EventFeed, Failed, Later, News, RangesWanted, ReportedEvent, ReportedFile, Seen
from harvester.store.schema import JobPhase, event_requests
from harvester.store.schema import events as event_table


class FeedingMessenger(FakeMessenger):
    """Keeps what it was given, each delivery once, as a messenger has to."""

    def __init__(self, world: World) -> None:
        super().__init__(world.messenger.context)
        self.feeds: dict[tuple[int, int], EventFeed] = {}
        self.calls = 0
        self.answer: Done | Later | Failed = Done()

    def feed_events(self, feeds: Sequence[EventFeed]) -> Sequence[Done | Later | Failed]:
        self.calls += 1
        for each in feeds:
            if isinstance(self.answer, Done):
                key = (each.worker.worker_id, each.delivery)
                assert self.feeds.setdefault(key, each).ranges == each.ranges
        return [self.answer for _ in feeds]

    def given(self, job_id: int) -> list[str]:
        """The ids of all ranges that the worker of a job got, in order."""
        return [str(each["eventRangeID"]) for feed in self.feeds.values() for each in feed.ranges.get(job_id, ())]


@pytest.fixture
def feeding(served: World, monkeypatch: pytest.MonkeyPatch) -> FeedingMessenger:
    messenger = FeedingMessenger(served)
    monkeypatch.setattr(served.pool, "messenger", lambda _: messenger)
    served.messenger = messenger
    return messenger


@pytest.fixture
def start(served: World, control: DevControl, feeding: FeedingMessenger) -> Callable[..., int]:
    """Brings a divided job as far as a worker that the resource holds."""

    def run(ranges: int = 10, **more: object) -> int:
        assert feeding
        (job_id,) = control.add_jobs([{"site": QUEUE, "event_ranges": ranges, "coreCount": 2, **more}])  # type: ignore[dict-item]  # a test's own
        for agent in (JobFetcher, PreparatorAgent, Sizer, Submitter):
            served.work(agent)
        return job_id

    return run


def worker_of(world: World) -> int:
    return world.workers()[-1].worker_id


def say(world: World, job_id: int, *, wants: int = 0, token: str = "t", **words: str) -> None:
    """The worker's word, heard by the monitor."""
    worker = worker_of(world)
    reported = [ReportedEvent(job_id, name.replace("_", "-"), word) for name, word in words.items()]
    wanted = RangesWanted({job_id: wants}, token) if wants else None
    hear(world, worker, News(events=reported, ranges_wanted=wanted))


def hear(world: World, worker: int, news: News, status: WorkerStatus = WorkerStatus.RUNNING) -> None:
    world.resource.states[worker] = Seen(status)
    world.messenger.news[worker] = news
    world.clock.forward(seconds=301)
    world.work(Monitor)
    world.messenger.news.pop(worker)
    world.clock.forward(seconds=3)


def states(world: World, job_id: int) -> Mapping[str, EventState]:
    query = select(event_table.c.range_id, event_table.c.state).where(event_table.c.job_id == job_id)
    with world.db.read() as connection:
        return {row[0]: row[1] for row in connection.execute(query)}


def feed_all(world: World) -> None:
    while world.work(EventFeeder):
        continue


# ---- feeding ---------------------------------------------------------------------------------------------------------


@pytest.mark.shows("queue.initEventsMultipler")
def test_a_new_worker_gets_its_first_ranges_unasked(
    served: World, start: Callable[..., int], feeding: FeedingMessenger
):
    job_id = start()
    assert served.work(EventFeeder) == 1
    assert set(states(served, job_id).values()) == {EventState.ALLOTTED}
    assert feeding.calls == 0
    assert served.work(EventFeeder) == 1
    assert len(feeding.given(job_id)) == 8
    assert set(states(served, job_id).values()) == {EventState.GIVEN}
    assert served.work(EventFeeder) == 0


@pytest.mark.shows("queue.prefetchEvents")
def test_without_prefetch_a_worker_has_to_ask(served: World, start: Callable[..., int], feeding: FeedingMessenger):
    served.serve(QUEUE, prefetchEvents=False)
    job_id = start()
    feed_all(served)
    assert feeding.given(job_id) == []
    say(served, job_id, wants=3)
    feed_all(served)
    assert len(feeding.given(job_id)) == 3


def test_workers_ask_until_there_is_no_more(served: World, start: Callable[..., int], feeding: FeedingMessenger):
    job_id = start(10)
    feed_all(served)
    assert served.job(job_id).events_left is None
    say(served, job_id, wants=5, token="first")
    feed_all(served)
    assert len(set(feeding.given(job_id))) == len(feeding.given(job_id)) == 10
    assert served.job(job_id).events_left == 0
    say(served, job_id, wants=5, token="second")
    feed_all(served)
    assert list(feeding.feeds.values())[-1].ranges == {job_id: []}
    assert len(feeding.feeds) == 3


def test_a_request_seen_once_more_after_it_was_fulfilled_is_no_new_one(
    served: World, start: Callable[..., int], feeding: FeedingMessenger
):
    job_id = start(100)
    feed_all(served)
    say(served, job_id, wants=5)
    say(served, job_id, wants=5)
    feed_all(served)
    say(served, job_id, wants=5)
    feed_all(served)
    assert len(feeding.given(job_id)) == 8 + 5


@pytest.mark.shows("pandacon.getEventsChunkSize")
def test_many_ranges_are_asked_for_in_chunks(
    served: World, start: Callable[..., int], feeding: FeedingMessenger, control: DevControl
):
    served.configure(pandacon={"server_api_url_ssl": "http://127.0.0.1:1", "getEventsChunkSize": 3})
    job_id = start(20)
    feed_all(served)
    assert len(feeding.given(job_id)) == 8
    assert {each["times_given"] for each in control.event_ranges(job_id)} == {0, 1}


@pytest.mark.shows("queue.scatteredEvents")
@pytest.mark.parametrize("scattered", [True, False])
def test_ranges_of_many_files_are_asked_for_if_the_queue_says_so(
    served: World,
    start: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    scattered: bool,  # noqa: FBT001 (a table)
):
    served.serve(QUEUE, scatteredEvents=scattered)
    asked: list[bool] = []

    def acquire(*_: object, scattered: bool) -> Sequence[object]:
        asked.append(scattered)
        return []

    monkeypatch.setattr(served.panda, "acquire_event_ranges", acquire)
    start()
    served.work(EventFeeder)
    assert asked == [scattered]


@pytest.mark.shows(
    "eventfeeder.nThreads", "eventfeeder.maxWorkers", "eventfeeder.lockInterval", "eventfeeder.sleepTime"
)
def test_the_pace_is_configured(served: World, start: Callable[..., int]):
    section = {"nThreads": 2, "maxWorkers": 1, "lockInterval": 900, "sleepTime": 7}
    served.configure(eventfeeder=section)
    assert EventFeeder(served.instance).pace == Pace(7, 900, 2)
    start()
    start()
    (unit,) = served.claim(EventFeeder(served.instance))
    assert len(unit.asking) == 1


def test_killed_after_the_answer_was_stored_the_ranges_are_fed(
    served: World, start: Callable[..., int], feeding: FeedingMessenger
):
    job_id = start()
    served.work(EventFeeder)
    feeder = EventFeeder(served.instance)
    (unit,) = served.claim(feeder)
    feeder.act(unit)
    served.clock.forward(minutes=11)
    feed_all(served)
    assert feeding.calls == 2
    assert len(set(feeding.given(job_id))) == len(feeding.given(job_id)) == 8


def test_what_comes_back_after_the_claim_was_lost_changes_nothing(
    served: World, start: Callable[..., int], feeding: FeedingMessenger
):
    job_id = start()
    feeder = EventFeeder(served.instance)
    (stale,) = served.claim(feeder)
    served.clock.forward(minutes=11)
    served.work(EventFeeder)
    served.finish(feeder, stale)
    feed_all(served)
    assert len(feeding.given(job_id)) == 8


def test_a_worker_that_cannot_be_fed_now_is_fed_later(
    served: World, start: Callable[..., int], feeding: FeedingMessenger
):
    job_id = start()
    served.work(EventFeeder)
    feeding.answer = Later("the disk is full")
    assert served.work(EventFeeder) == 1
    assert served.work(EventFeeder) == 0
    feeding.answer = Done()
    served.clock.forward(seconds=11)
    feed_all(served)
    assert len(feeding.given(job_id)) == 8


def test_a_server_that_fails_is_asked_again(
    served: World, start: Callable[..., int], feeding: FeedingMessenger, control: DevControl
):
    job_id = start()
    control.fault("http_500", "event/acquire_event_ranges")
    assert served.work(EventFeeder) == 1
    assert states(served, job_id) == {}
    control.clear_faults()
    served.clock.forward(seconds=11)
    feed_all(served)
    assert len(feeding.given(job_id)) == 8


def test_what_a_slow_server_gave_is_stored_before_it_is_asked_for_more(
    served: World, start: Callable[..., int], feeding: FeedingMessenger, monkeypatch: pytest.MonkeyPatch
):
    ids = []
    for _ in range(3):
        ids.append(start(4))
        served.clock.forward(seconds=120)
    real = served.panda.acquire_event_ranges

    def slow(job: EventJob, size: int, *, scattered: bool = False) -> object:
        served.clock.forward(seconds=3)
        return real(job, size, scattered=scattered)

    monkeypatch.setattr(served.panda, "acquire_event_ranges", slow)
    served.instance = replace(served.instance, tick=lambda: served.clock().timestamp())
    served.work(EventFeeder)
    assert [len(states(served, each)) for each in ids] == [4, 4, 0]
    feed_all(served)
    assert [len(feeding.given(each)) for each in ids] == [4, 4, 4]


def test_what_was_given_before_the_server_failed_is_used(
    served: World, start: Callable[..., int], feeding: FeedingMessenger, control: DevControl
):
    served.configure(pandacon={"server_api_url_ssl": "http://127.0.0.1:1", "getEventsChunkSize": 3})
    job_id = start(20)
    real, calls = served.panda.acquire_event_ranges, iter(range(10))

    def failing(*args: object, **named: object) -> object:
        if next(calls) == 1:
            control.fault("http_500", "event/acquire_event_ranges", count=1)
        return real(*args, **named)  # type: ignore[arg-type]  # passed through

    served.panda.acquire_event_ranges = failing  # type: ignore[method-assign,assignment]  # the server's turn
    feed_all(served)
    assert len(feeding.given(job_id)) == 3
    assert served.job(job_id).events_left is None


def test_requests_of_workers_that_have_ended_are_dropped(
    served: World, start: Callable[..., int], feeding: FeedingMessenger
):
    job_id = start()
    hear(served, worker_of(served), News(), WorkerStatus.FAILED)
    feed_all(served)
    assert feeding.given(job_id) == []
    with served.db.read() as connection:
        assert connection.execute(select(event_requests)).all() == []


# ---- ends ------------------------------------------------------------------------------------------------------------


def finish_job(world: World, job_id: int, *files: ReportedFile, **words: str) -> None:
    reported = [
        ReportedEvent(job_id, name.replace("_", "-"), word, files[0].lfn if files else None)
        for name, word in words.items()
    ]
    news = News({job_id: {"jobStatus": "finished"}}, files, events=reported)
    hear(world, worker_of(world), news, WorkerStatus.FINISHED)


def told(control: DevControl, job_id: int) -> dict[str, object]:
    return {str(each["range_id"]): each["told"] for each in control.event_ranges(job_id) if each["told"]}


def test_each_end_is_told_once(
    served: World, start: Callable[..., int], feeding: FeedingMessenger, control: DevControl
):
    job_id = start(3)
    feed_all(served)
    first, second, third = feeding.given(job_id)
    say(served, job_id, **{first: "finished", second: "running"})
    served.work(JobPropagator)
    assert told(control, job_id) == {first: ["finished"]}
    say(served, job_id, **{first: "finished", second: "fatal", third: "failed"})
    served.work(JobPropagator)
    assert told(control, job_id) == {first: ["finished"], second: ["fatal"], third: ["failed"]}
    say(served, job_id, **{second: "finished"})
    served.clock.forward(hours=1)
    served.work(JobPropagator)
    assert told(control, job_id)[second] == ["fatal"]
    assert set(states(served, job_id).values()) == {EventState.DONE}


@pytest.mark.parametrize("kind", [FileKind.ZIP_OUTPUT, FileKind.ES_OUTPUT])
def test_an_event_ends_when_its_file_is_stored(
    served: World, start: Callable[..., int], feeding: FeedingMessenger, control: DevControl, kind: FileKind
):
    job_id = start(2)
    feed_all(served)
    first, second = feeding.given(job_id)
    file = ReportedFile(job_id, "all.zip", kind, "/a/all.zip", 7, "ad:0000000a", "G", is_zip=True)
    finish_job(served, job_id, file, **{first: "finished", second: "finished"})
    served.work(JobPropagator)
    assert told(control, job_id) == {}
    assert control.job(job_id)["status"] == "transferring"
    while phase_of(served, job_id) is JobPhase.STAGE:
        served.clock.forward(seconds=10)
        served.work(StagerAgent)
    served.work(JobPropagator)
    assert told(control, job_id) == {first: ["finished"], second: ["finished"]}
    assert {str(each["zip_file"]) for each in control.event_ranges(job_id)} == {
        str({"lfn": "all.zip", "fsize": 7, "adler32": "0000000a"})
    }
    assert phase_of(served, job_id) is JobPhase.SWEEP
    assert states(served, job_id) == {}


def test_a_job_does_not_end_before_the_server_knows_its_events(
    served: World, start: Callable[..., int], feeding: FeedingMessenger, control: DevControl
):
    job_id = start(1)
    feed_all(served)
    (only,) = feeding.given(job_id)
    finish_job(served, job_id, **{only: "finished"})
    served.clock.forward(seconds=10)
    served.work(StagerAgent)
    control.fault("http_500", "event/update_event_ranges")
    served.work(JobPropagator)
    assert control.job(job_id)["status"] == "transferring"
    assert phase_of(served, job_id) is JobPhase.REPORT
    control.clear_faults()
    served.clock.forward(seconds=10)
    served.work(JobPropagator)
    assert told(control, job_id) == {only: ["finished"]}
    assert phase_of(served, job_id) is JobPhase.SWEEP


def test_ranges_that_nobody_processed_hold_nothing_up(served: World, start: Callable[..., int], control: DevControl):
    job_id = start(5)
    feed_all(served)
    hear(served, worker_of(served), News(), WorkerStatus.FAILED)
    served.clock.forward(seconds=10)
    served.work(StagerAgent)
    served.work(JobPropagator)
    assert phase_of(served, job_id) is JobPhase.SWEEP
    assert told(control, job_id) == {}
    assert states(served, job_id) == {}


def test_a_waiting_job_without_any_range_left_is_killed(served: World, control: DevControl):
    (job_id,) = control.add_jobs([{"site": QUEUE, "event_ranges": 3}])
    served.work(JobFetcher)
    served.work(PreparatorAgent)
    served.clock.forward(seconds=5)
    served.work(JobPropagator)
    assert served.job(job_id).events_left == 3
    (job,) = [each for each in control.jobs() if each["job_id"] == job_id]
    assert job["status"] == "starting"
    assert len(served.panda.acquire_event_ranges(EventJob(job_id), 3)) == 3
    served.clock.forward(hours=1)
    served.work(JobPropagator)
    assert served.job(job_id).status is JobStatus.CANCELLED


def test_a_server_that_is_silent_about_ranges_does_not_hold_up_all_reports(
    served: World, control: DevControl, monkeypatch: pytest.MonkeyPatch
):
    asked: list[int] = []

    def silent(job: EventJob) -> int:
        asked.append(job.job_id)
        raise PandaUnavailable("event/get_available_event_range_count", "no answer in time")

    monkeypatch.setattr(served.panda, "available_event_ranges", silent)
    control.add_jobs([{"site": QUEUE, "event_ranges": 3} for _ in range(20)])
    for agent in (JobFetcher, PreparatorAgent):
        served.work(agent)
    served.clock.forward(seconds=5)
    served.work(JobPropagator)
    assert len(asked) == 3
    assert [job["sub_status"] for job in control.jobs()] == ["prepared"] * 20


def test_ordinary_jobs_know_nothing_of_events(served: World, control: DevControl, feeding: FeedingMessenger):
    control.add_jobs([{"site": QUEUE}])
    for agent in (JobFetcher, PreparatorAgent, Sizer, Submitter, EventFeeder):
        served.work(agent)
    (job,) = served.jobs()
    assert job.events is None
    say(served, job.job_id, wants=5, some_range="finished")
    feed_all(served)
    assert (states(served, job.job_id), feeding.calls) == ({}, 0)
