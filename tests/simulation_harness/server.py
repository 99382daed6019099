"""The PanDA server of the simulation: the development server's application, called in process, and what it heard."""

import heapq
import io
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event
from typing import TYPE_CHECKING, Any, Final

import httpx2
from pydantic import JsonValue

from harvester.panda import Credentials, PandaClient
from harvester.panda.devserver.access import Access
from harvester.panda.devserver.app import DROP, DevApp
from harvester.panda.devserver.events import EventRange
from harvester.panda.devserver.faults import Faults
from harvester.panda.devserver.records import Job, Worker
from harvester.panda.devserver.state import State
from simulation_harness.batch_jobs import Pair

if TYPE_CHECKING:
    from simulation_harness.process import Process
    from simulation_harness.world import World

INSTANCE: Final = "simulated"
_ADDER_DELAY: Final = 60.0
ENDS: Final = frozenset({"finished", "failed"})
_LOST_BY_SERVER: Final = frozenset({100, 102})


class _DroppedError(BaseException):
    """The server has cut the connection; the application must not take it for a crash of its own."""


@dataclass(slots=True)
class News:
    """Something that an answer told a process: that a job is its own now, or that its end was heard.

    Attributes:
        was_known: of a job that is given, whether Harvester did not know yet that an earlier attempt is over; then it
            need not take this one.
        ranges: event ranges that are given for its job.
        is_stored: whether it is in the database.
        is_lost: whether it will never be there.
    """

    job_id: int
    attempt: int
    moment: float
    teller: "Process"
    was_known: bool = False
    ranges: Sequence[str] = ()
    is_stored: bool = False
    is_lost: bool = False


@dataclass(frozen=True, slots=True)
class Word:
    """A status that the server was told of.

    Attributes:
        sent: when the call began, which may have been on its way for long.
        moment: when the server heard of it.
        teller: the process that told it.
    """

    status: str
    sent: float
    moment: float
    teller: "Process"


def statuses(words: Iterable[Word]) -> list[str]:
    """What was told, in order."""
    return [each.status for each in words]


@dataclass(slots=True)
class Server:
    """See the module.

    Attributes:
        heard: what was ever reported of each job and attempt, in order.
        heard_of_workers: likewise of each worker.
        given: every attempt of a job that was given out.
        ends: every end that was heard, as its teller learnt that it was.
        given_ranges: every answer with event ranges.
        fresh: what the present call tells.
        sent: when the present call began.
        away: until when nobody can reach it.
        slow: the share of calls that take long.
    """

    world: "World"
    state: State = field(init=False)
    faults: Faults = field(default_factory=Faults)
    heard: defaultdict[Pair, list[Word]] = field(default_factory=lambda: defaultdict(list))
    heard_of_workers: defaultdict[int, list[Word]] = field(default_factory=lambda: defaultdict(list))
    given: list[News] = field(default_factory=list)
    ends: list[News] = field(default_factory=list)
    given_ranges: list[News] = field(default_factory=list)
    fresh: list[News] = field(default_factory=list)
    sent: float = 0.0
    away: float = 0.0
    slow: float = 0.0
    _app: DevApp = field(init=False)
    _update: Callable[[Mapping[str, JsonValue], float], str] = field(init=False)
    _report: Callable[[str, Mapping[str, JsonValue], float], None] = field(init=False)
    _acquire_ranges: Callable[[int, int, float], list[EventRange]] = field(init=False)

    def __post_init__(self) -> None:
        kernel = self.world.kernel
        self.state = State(lambda: datetime.fromtimestamp(kernel.now, UTC), None, _ADDER_DELAY)
        self._update, self.state.jobs.update = self.state.jobs.update, self._hear  # type: ignore[method-assign]
        workers = self.state.workers
        self._report, workers.report = workers.report, self._hear_of_worker  # type: ignore[method-assign]
        events = self.state.events
        self._acquire_ranges, events.acquire = events.acquire, self._give_ranges  # type: ignore[method-assign]
        self._app = DevApp(self.state, Access(), self.faults, Event())

    def client(self, process: "Process") -> PandaClient:
        """The real client of a process."""
        return PandaClient(
            "http://server/api/v1", Credentials(), INSTANCE, timeout=60, retries=0, transport=_Line(self, process)
        )

    @property
    def jobs(self) -> list[Job]:
        """All jobs."""
        return list(self.state.jobs.all())

    @property
    def workers(self) -> list[Worker]:
        """All workers."""
        return self.state.workers.all()

    def settle(self) -> None:
        """Let it do what has become due."""
        with self.state.turn():
            pass

    def retry_lost(self) -> None:
        """Give what it took for lost out again, as another attempt."""
        with self.state.turn() as now:
            for job in self.jobs:
                code = job.errors.get("jobDispatcherErrorCode")
                if job.status == "failed" and code in _LOST_BY_SERVER:
                    self._activate(job, now)

    def give_up(self, job: Job) -> None:
        """Take a job for lost."""
        with self.state.turn() as now:
            job.changed = now - 24 * 3600
            heapq.heappush(self.state.jobs._deadlines, (0.0, job.job_id))
            self.state.jobs.settle(now)

    def has_given_up(self, pair: Pair) -> bool:
        """Whether it took an attempt of a job for lost."""
        job = next(each for each in self.jobs if each.job_id == pair[0])
        return job.attempt != pair[1] or job.errors.get("jobDispatcherErrorCode") in _LOST_BY_SERVER

    def _activate(self, job: Job, now: float) -> None:
        job.attempt += 1
        job.params["attemptNr"] = job.attempt
        job.errors.clear()
        for each in self.state.events.of_job(job.job_id):
            if each.status == "sent":
                each.status, each.acquired = "ready", None
        job.acquired = job.closing = job.command = job.batch_id = job.output_report = job.sub_status = None
        self.state.jobs.move(job, "activated", now, f"attempt {job.attempt}")
        self.state.jobs._enter(job)
        self.state.jobs._count(job, -1)

    def repeat_commands(self) -> None:
        """Give commands again that were given already and not acknowledged, if that is wanted."""
        for each in self.state.commands.all():
            if each.state == "retrieved" and each.ack_requested:
                each.state = "new"

    # ---- being called ------------------------------------------------------------------------------------------------

    def call(self, request: httpx2.Request) -> httpx2.Response:
        """Answer one request."""
        try:
            status, headers, body = self._ask(request)
        finally:
            self._note_given()
        return httpx2.Response(status, headers=headers, content=body)

    def _ask(self, request: httpx2.Request) -> tuple[int, list[tuple[str, str]], bytes]:
        told: list[Any] = []
        environ = {
            "REQUEST_METHOD": request.method,
            "wsgi.url_scheme": request.url.scheme,
            "HTTP_HOST": request.url.host,
            "PATH_INFO": request.url.path,
            "QUERY_STRING": request.url.query.decode(),
            "CONTENT_TYPE": request.headers.get("content-type", ""),
            "CONTENT_LENGTH": request.headers.get("content-length", "0"),
            "HTTP_ACCEPT": request.headers.get("accept", ""),
            "HTTP_CONTENT_ENCODING": request.headers.get("content-encoding", ""),
            "wsgi.input": io.BytesIO(request.read()),
            "wsgi.errors": io.StringIO(),
            DROP: _drop,
        }
        try:
            body = b"".join(self._app(environ, lambda line, headers: told.append((line, headers))))
        except _DroppedError:
            raise httpx2.RemoteProtocolError("the server closed the connection") from None
        line, headers = told[-1]
        return int(line.split()[0]), headers, body

    def _hear(self, fields: Mapping[str, JsonValue], now: float) -> str:
        """A report has come so far that the server acts on it."""
        key, status = (int(str(fields["job_id"])), int(str(fields["attempt_nr"]))), str(fields["job_status"])
        self.heard[key].append(Word(status, self.sent, now, self.world.machine.host))
        if status in ENDS:
            self._tell(self.ends, News(*key, now, self.world.machine.host))
        return self._update(fields, now)

    def _hear_of_worker(self, harvester_id: str, fields: Mapping[str, JsonValue], now: float) -> None:
        self._report(harvester_id, fields, now)
        word = Word(str(fields["status"]), self.sent, now, self.world.machine.host)
        self.heard_of_workers[int(str(fields["workerID"]))].append(word)

    def _give_ranges(self, job_id: int, number: int, now: float) -> list[EventRange]:
        some = self._acquire_ranges(job_id, number, now)
        job = self.state.jobs.get(job_id)
        if some and job is not None:
            ranges = [each.range_id for each in some]
            self._tell(self.given_ranges, News(job_id, job.attempt, now, self.world.machine.host, ranges=ranges))
        return some

    def _tell(self, kind: list[News], news: News) -> None:
        kind.append(news)
        self.fresh.append(news)

    def _note_given(self) -> None:
        known = {(each.job_id, each.attempt) for each in self.given}
        for job in self.jobs:
            if job.acquired is not None and (job.job_id, job.attempt) not in known:
                moment, teller = self.world.now, self.world.machine.host
                self._tell(self.given, News(job.job_id, job.attempt, moment, teller, self._is_open(job.job_id)))
                self.world.operators.note_fetching(job.site, job.job_id)

    def _is_open(self, job_id: int) -> bool:
        over = {each.attempt for each in self.ends if each.job_id == job_id and each.is_stored}
        return any(each.job_id == job_id and not each.is_lost and each.attempt not in over for each in self.given)


class _Line(httpx2.BaseTransport):
    """The network between one process and the server."""

    def __init__(self, server: Server, process: "Process") -> None:
        self._server = server
        self._process = process

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        server, world = self._server, self._server.world
        sent = world.now
        world.takes_time("call", server.slow)
        if server.away > world.now:
            raise httpx2.ConnectError("no route to the server")
        server.sent, server.fresh = sent, (fresh := [])
        try:
            response = server.call(request)
        except httpx2.HTTPError:
            for each in fresh:
                each.is_lost = True
            raise
        world.expect_to_be_stored(fresh)
        world.takes_time("answer", server.slow)
        return response


def _drop() -> None:
    raise _DroppedError
