"""One exchange with a web server over kept-alive connections: credentials, bounds, named errors, no word of PanDA."""

import gzip
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from threading import Lock
from typing import BinaryIO
from urllib.parse import urlsplit

import httpx2

from harvester.core.clock import Clock
from harvester.panda.auth import AuthType, BearerToken, Credentials, Stamp, is_header_word
from harvester.panda.closing import Closable
from harvester.panda.errors import CredentialError, PandaUnavailable

GZIP_FROM_BYTES = 64 * 2**10
MAX_ANSWER_BYTES = 256 * 2**20
_JSON = "application/json"
_KEEP_ALIVE_SECONDS = 4.0
"""Shorter than the idle time after which web servers close: a call must not meet a connection that is just closing."""
_PLAIN_ANSWER = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST")
"""What OpenSSL calls an answer that is not encrypted."""
_NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)


@dataclass(frozen=True, slots=True)
class Body:
    """What is sent along: bytes, or a file by its name, or neither.

    Attributes:
        content: bytes as they go out.
        files: the file of a form, read anew by each attempt; its size is that of the moment when the attempt begins.
        headers: what is said of them.
    """

    content: bytes | None = None
    files: dict[str, tuple[str, BinaryIO]] | None = None
    headers: dict[str, str] = field(default_factory=dict)


NOTHING = Body()


def json_body(text: bytes) -> Body:
    """A JSON text, compressed if it is long."""
    if len(text) < GZIP_FROM_BYTES:
        return Body(text, headers={"Content-Type": _JSON})
    headers = {"Content-Type": _JSON, "Content-Encoding": "gzip"}
    return Body(gzip.compress(text, compresslevel=1), headers=headers)


@dataclass(slots=True)
class _Pool:
    """Keep-alive connections that were made with one state of the certificate files."""

    http: httpx2.Client
    stamp: Stamp
    users: int = 0
    retired: bool = False


class Wire(Closable):
    """Talks to one server over kept-alive connections; may be used from many threads at once.

    Args:
        base_url: what all paths begin with.
        stated_in: where that is written, for operators.
        timeout: seconds for connecting and for each silence of the server, unless an exchange has other patience.
        network: replaces the network, for tests.
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
        stated_in: str,
        clock: Clock,
        timeout: float,
        network: httpx2.BaseTransport | None = None,
        tick: Callable[[], float] = time.monotonic,
    ) -> None:
        self.base_url = _checked(base_url, stated_in)
        self.stated_in = stated_in
        self.timeout = timeout
        self._credentials = credentials
        self._network = network
        self._tick = tick
        self._token = _token(credentials, clock)
        self._lock = Lock()
        self._pool: _Pool | None = None

    def close(self) -> None:
        """Close idle connections; exchanges in other threads end first."""
        with self._lock:
            pool, self._pool = self._pool, None
            if pool:
                self._retire(pool)

    def require_credentials(self) -> None:
        """Use the credentials without calling.

        Raises:
            CredentialError: one cannot be used.
        """
        self._headers(NOTHING)
        with self._borrowed():
            return

    def distrust_token(self) -> None:
        """Read the token anew before it is used again: the server did not like it."""
        if self._token is not None:
            self._token.forget()

    def exchange(
        self, verb: str, path: str, body: Body = NOTHING, patience: float | None = None, *, at_most: int | None = None
    ) -> tuple[int, bytes]:
        """HTTP status and the whole answer, which may take twice the patience to come in.

        Raises:
            PandaUnavailable: there is none, or it is longer than so many bytes.
        """
        patience = patience or self.timeout
        answer = bytearray()
        with self.answer(verb, path, body, patience) as response:
            for piece in self.pieces(response, at_most or MAX_ANSWER_BYTES, 2 * patience):
                answer += piece
        return response.status_code, bytes(answer)

    @contextmanager
    def answer(
        self, verb: str, path: str, body: Body = NOTHING, patience: float | None = None
    ) -> Iterator[httpx2.Response]:
        """An answer while it comes in; it has to be read in the context, by `pieces`.

        Raises:
            PandaUnavailable: none comes, or it breaks off.
        """
        url = f"{self.base_url}/{path}"
        try:
            with (
                self._borrowed() as http,
                http.stream(
                    verb,
                    url,
                    headers=self._headers(body),
                    content=body.content,
                    files=body.files,
                    timeout=patience or self.timeout,
                ) as response,
            ):
                yield response
        except CredentialError as error:
            raise PandaUnavailable(bare(url), str(error), reached=False) from None
        except httpx2.HTTPError as error:
            told = f"{_reason(error)}; {self._advice(error)}"
            raise PandaUnavailable(bare(url), told, reached=not isinstance(error, _NOT_SENT)) from error

    def _advice(self, error: httpx2.HTTPError) -> str:
        """What to look at; an address with the wrong scheme makes errors of its own."""
        if any(word in _said(error) for word in _PLAIN_ANSWER):
            return f"the server does not speak TLS on this port; write http:// in {self.stated_in}, or the right port"
        advice = f"check {self.stated_in}, the network and the server"
        broke = not isinstance(error, (*_NOT_SENT, httpx2.TimeoutException))
        return f"{advice}; if it speaks TLS, write https://" if broke and self.base_url.startswith("http:") else advice

    def pieces(self, response: httpx2.Response, at_most: int, seconds: float) -> Iterator[bytes]:
        """The answer piece by piece, but neither without end nor drop by drop for ever.

        Raises:
            httpx2.HTTPError: it is longer than `at_most` bytes, or not complete after so many seconds.
        """
        deadline = self._tick() + seconds
        size = 0
        for piece in response.iter_bytes():
            size += len(piece)
            if size > at_most:
                raise httpx2.ReadError(f"the answer is longer than {at_most} bytes")
            if self._tick() > deadline:
                raise httpx2.ReadTimeout(f"the answer is not complete after {seconds:g} s")
            yield piece

    def _headers(self, body: Body) -> dict[str, str]:
        headers = {"Accept": _JSON, **body.headers}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token.current()}"
            headers["Origin"] = self._credentials.auth_origin or ""
        return headers

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
        url = urlsplit(self.base_url)
        return httpx2.Client(
            verify=self._credentials.tls_context() if url.scheme == "https" else True,
            timeout=self.timeout,
            transport=self._network,
            trust_env=not _is_loopback(url.hostname or ""),
            limits=httpx2.Limits(keepalive_expiry=_KEEP_ALIVE_SECONDS),
        )


def bare(url: str) -> str:
    """An address without the arguments, which may be long or secret."""
    return url.partition("?")[0]


def _checked(base_url: str, stated_in: str) -> str:
    advice = f"write https://host:port/… in {stated_in}"
    if "@" in base_url:  # before anything prints it
        raise ValueError(f"the server address has a name or password before its '@', in place of a token; {advice}")
    try:
        url = httpx2.URL(base_url)
    except httpx2.InvalidURL as error:
        raise ValueError(f"server address {base_url!r}: {error}; {advice}") from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise ValueError(f"server address {base_url!r} has no http:// or https:// host; {advice}")
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


def _reason(error: httpx2.HTTPError) -> str:
    if isinstance(error, _NOT_SENT):
        return f"no connection ({_said(error)})"
    if isinstance(error, httpx2.TimeoutException):
        return f"no answer in time ({_said(error)})"
    return f"the connection broke before the answer was complete ({_said(error)})"


def _said(error: httpx2.HTTPError) -> str:
    return str(error) or type(error).__name__
