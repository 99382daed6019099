"""Documents of web servers: fetched whole or not at all, within bounds, and never less safely than asked for."""

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import httpx2

from harvester.core.errors import HarvesterError
from harvester.core.masking import bare_address
from harvester.panda.auth import Credentials
from harvester.panda.errors import CredentialError

_HTTP_OK: Final = 200


class DownloadError(HarvesterError):
    """A document could not be had; says why and what to do, and never shows what it may hold."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long a document may take, and how large it may be.

    Attributes:
        silence: seconds that the server may be silent.
        seconds: that the document may take to come in.
        size: bytes that it may have.
    """

    silence: float = 60.0
    seconds: float = 600.0
    size: int = 128 * 2**20


CONFIGURATION: Final = Bounds(silence=15.0, seconds=60.0, size=32 * 2**20)
"""Of a configuration: a start may wait for it."""


class Downloader:
    """Fetches documents; may be used from many threads.

    Args:
        credentials: the certificate to show, and whom to believe; without a `ca_cert` the authorities of the system,
            or of the environment (`SSL_CERT_FILE`).
        advice: what to correct if a server and we do not believe each other, or an address is none.
        bounds: what is too much.
        pinned: whether nobody is believed but whom `credentials` believe; else the authorities of the system are, too.
        network: replaces the network, for tests.
        tick: seconds of a clock that never goes back.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        advice: str,
        bounds: Bounds = Bounds(),
        pinned: bool = False,
        network: httpx2.BaseTransport | None = None,
        tick: Callable[[], float] = time.monotonic,
    ) -> None:
        self._credentials = credentials
        self._advice = advice
        self._bounds = bounds
        self._pinned = pinned
        self._network = network
        self._tick = tick

    def get(self, url: str) -> bytes:
        """The whole document. On trouble with TLS it is asked for once more, without a certificate of ours.

        Raises:
            DownloadError: it cannot be had.
        """
        if not url.lower().startswith("https:"):
            return self._download(url, None)
        try:
            return self._download(url, self._tls())
        except (_TlsTroubleError, CredentialError) as first:
            try:
                return self._download(url, self._tls_of_anybody())
            except (_TlsTroubleError, CredentialError, DownloadError) as second:
                what = f"{bare_address(url)}: {first}; without certificate: {second}"
                raise DownloadError(f"{what}; {self._advice}, and the server") from None

    def _tls(self) -> ssl.SSLContext:
        """Who believes any server shows no certificate to it."""
        believing = self._credentials.ca_cert is False
        return (Credentials(ca_cert=False) if believing else self._credentials).tls_context()

    def _tls_of_anybody(self) -> ssl.SSLContext:
        """Shows nothing, and believes no less than it should."""
        if self._pinned:
            return Credentials(ca_cert=self._credentials.ca_cert).tls_context()
        return ssl.create_default_context()

    def _download(self, url: str, context: ssl.SSLContext | None) -> bytes:
        try:
            with httpx2.Client(
                verify=context or True,
                timeout=self._bounds.silence,
                follow_redirects=True,
                transport=self._network,
                event_hooks={"request": [_Guard(url)]},
            ) as http:
                return self._read(http, url)
        except httpx2.InvalidURL as error:
            raise DownloadError(f"{bare_address(url)}: {error}; {self._advice}") from None
        except httpx2.HTTPError as error:
            if _is_about_tls(error):
                raise _TlsTroubleError(str(error)) from error
            words = str(error) or type(error).__name__
            told = f"{bare_address(url)}: {words}; check the address, the network and the server"
            raise DownloadError(told) from error

    def _read(self, http: httpx2.Client, url: str) -> bytes:
        """The whole answer, but neither without end nor drop by drop for ever."""
        bounds, end = self._bounds, self._tick() + self._bounds.seconds
        shown, answer = bare_address(url), bytearray()
        with http.stream("GET", url, headers={"Accept": "application/json"}) as response:
            if response.status_code != _HTTP_OK:
                told = f"{shown}: HTTP {response.status_code}; check the address and the access to it"
                raise DownloadError(told)
            for piece in response.iter_bytes():
                answer += piece
                if len(answer) > bounds.size or self._tick() > end:
                    what = f"too long: more than {bounds.size} bytes or {bounds.seconds:g} s"
                    raise DownloadError(f"{shown}: {what}; look at what the server sends")
        return bytes(answer)


class _Guard:
    """Sees every request before it goes out, also those that a redirect asks for."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __call__(self, request: httpx2.Request) -> None:
        if self._url.lower().startswith("https:") and request.url.scheme != "https":
            told = f"{bare_address(self._url)}: it refers to an address without TLS; name the address where it is kept"
            raise DownloadError(told)


class _TlsTroubleError(HarvesterError):
    """The two sides do not believe each other."""


def _is_about_tls(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError) or "SSL" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def looks_like_html(content: bytes) -> bool:
    """Whether somebody was sent a page for people instead of a document."""
    return content.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<"
