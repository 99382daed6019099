"""Fetches documents from wherever `[cacher] data` says: files, web servers, the PanDA server."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import httpx2
from pydantic import JsonValue

from harvester.config.cache_lines import QUEUE_CONFIGURATION, CacheLine
from harvester.config.instance_sections import Pandacon
from harvester.core.errors import HarvesterError
from harvester.core.masking import bare_address
from harvester.panda.auth import AuthType, Credentials
from harvester.panda.client import PandaClient
from harvester.panda.downloads import (
    CONFIGURATION,
    Bounds,
    Downloader,
    DownloadError,
    looks_like_html,
)
from harvester.panda.errors import PandaError
from harvester.panda.storable import fault_of
from harvester.plugins.tools.regular_files import open_regular
from harvester.plugins.tools.untrusted_files import parse_json

_LARGEST: Final = Bounds().size
_ADVICE: Final = "check [cacher] data, and ca_cert, cert_file and key_file of [pandacon]"
_EMPTY: Final[tuple[JsonValue, ...]] = (None, "", [], {})


class FetchError(HarvesterError):
    """A document could not be had, or is none; says why and what to do, and never shows what it may hold."""


class Fetcher:
    """Fetches one document at a time; may be used from many threads.

    Args:
        panda: for what the PanDA server knows.
        pandacon: the certificate to show to web servers, and whom to believe.
        network: replaces the network, for tests.
    """

    def __init__(self, panda: PandaClient, pandacon: Pandacon, network: httpx2.BaseTransport | None = None) -> None:
        credentials = Credentials(
            AuthType.X509, cert_file=pandacon.cert_file, key_file=pandacon.key_file, ca_cert=pandacon.ca_cert
        )
        self._for_documents = Downloader(credentials, advice=_ADVICE, network=network)
        self._for_queues = Downloader(credentials, advice=_ADVICE, bounds=CONFIGURATION, pinned=True, network=network)
        self._panda = panda
        self._methods: Mapping[str, Callable[[], JsonValue]] = {
            "get_resource_types": panda.resource_types,
            "get_job_stats": panda.job_statistics,
            "get_job_stats_new": panda.detailed_job_statistics,
            "get_worker_stats_from_panda": panda.worker_statistics,
        }

    def fetch(self, line: CacheLine) -> JsonValue:
        """The document.

        Raises:
            FetchError: it cannot be had, is empty, or is not what is expected: JSON, or an object of queues.
        """
        document = self._get(line)
        if document in _EMPTY:
            raise FetchError(f"{_shown(line)} gave an empty answer; ask whoever keeps it")
        if line.main_key == QUEUE_CONFIGURATION and not isinstance(document, dict):
            raise FetchError(f"{_shown(line)} gave no JSON object of queues; ask whoever keeps it")
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
        downloader = self._for_queues if line.main_key == QUEUE_CONFIGURATION else self._for_documents
        try:
            return downloader.get(line.source)
        except DownloadError as error:
            raise FetchError(str(error)) from error


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
        page = "; it is an HTML page, name the address of the file itself" if looks_like_html(content) else ""
        raise FetchError(f"{_shown(line)} gave no JSON ({why}){page}; look at it in a browser or editor") from None


def _shown(line: CacheLine) -> str:
    """The source without user, password and query, which may be secrets."""
    return bare_address(line.source) if line.scheme in {"http", "https"} else line.source
