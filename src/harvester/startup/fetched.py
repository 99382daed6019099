"""What comes from elsewhere into the queue configuration, for commands that read that configuration too."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from pydantic import JsonValue
from sqlalchemy.exc import SQLAlchemyError

from harvester.agents.facts import QUEUES, REMOTE_QUEUES
from harvester.config.findings import Findings, Location
from harvester.config.json_lines import JsonDocument, JsonSyntaxError, parse_json
from harvester.config.places import is_file
from harvester.config.queue_loader import Outside
from harvester.config.remote import QUEUE_URL
from harvester.config.service import Settings
from harvester.core.clock import utc_now
from harvester.core.errors import HarvesterError
from harvester.core.facts import QueueBook, read_queues
from harvester.core.origin import words_of_age
from harvester.panda.auth import Credentials
from harvester.panda.downloads import CONFIGURATION, Downloader, DownloadError, looks_like_html
from harvester.service import database_url
from harvester.startup.settings_checks import missing_driver
from harvester.store import cache
from harvester.store.cache import CacheKey, CacheState
from harvester.store.engine import Database

_ADVICE: Final = "check ca_cert, cert_file and key_file of [pandacon]"


def outside_of(settings: Settings) -> Outside:
    """What a running service has fetched, where the configuration wants any; nothing if no database can be read."""
    qconf = settings.qconf
    is_wanted = qconf.config_from_cacher or qconf.resolver_module or qconf.pilot_version is not None
    cached = _cached(settings) if is_wanted else _NONE
    return Outside(cached.documents.get(REMOTE_QUEUES), cached.queues)


def outside_now(settings: Settings, findings: Findings) -> Outside:
    """The same, with the remote queue configuration of the environment as it stands at its address now."""
    outside = outside_of(settings)
    if not settings.queue_address:
        return outside
    file = f"{settings.queue_address} ({QUEUE_URL})"
    try:
        return replace(outside, remote=_download(settings, file))
    except JsonSyntaxError as error:
        at, problem, advice = Location(file, error.line), error.problem, "correct the JSON there"
    except DownloadError as error:
        at, (problem, _, advice) = Location(QUEUE_URL), str(error).rpartition("; ")
    state = _cached(settings).states.get(REMOTE_QUEUES)
    if outside.remote is None or state is None or state.refreshed_at is None:
        what = "no service has fetched it before, so none can start"
        findings.error(at, "", f"{problem}; {what}", advice)
    else:
        age = words_of_age(utc_now() - state.refreshed_at)
        findings.warning(
            at, "", f"{problem}; the last good copy is used, of {state.refreshed_at:%Y-%m-%d %H:%M} UTC, {age}", advice
        )
    return outside


def _download(settings: Settings, file: str) -> JsonDocument:
    """The remote queue configuration, which remembers its lines.

    Raises:
        DownloadError: it cannot be had.
        JsonSyntaxError: it is no JSON.
    """
    panda = settings.pandacon
    trust = Credentials(cert_file=panda.cert_file, key_file=panda.key_file, ca_cert=panda.ca_cert)
    content = Downloader(trust, advice=_ADVICE, bounds=CONFIGURATION, pinned=True).get(os.environ[QUEUE_URL].strip())
    if looks_like_html(content):
        raise DownloadError(f"{settings.queue_address} is an HTML page; name the address of the file itself")
    document = parse_json(content.decode("utf-8-sig", "replace"), file)
    if not isinstance(document.value, dict) or not document.value:
        raise DownloadError(f"{settings.queue_address} is no JSON object of queues; look at what stands there")
    return document


@dataclass(frozen=True, slots=True)
class _Cached:
    """What the database knows of documents."""

    documents: Mapping[CacheKey, JsonValue] = field(default_factory=dict)
    states: Mapping[CacheKey, CacheState] = field(default_factory=dict)
    queues: QueueBook = field(default_factory=QueueBook)


_NONE: Final = _Cached()


def _cached(settings: Settings) -> _Cached:
    db = settings.db
    is_there = db.engine != "sqlite" or is_file(db.database_filename)
    if not is_there or missing_driver(db):
        return _NONE
    database = Database(database_url(settings), 1)
    try:
        with database.read() as connection:
            found = cache.documents(connection, [REMOTE_QUEUES, QUEUES])
            states = {each.key: each for each in cache.states(connection)}
    except (HarvesterError, SQLAlchemyError):  # whoever needs the database tells why it cannot be read
        return _NONE
    finally:
        database.close()
    queues = read_queues(found[QUEUES], settings.master.harvester_id) if QUEUES in found else QueueBook()
    return _Cached(found, states, queues)
