"""`harvester test cacher`, `server` and `database`: what serves the instance as a whole."""

import os
import time
from collections.abc import Sequence
from typing import Final

from pydantic import JsonValue
from sqlalchemy import delete, func, select

from harvester.agents.fetching import Fetcher, FetchError
from harvester.clients import untried_client
from harvester.config.cache_lines import CacheLine, read_lines
from harvester.config.service import Settings
from harvester.core.clock import utc_now
from harvester.panda.errors import CredentialError, PandaError
from harvester.probes.scratch_workers import beyond_all_others
from harvester.probes.verdicts import Record, Verdict
from harvester.store import migrate
from harvester.store.engine import Database
from harvester.store.schema import history
from harvester.store.sets import insert_rows, one_of

_ROWS: Final = 2000
_COMMITS: Final = 20
_KIND: Final = "test"
"""No row of the service is of this kind."""


# ---- cacher ----------------------------------------------------------------------------------------------------------


def probe_cacher(settings: Settings) -> Verdict:
    """Fetch every document that `[cacher] data` names, and keep none of them."""
    record = Record("cacher")
    lines, problems = read_lines(settings.cacher.data, os.environ)
    for each in problems:
        record.add(f"read line {each.place + 1} of [cacher] data", f"{each.problem}; {each.advice}", good=False)
    if not lines and not problems:
        record.add("looked into [cacher] data", "it names no documents")
    panda = untried_client(settings)
    try:
        fetcher = Fetcher(panda, settings.pandacon)
        good = [_fetch(fetcher, line, record) for line in lines]
    finally:
        panda.close()
    return record.verdict(
        "" if all(good) and not problems else "correct these lines, or ask those who keep the documents"
    )


def _fetch(fetcher: Fetcher, line: CacheLine, record: Record) -> bool:
    name = f"{line.main_key}|{line.sub_key}" if line.sub_key else line.main_key
    try:
        document = fetcher.fetch(line)
    except (FetchError, CredentialError) as error:
        return record.add(f"fetched {name}", str(error), good=False)
    return record.add(f"fetched {name}", _words_of(document))


def _words_of(document: JsonValue) -> str:
    match document:
        case dict():
            return f"an object with entries: {len(document)}"
        case list():
            return f"a list with entries: {len(document)}"
        case str():
            return f"a text with characters: {len(document)}"
    return "a value"


# ---- server ----------------------------------------------------------------------------------------------------------


def probe_server(settings: Settings) -> Verdict:
    """Ask the PanDA server whether it is alive, with the credentials of the instance."""
    record = Record("server", plugin=settings.pandacon.server_url)
    client = untried_client(settings)
    try:
        client.require_credentials()
        record.add("read certificate and token", "they can be used")
        alive = client.is_alive()
        record.add("asked whether it is alive", "it is" if alive else "it answers that it is not well", good=alive)
    except CredentialError as error:
        record.add("read certificate and token", str(error), good=False)
        return record.verdict("correct [pandacon], or let `harvester test credentials` make them")
    except PandaError as error:
        record.add("asked whether it is alive", str(error), good=False)
        return record.verdict("check [pandacon] server_api_url_ssl, the network, and whether the server runs")
    finally:
        client.close()
    return record.verdict("" if alive else "ask those who run the server")


# ---- database --------------------------------------------------------------------------------------------------------


def probe_database(db: Database) -> Verdict:
    """Write rows that no service has, read and delete them; nobody else ever sees them."""
    record = Record("database", plugin=db.engine.url.render_as_string(hide_password=True))
    with db.read() as connection:
        found, wanted = migrate.current(connection), migrate.newest()
    if not record.add("looked at the version of the tables", f"{found}, wanted {wanted}", good=found == wanted):
        advice = "`harvester run` makes and upgrades tables; an older version needs the backup from before"
        return record.verdict(advice)
    subjects = [beyond_all_others() + place for place in range(_ROWS)]
    _write_and_delete(db, subjects, record)
    _commit_often(db, subjects[0], record)
    return record.verdict()


def _write_and_delete(db: Database, subjects: Sequence[int], record: Record) -> None:
    names = ("kind", "subject", "at", "was", "became", "cause", "agent")
    rows = [(_KIND, each, utc_now(), None, _KIND, "harvester test database", _KIND) for each in subjects]
    with db.write() as connection:
        insert_rows(connection, history, names, rows)
        record.add(f"wrote rows: {len(rows)}", "one statement")
        mine = (history.c.kind == _KIND, one_of(connection, history.c.subject, subjects))
        number = connection.scalar(select(func.count()).select_from(history).where(*mine)) or 0
        record.add("read them", f"rows: {number}", good=number == len(rows))
        deleted = connection.execute(delete(history).where(*mine)).rowcount
        record.add("deleted them", f"rows: {deleted}", good=deleted == len(rows))


def _commit_often(db: Database, subject: int, record: Record) -> None:
    """How long the disk, or the server, takes until something is safe: what every step of a worker waits for."""
    row = (_KIND, subject, utc_now(), None, _KIND, "harvester test database", _KIND)
    began = time.monotonic()
    for _ in range(_COMMITS):
        with db.write() as connection:
            insert_rows(connection, history, ("kind", "subject", "at", "was", "became", "cause", "agent"), [row])
            connection.execute(delete(history).where(history.c.kind == _KIND, history.c.subject == subject))
    each = 1000 * (time.monotonic() - began) / _COMMITS
    record.add(f"committed small changes: {_COMMITS}", f"{each:.1f} ms each")
