"""Fetches documents from wherever `[cacher] data` says: files, web servers, the PanDA server."""

import json
import ssl
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import httpx2
from pydantic import JsonValue

from harvester.config.cache_lines import CacheLine
from harvester.config.instance_sections import Pandacon
from harvester.core.errors import HarvesterError
from harvester.panda.auth import AuthType, Credentials
from harvester.panda.client import PandaClient
from harvester.panda.errors import CredentialError, PandaError
from harvester.panda.storable import fault_of
from harvester.plugins.tools.regular_files import open_regular
from harvester.plugins.tools.untrusted_files import parse_json

_PATIENCE: Final = 60.0
"""Seconds that a web server may be silent."""
_LONGEST: Final = 600.0
"""Seconds that a document may take to come in."""
_LARGEST: Final = 128 * 2**20
"""Bytes that a document may have."""
_HTTP_OK: Final = 200
_EMPTY: Final[tuple[JsonValue, ...]] = (None, "", [], {})


class FetchError(HarvesterError):
    """A document could not be had, or is none; says why and what to do, and never shows what it may hold."""


class Fetcher:
    """Fetches one document at a time; may be used from many threads.

    Args:
        panda: for what the PanDA server knows.
        pandacon: the certificate to show to web servers, and whom to believe.
        network: replaces the network, for tests.
        tick: seconds of a clock that never goes back.
    """

    def __init__(
        self,
        panda: PandaClient,
        pandacon: Pandacon,
        network: httpx2.BaseTransport | None = None,
        tick: Callable[[], float] = time.monotonic,
    ) -> None:
        self._credentials = Credentials(
            AuthType.X509, cert_file=pandacon.cert_file, key_file=pandacon.key_file, ca_cert=pandacon.ca_cert
        )
        self._panda = panda
        self._network = network
        self._tick = tick
        self._methods: Mapping[str, Callable[[], JsonValue]] = {
            "get_resource_types": panda.resource_types,
            "get_job_stats": panda.job_statistics,
            "get_job_stats_new": panda.detailed_job_statistics,
            "get_worker_stats_from_panda": panda.worker_statistics,
        }

    def fetch(self, line: CacheLine) -> JsonValue:
        """The document.

        Raises:
            FetchError: it cannot be had, is empty, or is no JSON where JSON is expected.
        """
        document = self._get(line)
        if document in _EMPTY:
            raise FetchError(f"{_shown(line)} gave an empty answer; ask whoever keeps it")
        if fault := fault_of(document):
            raise FetchError(f"{_shown(line)} gave something that cannot be kept: {fault}; ask whoever keeps it")
        return document

    def _get(self, line: CacheLine) -> JsonValue:
        match line.scheme:
            case "file":
                return _read_file(line)
            case "panda_server":
                return self._asked(self._methods[line.address])
            case "panda_cache":
                public, _, private = line.address.partition("&")
                return self._asked(lambda: self._panda.key_pair(public.strip(), private.strip()))
        return _parsed(self._from_web(line), line)

    @staticmethod
    def _asked(call: Callable[[], JsonValue]) -> JsonValue:
        try:
            return call()
        except PandaError as error:
            raise FetchError(str(error)) from error

    def _from_web(self, line: CacheLine) -> bytes:
        """With our certificate; on trouble with TLS, as anybody would ask."""
        try:
            context = self._tls() if line.scheme == "https" else None
            return self._download(line, context)
        except (_TlsTroubleError, CredentialError) as first:
            try:
                return self._download(line, ssl.create_default_context())
            except (_TlsTroubleError, FetchError) as second:
                advice = "check [pandacon] ca_cert, cert_file and key_file, and the server"
                raise FetchError(f"{_shown(line)}: {first}; without certificate: {second}; {advice}") from None

    def _tls(self) -> ssl.SSLContext:
        """Who believes any server shows no certificate to it."""
        believing = self._credentials.ca_cert is False
        return (Credentials(ca_cert=False) if believing else self._credentials).tls_context()

    def _download(self, line: CacheLine, context: ssl.SSLContext | None) -> bytes:
        try:
            with httpx2.Client(
                verify=context or True, timeout=_PATIENCE, follow_redirects=True, transport=self._network
            ) as http:
                return self._read(http, line)
        except httpx2.InvalidURL as error:
            raise FetchError(f"{_shown(line)}: {error}; correct [cacher] data") from None
        except httpx2.HTTPError as error:
            if _is_about_tls(error):
                raise _TlsTroubleError(str(error)) from error
            words = str(error) or type(error).__name__
            raise FetchError(f"{_shown(line)}: {words}; check the address, the network and the server") from error

    def _read(self, http: httpx2.Client, line: CacheLine) -> bytes:
        """The whole answer, but neither without end nor drop by drop for ever."""
        end = self._tick() + _LONGEST
        answer = bytearray()
        with http.stream("GET", line.source, headers={"Accept": "application/json"}) as response:
            if response.status_code != _HTTP_OK:
                raise FetchError(f"{_shown(line)}: HTTP {response.status_code}; check the address and the access to it")
            for piece in response.iter_bytes():
                answer += piece
                if len(answer) > _LARGEST or self._tick() > end:
                    raise FetchError(f"{_shown(line)}: too long: more than {_LARGEST} bytes or {_LONGEST:g} s")
        return bytes(answer)


class _TlsTroubleError(HarvesterError):
    """The two sides do not believe each other."""


def _is_about_tls(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError) or "SSL" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _read_file(line: CacheLine) -> JsonValue:
    """JSON, or text where it is none; what begins like JSON has to be JSON."""
    path = Path(_local_path(line.address))
    try:
        with open_regular(path) as file:
            content = file.read(_LARGEST + 1)
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FetchError(f"{path} is no text; save it as UTF-8") from None
    except OSError as error:
        raise FetchError(f"{path} cannot be read: {error.strerror or error}; check the path and its rights") from None
    if len(content) > _LARGEST:
        raise FetchError(f"{path} is larger than {_LARGEST} bytes; correct [cacher] data")
    means_json = line.main_key.endswith(".json") or text.lstrip()[:1] in {"{", "["}
    return _parsed(content, line) if means_json else text


def _local_path(address: str) -> str:
    """`file:/path` and `file:///path` alike."""
    if not address.startswith("//"):
        return unquote(address)
    parts = urlsplit(f"file:{address}")
    return unquote(parts.path if parts.netloc in {"", "localhost"} else parts.netloc + parts.path)


def _parsed(content: bytes, line: CacheLine) -> JsonValue:
    try:
        return parse_json(content.decode("utf-8-sig"))
    except ValueError as error:
        why = str(error) if isinstance(error, json.JSONDecodeError) else "no UTF-8, too deep, or odd texts or numbers"
        raise FetchError(f"{_shown(line)} gave no JSON ({why}); look at it in a browser or editor") from None


def _shown(line: CacheLine) -> str:
    """The source without user, password and query, which may be secrets."""
    if line.scheme not in {"http", "https"}:
        return line.source
    host = line.address.removeprefix("//").partition("?")[0].rpartition("@")[2]
    return f"{line.scheme}://{host}"
