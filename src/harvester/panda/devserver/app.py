"""The WSGI application: bytes in, bytes out, with the real server's oddities in between."""

import gzip
import json
import traceback
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from threading import Event
from typing import Any
from urllib.parse import parse_qs

from pydantic import JsonValue

# the handlers enter themselves into the table of methods
from harvester.panda.devserver import (  # noqa: F401
    cred_calls,
    event_calls,
    file_calls,
    harvester_calls,
    pilot_calls,
    server_calls,
)
from harvester.panda.devserver.access import Access
from harvester.panda.devserver.answers import Answer, HttpFailure, crashed, forbidden, refused
from harvester.panda.devserver.door import Door
from harvester.panda.devserver.faults import Fault, FaultKind, Faults
from harvester.panda.devserver.files import CACHE
from harvester.panda.devserver.forms import files_of
from harvester.panda.devserver.idds import IDDS, idds
from harvester.panda.devserver.methods import METHODS, Call, Method
from harvester.panda.devserver.parameters import ArgumentProblem
from harvester.panda.devserver.state import State

DROP = "harvester.drop"
"""Key of the environment: a function that cuts the connection."""
_JSON = "application/json"
_LONGEST_URL = 8190
_LARGEST_BODY = 256 * 2**20
_DEV, _API = "/dev/", "/api/v1/"

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], object]


@dataclass(frozen=True, slots=True)
class DevApp:
    """Serves `/api/v1/` and `/cache/` as PanDA does, `/idds/` as iDDS does, and `/dev/` as itself.

    Attributes:
        stopping: set when the server ends, so that a hanging call ends with it.
    """

    state: State
    access: Access
    faults: Faults
    stopping: Event

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        try:
            return self._answer(environ, start_response)
        except HttpFailure as failure:
            return _fail(failure, environ, start_response)
        except Exception as error:  # noqa: BLE001 (the loop's edge: a real server tells a crash to its caller and lives on)
            traceback.print_exc(file=environ["wsgi.errors"])
            return _fail(crashed(error), environ, start_response)

    def _answer(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        _check_framing(environ)
        if environ["PATH_INFO"].startswith(_DEV):
            return _send(start_response, HTTPStatus.OK, _json(self._dev(environ)), _JSON)
        if environ["PATH_INFO"].startswith((CACHE, IDDS)):
            return self._neighbour(environ, start_response)
        return self._api(environ, start_response)

    def _neighbour(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer for what stands beside the API; a fault happens before that acts, or cuts its answer."""
        path = environ["PATH_INFO"]
        fault = self.faults.take(path.split("/")[1])
        if fault is not None:
            self._before(fault, environ)
        is_file = path.startswith(CACHE)
        body = self._cached(path) if is_file else _json(idds(self.state, environ["REQUEST_METHOD"], path))
        if fault is not None and fault.kind is FaultKind.HALF_BODY:
            return _half(start_response, body, environ[DROP])
        if fault is not None and fault.kind is FaultKind.DROP_AFTER:
            environ[DROP]()
        return _send(start_response, HTTPStatus.OK, body, "text/plain" if is_file else _JSON)

    def _cached(self, path: str) -> bytes:
        with self.state.turn():
            content = self.state.files.get(path.removeprefix(CACHE))
        if content is None:
            raise HttpFailure("404 Not Found", "Not Found", html=True)
        return content

    def _dev(self, environ: Environ) -> JsonValue:
        verb = environ["REQUEST_METHOD"]
        if verb == "POST" and environ.get("CONTENT_TYPE") != _JSON:
            raise HttpFailure("415 Unsupported Media Type", f"send JSON with the header 'Content-Type: {_JSON}'")
        arguments: Mapping[str, JsonValue] = _json_body(environ) if verb == "POST" else _single(_query(environ))
        return Door(self.state, self.faults).answer(verb, environ["PATH_INFO"].removeprefix(_DEV), arguments)

    def _api(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        name = environ["PATH_INFO"].removeprefix(_API)
        method = METHODS.get(name)
        if method is None or not environ["PATH_INFO"].startswith(_API):
            raise forbidden(f"method {name.rpartition('/')[2]} is forbidden")
        fault = self.faults.take(name)
        if fault is not None:
            self._before(fault, environ)
        answer = self._call(method, environ, fault)
        if fault is not None and fault.kind is FaultKind.SHORT_LIST and isinstance(answer.data, list):
            answer = Answer(answer.success, answer.message, answer.data[:-1])
        body = _encode(answer, environ)
        if fault is not None and fault.kind is FaultKind.HALF_BODY:
            return _half(start_response, body, environ[DROP])
        if fault is not None and fault.kind is FaultKind.DROP_AFTER:
            environ[DROP]()
        return _send(start_response, HTTPStatus.OK, body, "text/plain")

    def _before(self, fault: Fault, environ: Environ) -> None:
        """Do what a fault does to a call before it acts."""
        if fault.seconds:
            self.stopping.wait(fault.seconds)
        match fault.kind:
            case FaultKind.HTTP_500:
                raise crashed("a fault was ordered")
            case FaultKind.HTML:
                raise HttpFailure("503 Service Unavailable", "Service Unavailable", html=True)
            case FaultKind.HANG:
                environ[DROP]()
                raise HttpFailure("503 Service Unavailable", "nobody hears this")

    def _call(self, method: Method, environ: Environ, fault: Fault | None) -> Answer:
        caller = self.access.identify(environ)
        verb = environ["REQUEST_METHOD"]
        raw = _query(environ) if verb == "GET" else _body(environ)
        try:
            bound = method.bind(caller, verb, raw)
        except ArgumentProblem as problem:
            return refused(str(problem))
        if fault is not None and fault.kind is FaultKind.REFUSE:
            return refused("a fault was ordered")
        if fault is not None and fault.kind is FaultKind.DB_DOWN:
            return method.without_database(bound)
        with self.state.turn() as now:
            origin = f"{environ['wsgi.url_scheme']}://{environ['HTTP_HOST']}"
            return method.run(Call(self.state, caller, now, origin), bound)


def _check_framing(environ: Environ) -> None:
    """Refuse what the web server in front refuses, with its HTML."""
    if "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
        raise HttpFailure("411 Length Required", "Length Required", html=True)
    if len(environ["PATH_INFO"]) + len(environ.get("QUERY_STRING", "")) > _LONGEST_URL:
        raise HttpFailure("414 Request-URI Too Long", "Request-URI Too Long", html=True)


def _read(environ: Environ) -> bytes:
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if length > _LARGEST_BODY:
        raise HttpFailure("413 Request Entity Too Large", "Request Entity Too Large", html=True)
    body: bytes = environ["wsgi.input"].read(length)
    return body


def _drain(environ: Environ) -> None:
    """Take the rest of a small body off the wire, so that the connection can be used again."""
    if int(environ.get("CONTENT_LENGTH") or 0) <= _LARGEST_BODY:
        environ["wsgi.input"].read()


def _json_body(environ: Environ) -> dict[str, JsonValue]:
    body = _read(environ)
    try:
        if environ.get("HTTP_CONTENT_ENCODING") == "gzip":
            body = gzip.decompress(body)
        arguments = json.loads(body)
    except (ValueError, RecursionError, OSError, EOFError, zlib.error) as error:
        raise crashed(f"received invalid JSON : {error}") from None
    if not isinstance(arguments, dict):
        raise crashed("received invalid JSON : not an object")
    return arguments


def _body(environ: Environ) -> dict[str, JsonValue]:
    """Read a body as JSON only if its type says so to the letter; anything else is taken for a form."""
    kind = str(environ.get("CONTENT_TYPE", ""))
    if kind == _JSON:
        return _json_body(environ)
    body = _read(environ)
    is_form = kind.startswith("application/x-www-form-urlencoded")
    return _single(parse_qs(body.decode("utf-8", "replace"))) if is_form else files_of(kind, body)


def _query(environ: Environ) -> dict[str, JsonValue]:
    found = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    return {name: list(values) if len(values) > 1 else values[0] for name, values in found.items()}


def _single(values: Mapping[str, Any]) -> dict[str, JsonValue]:
    return {name: value[0] if isinstance(value, list) else value for name, value in values.items()}


def _json(value: JsonValue) -> bytes:
    return json.dumps(value).encode()


def _encode(answer: Answer, environ: Environ) -> bytes:
    """Encode as JSON if the request spoke of nothing else, and as Python would print it otherwise."""
    wire = answer.to_wire()
    wants_json = environ.get("HTTP_ACCEPT") == _JSON or environ.get("CONTENT_TYPE") == _JSON
    return _json(wire) if wants_json else repr(wire).encode()


def _send(start_response: StartResponse, status: HTTPStatus | str, body: bytes, kind: str) -> list[bytes]:
    line = status if isinstance(status, str) else f"{status.value} {status.phrase}"
    start_response(line, [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [body]


def _fail(failure: HttpFailure, environ: Environ, start_response: StartResponse) -> list[bytes]:
    _drain(environ)
    kind = "text/html" if failure.html else "text/plain"
    return _send(start_response, failure.status, failure.body.encode(), kind)


def _half(start_response: StartResponse, body: bytes, drop: Callable[[], None]) -> Iterator[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    yield body[: len(body) // 2]
    drop()
