"""The door for workers: `POST /entry` (plugins reference §5.3, docs/door.md).

A request is let in by its head, then read, then held against the worker that it names; only then anything is done. No
answer tells more than the caller may know, and none says where something is on our disks.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar, Final

import structlog
from falcon import HTTPInvalidHeader, HTTPMethodNotAllowed, Request, Response
from pydantic import JsonValue

from harvester.core.errors import HarvesterError
from harvester.core.workers import MapType
from harvester.plugins.messengers.door_files import NotNowError, OutOfReachError, Place
from harvester.store.engine import StoreUnavailableError
from harvester.web.callers import INVALID, Callers
from harvester.web.calls import METHODS, TEST, Call, Manner, Method, Refusal, read_call
from harvester.web.known_workers import KnownWorker, KnownWorkers
from harvester.web.news import News
from harvester.web.rates import Rate

log = structlog.get_logger(__name__)

LARGEST_BODY: Final = 4_100_000
"""Bytes: a report of the size that messengers read unless they are told otherwise, and what stands around it."""
_LARGEST_TEST: Final = 1000
_CALLS_PER_SECOND: Final = 20.0
_CALLS_AT_ONCE: Final = 60.0
_NOT_NOW: Final = "previous request is not yet processed"
_ENDS: Final = ("finished", "failed")
"""No set: what is looked up may be anything that JSON has."""
_TEXT: Final = "text/plain; charset=utf-8"
_JSON: Final = "application/json"
_LINES: Final[Mapping[int, str]] = {status: f"{status.value} {status.phrase}" for status in HTTPStatus}


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back to the worker."""

    body: bytes
    content_type: str = _TEXT
    status: HTTPStatus = HTTPStatus.OK


_OK: Final = Answer(b"OK")


class Door:
    """The resource behind `/entry`.

    Args:
        callers: who may come in.
        workers: those that the database knows.
        news: tells the agents.
        verbose: whether every request is logged.
        tick: seconds of a clock that never goes back.
    """

    admits: ClassVar[str] = "a worker, on its own behalf"

    def __init__(
        self,
        callers: Callers,
        workers: KnownWorkers,
        news: News,
        *,
        verbose: bool = False,
        tick: Callable[[], float] = time.monotonic,
    ) -> None:
        self._callers = callers
        self._workers = workers
        self._news = news
        self._verbose = verbose
        self._tick = tick
        self._rate = Rate(_CALLS_PER_SECOND, _CALLS_AT_ONCE, tick)

    def on_options(self, _request: Request, _response: Response) -> None:
        """Nothing but POST is served; the framework would answer for us."""
        raise HTTPMethodNotAllowed(["POST"])

    def on_post(self, request: Request, response: Response) -> None:
        """Serve one request."""
        began = self._tick()
        call: list[Call] = []
        try:
            answer = self._answer(request, call)
        except Refusal as refusal:
            answer = Answer(refusal.text.encode(), status=refusal.status)
        response.status = _LINES[answer.status]
        response.content_type = answer.content_type
        response.data = answer.body
        response.set_header("Cache-Control", "no-store")
        response.set_header("X-Content-Type-Options", "nosniff")
        if answer.status is HTTPStatus.TOO_MANY_REQUESTS:
            response.set_header("Retry-After", "1")
        if self._verbose:
            self._log(request, answer, call, self._tick() - began)

    def _answer(self, request: Request, told: list[Call]) -> Answer:
        subject = self._callers.admit(request)
        if subject is None and self._callers.must_show_token:
            return self._test(request)
        if subject is not None:
            self._require_patience(subject)
        body = _body(request, LARGEST_BODY)
        call = read_call(body)
        told.append(call)
        if subject is None:
            self._require_patience(call.worker_id)
        elif subject != call.worker_id:
            self._callers.complain(request, f"worker {subject} has spoken for worker {call.worker_id}")
            raise Refusal(HTTPStatus.FORBIDDEN, INVALID)
        known = self._find(call.worker_id)
        if known.has_ended:
            raise Refusal(HTTPStatus.FORBIDDEN, f"workerID={call.worker_id} has ended")
        return self._serve(call, known, len(body))

    def _require_patience(self, caller: int) -> None:
        if not self._rate.allows(caller):
            raise Refusal(HTTPStatus.TOO_MANY_REQUESTS, "too many requests")

    def _test(self, request: Request) -> Answer:
        """Without a token nobody learns more than that the door is open, and that a worker is not known."""
        forbidden = Refusal(HTTPStatus.FORBIDDEN, INVALID)
        if "HTTP_AUTHORIZATION" in request.env:
            raise forbidden
        try:
            call = read_call(_body(request, _LARGEST_TEST))
        except Refusal:
            raise forbidden from None
        if call.method != TEST:
            raise forbidden
        self._require_patience(-1)
        self._find(call.worker_id)
        raise forbidden

    def _find(self, worker_id: int, *, anew: bool = False) -> KnownWorker:
        try:
            known = self._workers.find(worker_id, anew=anew)
        except StoreUnavailableError as error:
            log.warning("a worker cannot be looked up", worker=worker_id, reason=str(error))
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "the database is not available now") from None
        except HarvesterError as error:
            log.warning("a worker cannot be served", worker=worker_id, reason=str(error))
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "the worker's queue cannot be served now") from None
        if known is None:
            raise Refusal(HTTPStatus.BAD_REQUEST, f"workerID={worker_id} not found in DB")
        return known

    # ---- what is done ------------------------------------------------------------------------------------------------

    def _serve(self, call: Call, known: KnownWorker, size: int) -> Answer:
        method = METHODS.get(call.method)
        if method is None:
            raise Refusal(HTTPStatus.NOT_IMPLEMENTED, "method not implemented")
        if known.place is None:
            raise Refusal(HTTPStatus.FORBIDDEN, "the workers of this queue do not talk HTTP")
        self._require_fitting(call, method, known, size)
        try:
            if method.manner is Manner.TAKE:
                return _taken(call, method, known.place)
            _write(call, method, known.place)
        except NotNowError:
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, _NOT_NOW) from None
        except OutOfReachError as error:
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from None
        if method.is_news or _tells_an_end(call):
            self._news.tell(known.worker.queue)
        return _OK

    def _require_fitting(self, call: Call, method: Method, known: KnownWorker, size: int) -> None:
        if not method.form.fits(call.data):
            raise Refusal(HTTPStatus.BAD_REQUEST, f"data of {call.method} has to be {method.form.value}")
        if method.manner is not Manner.TAKE and size > known.largest:
            raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {known.largest} bytes are not read")
        if call.method == "setPandaIDs" and known.worker.map_type is not MapType.NO_JOB:
            raise Refusal(HTTPStatus.BAD_REQUEST, "Harvester itself knows the jobs of this worker")
        if call.job_id is None:
            return
        if not method.of_job:
            raise Refusal(HTTPStatus.BAD_REQUEST, f"{call.method} is not about one job; leave pandaID out")
        if call.job_id not in known.worker.job_ids:
            known = self._find(call.worker_id, anew=True)  # it may have got the job a moment ago
        if call.job_id not in known.worker.job_ids:
            raise Refusal(HTTPStatus.BAD_REQUEST, f"pandaID={call.job_id} is not a job of workerID={call.worker_id}")

    def _log(self, request: Request, answer: Answer, calls: list[Call], seconds: float) -> None:
        about = {"method": calls[0].method[:40], "worker": calls[0].worker_id} if calls else {}
        address = request.env.get("REMOTE_ADDR", "")
        log.info("request", address=address, status=answer.status.value, milliseconds=round(seconds * 1000, 1), **about)


def _body(request: Request, largest: int) -> bytes:
    try:
        length = request.content_length
    except HTTPInvalidHeader:
        raise Refusal(HTTPStatus.BAD_REQUEST, "Content-Length is no number") from None
    if length is None:
        raise Refusal(HTTPStatus.LENGTH_REQUIRED, "send Content-Length")
    if length > largest:
        raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {largest} bytes are not read")
    try:
        body: bytes = request.bounded_stream.read(length)
    except OSError:
        raise Refusal(HTTPStatus.REQUEST_TIMEOUT, "the request did not come to its end") from None
    return body


def _write(call: Call, method: Method, place: Place) -> None:
    name = method.file(place.names)
    with place.spot(call.job_id) as spot:
        if method.manner is Manner.REPLACE:
            spot.put(name, call.data)
            return
        if method.opens is not None and not spot.has(name):
            _forget(method.opens(place.names), place)
        spot.put_once(name, call.data)


def _forget(name: str, place: Place) -> None:
    """Whoever asks for more has what it got before."""
    for job_id in (None, *_listed(place)):
        with suppress(OutOfReachError), place.spot(job_id) as spot:
            spot.forget_taken(name)


def _listed(place: Place) -> Sequence[int]:
    if not place.has_directories:
        return ()
    try:
        return place.listed_jobs()
    except NotNowError:
        return ()


def _taken(call: Call, method: Method, place: Place) -> Answer:
    name = method.file(place.names)
    if call.job_id is None and method.of_job and place.has_directories:
        return _of_all_jobs(place, name)
    with place.spot(call.job_id) as spot:
        content = spot.take(name)
    return Answer(content, _JSON if _json_of(content) is not None else _TEXT)


def _of_all_jobs(place: Place, name: str) -> Answer:
    """What lies in the directories of all jobs, as if it were one file."""
    contents: list[bytes] = []
    for job_id in place.listed_jobs():
        with suppress(NotNowError, OutOfReachError), place.spot(job_id) as spot:
            contents.append(spot.take(name))
    if not contents:
        raise NotNowError
    parts = [_json_of(each) for each in contents]
    if all(isinstance(each, dict) for each in parts):
        together = {key: value for each in parts if isinstance(each, dict) for key, value in each.items()}
        return Answer(json.dumps(together).encode(), _JSON)
    return Answer(b"\n".join(contents))


def _json_of(content: bytes) -> JsonValue:
    """The value of a file that Harvester wrote; None if it is not JSON."""
    try:
        value: JsonValue = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return value


def _tells_an_end(call: Call) -> bool:
    """Whether a job has ended by these attributes; while it runs, the monitor's own pace is enough."""
    if call.method != "updateJobs" or not isinstance(call.data, dict):
        return False
    about = [call.data, *call.data.values()]
    return any(isinstance(each, dict) and each.get("jobStatus") in _ENDS for each in about)
