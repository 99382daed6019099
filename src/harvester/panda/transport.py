"""One call to the server: from arguments to the `data` of its envelope, or a named error.

What the real server insists on, learnt by watching it: both `Content-Type` and `Accept` exactly `application/json`, a
`Content-Length` (chunked bodies end in 411), numbers as JSON numbers, no unknown argument. What it does in return: HTTP
200 with `success` false for most failures, 403 or 500 with plain text, HTML from the web server in front, and
`text/plain` as the type of everything.
"""

import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import BinaryIO

import httpx2
import stamina
from pydantic import JsonValue

from harvester.panda.call_record import CallRecord
from harvester.panda.closing import Closable
from harvester.panda.errors import PandaRefused, PandaUnavailable
from harvester.panda.wire import NOTHING, Body, Wire, bare, json_body

_EXCERPT_CHARACTERS = 200
_MOST_DIGITS = sys.int_info.str_digits_check_threshold
"""Python refuses to read integers somewhere above that, and with the integer the whole answer around it."""
_HTTP_OK, _HTTP_REDIRECTS, _HTTP_REFUSALS, _HTTP_BAD_REQUEST, _HTTP_ERRORS = 200, 300, 400, 400, 500
_SPOKE_PLAIN = b"plain http"
"""Stands in the answer of every web server (Apache, nginx, cheroot) to somebody who does not speak TLS with it."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """The form of every answer; with `success` false, `data` may still say why."""

    success: bool
    message: str
    data: JsonValue


@dataclass(frozen=True, slots=True)
class Terms:
    """How long one call waits for each part of its answer, and how often it may be repeated."""

    patience: float
    retries: int


class Transport(Closable):
    """Sends calls; may be used from many threads at once.

    Args:
        wire: to a server, its base up to and with `/api/v1`; closed with this.
        retries: how often a call that may be repeated is repeated, as long as the timeout of the wire is not used up.
        tick: seconds of a clock that never goes back.

    Attributes:
        record: what became of the calls.
    """

    def __init__(self, wire: Wire, *, retries: int, tick: Callable[[], float] = time.monotonic) -> None:
        self._wire = wire
        self._retries = retries
        self.record = CallRecord(tick)

    def close(self) -> None:
        """Close idle connections; calls in other threads end first."""
        self._wire.close()

    def require_credentials(self) -> None:
        """Use the credentials without calling.

        Raises:
            CredentialError: one cannot be used.
        """
        self._wire.require_credentials()

    def get(self, method: str, arguments: Mapping[str, JsonValue]) -> JsonValue:
        """Ask something; lists become repeated keys and None is left out.

        Raises:
            PandaUnavailable: no usable answer, after the allowed repetitions.
            PandaRefused: the server said no.
        """
        query = httpx2.QueryParams([pair for name, value in arguments.items() for pair in _pairs(name, value)])
        path = f"{method}?{query}" if arguments else method
        return self._repeating("GET", path, NOTHING, repeatable=True)

    def post(
        self, method: str, arguments: Mapping[str, JsonValue], *, repeatable: bool, terms: Terms | None = None
    ) -> JsonValue:
        """Tell something. `repeatable` is false for a call that must not be repeated once the server may have acted.

        `terms` may be others than this client's usual ones.

        Raises:
            PandaUnavailable: no usable answer, after the allowed repetitions.
            PandaRefused: the server said no.
        """
        body = json_body(json.dumps(arguments).encode())
        return self._repeating("POST", method, body, repeatable=repeatable, terms=terms)

    def send_file(self, method: str, name: str, file: BinaryIO) -> JsonValue:
        """Send an open file, in pieces, under a name; whatever was stored under it before is replaced.

        Raises:
            PandaUnavailable: no usable answer, after the allowed repetitions.
            PandaRefused: the server said no.
        """
        return self._repeating("POST", method, Body(files={"file": (name, file)}), repeatable=True)

    def _repeating(
        self, verb: str, path: str, body: Body, *, repeatable: bool, terms: Terms | None = None
    ) -> JsonValue:
        """A call that waited in vain is not repeated at once: more calls do not help a server that is slow.

        One that reached no server is: the next attempt may find another address of it.
        """
        terms = terms or Terms(self._wire.timeout, self._retries)

        def may_repeat(error: Exception) -> bool:
            if not isinstance(error, PandaUnavailable):
                return False
            waited = isinstance(error.__cause__, httpx2.TimeoutException)
            return not error.reached or (repeatable and not waited)

        url = bare(f"{self._wire.base_url}/{path}")
        attempts = stamina.retry_context(on=may_repeat, attempts=terms.retries + 1, timeout=self._wire.timeout)
        with self.record.of(bare(path)):
            for attempt in attempts:
                with attempt:
                    envelope = self._judge(url, *self._wire.exchange(verb, path, body, terms.patience))
            if not envelope.success:
                raise PandaRefused(url, envelope.message or "the server refused without a word")
        return envelope.data

    def _judge(self, url: str, status: int, answer: bytes) -> Envelope:
        if status == _HTTP_OK:
            return _envelope(url, answer)
        words = f"HTTP {status}: {_excerpt(answer)}"
        if status == _HTTP_BAD_REQUEST and _SPOKE_PLAIN in answer.lower():
            raise PandaUnavailable(url, f"{words}; write https:// in {self._wire.stated_in}", status=status)
        if _HTTP_REFUSALS <= status < _HTTP_ERRORS:
            self._wire.distrust_token()
            raise PandaRefused(url, words, status=status)
        if _HTTP_REDIRECTS <= status < _HTTP_REFUSALS:
            raise PandaUnavailable(url, f"{words}; a redirect is not followed, correct {self._wire.stated_in}")
        raise PandaUnavailable(url, f"{words}; see the server's own log", status=status)


def _pairs(name: str, value: JsonValue) -> list[tuple[str, str]]:
    values = value if isinstance(value, list) else [value]
    return [(name, str(each)) for each in values if each is not None]


def parse_answer(url: str, answer: bytes, kind: str) -> JsonValue:
    """What an answer says, whatever its label; `kind` is the server that was asked, for the operator.

    Raises:
        PandaUnavailable: it says nothing that can be read.
    """
    try:
        value: JsonValue = json.loads(answer, object_hook=_plain_time, parse_int=_plain_number)
    except (ValueError, RecursionError):
        what = f"the answer is no JSON or breaks off ({_excerpt(answer)}); is this {kind}?"
        raise PandaUnavailable(url, what) from None  # the cause would carry the answer along
    return value


def _envelope(url: str, answer: bytes) -> Envelope:
    """Read the envelope; the server's label `text/plain` says nothing about it."""
    raw = parse_answer(url, answer, "a PanDA server")
    if not isinstance(raw, dict) or not isinstance(raw.get("success"), bool):
        raise PandaUnavailable(url, f"the answer is no PanDA envelope ({_excerpt(answer)})")
    return Envelope(raw["success"] is True, str(raw.get("message") or ""), raw.get("data"))


def _plain_time(value: dict[str, JsonValue]) -> JsonValue:
    """Times come as `{"__datetime__": "<ISO>"}`."""
    return value["__datetime__"] if value.keys() == {"__datetime__"} else value


def _plain_number(text: str) -> int | float:
    """An integer beyond all bounds becomes an infinite number, so that only what it belongs to is refused for it."""
    return int(text) if len(text) <= _MOST_DIGITS else float(text)


def _excerpt(answer: bytes) -> str:
    """Show the words of a web server, and nothing of an answer of PanDA, which may hold a job's secrets."""
    text = " ".join(answer[: 4 * _EXCERPT_CHARACTERS].decode("utf-8-sig", "replace").split())
    if text.startswith("{"):
        return f"{len(answer)} bytes, not shown since they may hold secrets"
    return repr(text[:_EXCERPT_CHARACTERS]) if text else "empty"
