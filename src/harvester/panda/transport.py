"""One call to the server: from arguments to the `data` of its envelope, or a named error.

What the real server insists on, learnt by watching it: both `Content-Type` and `Accept` exactly `application/json`, a
`Content-Length` (chunked bodies end in 411), numbers as JSON numbers, no unknown argument. What it does in return: HTTP
200 with `success` false for most failures, 403 or 500 with plain text, HTML from the web server in front, and
`text/plain` as the type of everything.
"""

import gzip
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from threading import Lock
from urllib.parse import urlsplit

import httpx2
import stamina
from pydantic import JsonValue

from harvester.core.clock import Clock
from harvester.panda.auth import AuthType, BearerToken, Credentials, Stamp, is_header_word
from harvester.panda.errors import CredentialError, PandaRefused, PandaUnavailable

GZIP_FROM_BYTES = 64 * 2**10
MAX_ANSWER_BYTES = 256 * 2**20
_KEEP_ALIVE_SECONDS = 4.0
"""Shorter than the idle time after which web servers close: a call must not meet a connection that is just closing."""
_EXCERPT_CHARACTERS = 200
_MOST_DIGITS = sys.int_info.str_digits_check_threshold
"""Python refuses to read integers somewhere above that, and with the integer the whole answer around it."""
_HTTP_OK, _HTTP_REDIRECTS, _HTTP_REFUSALS, _HTTP_ERRORS = 200, 300, 400, 500
_NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)


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


@dataclass(frozen=True, slots=True)
class _Request:
    """One attempt of a call."""

    verb: str
    url: str
    headers: dict[str, str]
    body: bytes | None
    patience: float

    def send(self, http: httpx2.Client) -> AbstractContextManager[httpx2.Response]:
        """The answer while it comes in."""
        return http.stream(self.verb, self.url, headers=self.headers, content=self.body, timeout=self.patience)


@dataclass(slots=True)
class _Pool:
    """Keep-alive connections that were made with one state of the certificate files."""

    http: httpx2.Client
    stamp: Stamp
    users: int = 0
    retired: bool = False


class Transport:
    """Sends calls over kept-alive connections; may be used from many threads at once.

    Args:
        base_url: up to and with `/api/v1`.
        timeout: seconds for connecting and for each silence of the server; a whole answer may take twice as long.
        retries: how often a call that may be repeated is repeated, as long as `timeout` is not used up.
        transport: replaces the network, for tests.
        tick: seconds of a clock that never goes back.

    Raises:
        ValueError: `base_url` is no address of a server.
        CredentialError: the credentials are not complete.
    """

    def __init__(
        self,
        base_url: str,
        credentials: Credentials,
        *,
        clock: Clock,
        timeout: float,
        retries: int,
        transport: httpx2.BaseTransport | None = None,
        tick: Callable[[], float] = time.monotonic,
    ) -> None:
        self._base_url = _checked(base_url)
        self._credentials = credentials
        self._timeout = timeout
        self._retries = retries
        self._transport = transport
        self._tick = tick
        self._token = _token(credentials, clock)
        self._lock = Lock()
        self._pool: _Pool | None = None

    def close(self) -> None:
        """Close idle connections; calls in other threads end first."""
        with self._lock:
            pool, self._pool = self._pool, None
            if pool:
                self._retire(pool)

    def require_credentials(self) -> None:
        """Use the credentials without calling.

        Raises:
            CredentialError: one cannot be used.
        """
        self._headers(None)
        with self._borrowed():
            return

    def get(self, method: str, arguments: Mapping[str, JsonValue]) -> JsonValue:
        """Ask something; lists become repeated keys and None is left out.

        Raises:
            PandaUnavailable: no usable answer, after the allowed repetitions.
            PandaRefused: the server said no.
        """
        query = httpx2.QueryParams([pair for name, value in arguments.items() for pair in _pairs(name, value)])
        path = f"{method}?{query}" if arguments else method
        return self._repeating("GET", path, None, repeatable=True)

    def post(
        self, method: str, arguments: Mapping[str, JsonValue], *, repeatable: bool, terms: Terms | None = None
    ) -> JsonValue:
        """Tell something. `repeatable` is false for a call that must not be repeated once the server may have acted.

        `terms` may be others than this client's usual ones.

        Raises:
            PandaUnavailable: no usable answer, after the allowed repetitions.
            PandaRefused: the server said no.
        """
        return self._repeating("POST", method, json.dumps(arguments).encode(), repeatable=repeatable, terms=terms)

    def _repeating(
        self, verb: str, path: str, body: bytes | None, *, repeatable: bool, terms: Terms | None = None
    ) -> JsonValue:
        """A call that waited in vain is not repeated at once: more calls do not help a server that is slow.

        One that reached no server is: the next attempt may find another address of it.
        """
        terms = terms or Terms(self._timeout, self._retries)

        def may_repeat(error: Exception) -> bool:
            if not isinstance(error, PandaUnavailable):
                return False
            waited = isinstance(error.__cause__, httpx2.TimeoutException)
            return not error.reached or (repeatable and not waited)

        url = f"{self._base_url}/{path}"
        attempts = stamina.retry_context(on=may_repeat, attempts=terms.retries + 1, timeout=self._timeout)
        for attempt in attempts:
            with attempt:
                envelope = self._once(verb, url, body, terms.patience)
        if not envelope.success:
            raise PandaRefused(_bare(url), envelope.message or "the server refused without a word")
        return envelope.data

    def _once(self, verb: str, url: str, body: bytes | None, patience: float) -> Envelope:
        bare = _bare(url)
        try:
            headers = self._headers(body)
            with self._borrowed() as http:
                status, answer = self._exchange(http, _Request(verb, url, headers, _packed(body), patience))
        except CredentialError as error:
            raise PandaUnavailable(bare, str(error), reached=False) from None
        except httpx2.HTTPError as error:
            raise PandaUnavailable(bare, _network_reason(error), reached=not isinstance(error, _NOT_SENT)) from error
        return self._judge(bare, status, answer)

    def _headers(self, body: bytes | None) -> dict[str, str]:
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
            if len(body) >= GZIP_FROM_BYTES:
                headers["Content-Encoding"] = "gzip"
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token.current()}"
            headers["Origin"] = self._credentials.auth_origin or ""
        return headers

    def _exchange(self, http: httpx2.Client, request: _Request) -> tuple[int, bytes]:
        """Read the whole answer, but neither without end nor drop by drop for ever."""
        deadline = self._tick() + 2 * request.patience
        answer = bytearray()
        with request.send(http) as response:
            for piece in response.iter_bytes():
                answer += piece
                if len(answer) > MAX_ANSWER_BYTES:
                    raise httpx2.ReadError(f"the answer is longer than {MAX_ANSWER_BYTES} bytes")
                if self._tick() > deadline:
                    raise httpx2.ReadTimeout(f"the answer is not complete after {2 * request.patience:g} s")
        return response.status_code, bytes(answer)

    def _judge(self, url: str, status: int, answer: bytes) -> Envelope:
        if status == _HTTP_OK:
            return _envelope(url, answer)
        words = f"HTTP {status}: {_excerpt(answer)}"
        if _HTTP_REFUSALS <= status < _HTTP_ERRORS:
            if self._token is not None:
                self._token.forget()
            raise PandaRefused(url, words, status=status)
        if _HTTP_REDIRECTS <= status < _HTTP_REFUSALS:
            raise PandaUnavailable(url, f"{words}; a redirect is not followed, correct [pandacon] server_api_url_ssl")
        raise PandaUnavailable(url, f"{words}; see the server's own log", status=status)

    @contextmanager
    def _borrowed(self) -> Iterator[httpx2.Client]:
        """Lend the current pool; a new one takes over when the certificate files have changed."""
        stamp = self._credentials.stamp()
        with self._lock:
            pool = self._pool
            if pool is None or pool.stamp != stamp:
                fresh = _Pool(self._open(), stamp)
                if pool is not None:
                    self._retire(pool)
                self._pool = pool = fresh
            pool.users += 1
        try:
            yield pool.http
        finally:
            with self._lock:
                pool.users -= 1
                if pool.retired and pool.users == 0:
                    pool.http.close()

    @staticmethod
    def _retire(pool: _Pool) -> None:
        pool.retired = True
        if pool.users == 0:
            pool.http.close()

    def _open(self) -> httpx2.Client:
        url = urlsplit(self._base_url)
        return httpx2.Client(
            verify=self._credentials.tls_context() if url.scheme == "https" else True,
            timeout=self._timeout,
            transport=self._transport,
            trust_env=not _is_loopback(url.hostname or ""),
            limits=httpx2.Limits(keepalive_expiry=_KEEP_ALIVE_SECONDS),
        )


def _checked(base_url: str) -> str:
    if "@" in base_url:  # before anything prints it
        advice = "write https://host:port/api/v1"
        raise ValueError(f"the server address has a name or password before its '@', in place of a token; {advice}")
    try:
        url = httpx2.URL(base_url)
    except httpx2.InvalidURL as error:
        raise ValueError(f"server address {base_url!r}: {error}; write https://host:port/api/v1") from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise ValueError(f"server address {base_url!r} has no http:// or https:// host; write https://host:port/api/v1")
    return base_url.rstrip("/")


def _token(credentials: Credentials, clock: Clock) -> BearerToken | None:
    if credentials.auth_type is not AuthType.OIDC:
        return None
    if not credentials.auth_token or not credentials.auth_origin:
        raise CredentialError("auth_type oidc needs both auth_token and auth_origin in [pandacon]")
    if not is_header_word(credentials.auth_origin):
        what = f"[pandacon] auth_origin {credentials.auth_origin!r} cannot be sent: it has blanks or odd characters"
        raise CredentialError(f"{what}; write vo or vo:role")
    return BearerToken(credentials.auth_token, clock)


def _is_loopback(host: str) -> bool:
    """A server on this machine is never behind a proxy, whatever the environment says."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _pairs(name: str, value: JsonValue) -> list[tuple[str, str]]:
    values = value if isinstance(value, list) else [value]
    return [(name, str(each)) for each in values if each is not None]


def _packed(body: bytes | None) -> bytes | None:
    return gzip.compress(body, compresslevel=1) if body is not None and len(body) >= GZIP_FROM_BYTES else body


def _bare(url: str) -> str:
    return url.partition("?")[0]


def _network_reason(error: httpx2.HTTPError) -> str:
    advice = "check the address in [pandacon], the network and the server"
    if isinstance(error, _NOT_SENT):
        return f"no connection ({_said(error)}); {advice}"
    if isinstance(error, httpx2.TimeoutException):
        return f"no answer in time ({_said(error)}); {advice}"
    return f"the connection broke before the answer was complete ({_said(error)}); {advice}"


def _said(error: httpx2.HTTPError) -> str:
    return str(error) or type(error).__name__


def _envelope(url: str, answer: bytes) -> Envelope:
    """Read the envelope; the server's label `text/plain` says nothing about it."""
    try:
        raw: JsonValue = json.loads(answer, object_hook=_plain_time, parse_int=_plain_number)
    except (ValueError, RecursionError):
        what = f"the answer is no JSON or breaks off ({_excerpt(answer)}); is this a PanDA server?"
        raise PandaUnavailable(url, what) from None  # the cause would carry the answer along
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
