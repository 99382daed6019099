"""The PanDA server of the simulation: the development server's application, called in process, and what it heard."""

import heapq
import io
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event
from typing import TYPE_CHECKING, Any, Final

import httpx2
from pydantic import JsonValue

from harvester.panda import Credentials, PandaClient
from harvester.panda.devserver.access import Access
from harvester.panda.devserver.app import DROP, DevApp
from harvester.panda.devserver.faults import Faults
from harvester.panda.devserver.records import Job, Worker
from harvester.panda.devserver.state import State

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
        is_stored: whether it is in the database.
        is_lost: whether it will never be there.
    """

    job_id: int
    attempt: int
    was_known: bool = False
    is_stored: bool = False
    is_lost: bool = False


@dataclass(slots=True)
class Server:
    """See the module.

    Attributes:
        heard: what was ever reported of each job and attempt, in order.
        given: every attempt of a job that was given out.
        ends: every end that was heard, as its teller learnt that it was.
        away: until when nobody can reach it.
        slow: the share of calls that take long.
    """

    world: "World"
    state: State = field(init=False)
    faults: Faults = field(default_factory=Faults)
    heard: defaultdict[tuple[int, int], list[str]] = field(default_factory=lambda: defaultdict(list))
    given: list[News] = field(default_factory=list)
    ends: list[News] = field(default_factory=list)
    away: float = 0.0
    slow: float = 0.0
    _app: DevApp = field(init=False)
    _update: Callable[[Mapping[str, JsonValue], float], str] = field(init=False)

    def __post_init__(self) -> None:
        kernel = self.world.kernel
        self.state = State(lambda: datetime.fromtimestamp(kernel.now, UTC), None, _ADDER_DELAY)
        self._update, self.state.jobs.update = self.state.jobs.update, self._hear  # type: ignore[method-assign]
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

    def _activate(self, job: Job, now: float) -> None:
        job.attempt += 1
        job.params["attemptNr"] = job.attempt
        job.errors.clear()
        job.acquired = job.closing = job.command = job.batch_id = job.output_report = job.sub_status = None
        self.state.jobs.move(job, "activated", now, f"attempt {job.attempt}")
        self.state.jobs._enter(job)
        self.state.jobs._count(job, -1)

    def repeat_commands(self) -> None:
        """Give commands again that were given already."""
        for each in self.state.commands.all():
            if each.state == "retrieved":
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
        self.heard[key].append(status)
        if status in ENDS:
            self.ends.append(News(*key))
        return self._update(fields, now)

    def _note_given(self) -> None:
        known = {(each.job_id, each.attempt) for each in self.given}
        for job in self.jobs:
            if job.acquired is not None and (job.job_id, job.attempt) not in known:
                self.given.append(News(job.job_id, job.attempt, self._is_open(job.job_id)))

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
        world.takes_time("call", server.slow)
        if server.away > world.now:
            raise httpx2.ConnectError("no route to the server")
        given, ends = len(server.given), len(server.ends)
        try:
            response = server.call(request)
        except httpx2.HTTPError:
            for each in (*server.given[given:], *server.ends[ends:]):
                each.is_lost = True
            raise
        world.expect_to_be_stored([*server.given[given:], *server.ends[ends:]])
        world.takes_time("answer", server.slow)
        return response


def _drop() -> None:
    raise _DroppedError
