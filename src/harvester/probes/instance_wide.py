"""`harvester test cacher`, `credentials`, `server` and `database`: what serves the instance as a whole."""

import os
import time
from collections.abc import Sequence
from typing import Final

from pydantic import JsonValue
from sqlalchemy import delete, func, select

from harvester.agents.credential_manager import Manager
from harvester.agents.fetching import Fetcher, FetchError
from harvester.clients import PandaCredentials, untried_client
from harvester.config.cache_lines import CacheLine, read_lines
from harvester.config.queues import QueueConfig
from harvester.config.service import Settings
from harvester.config.setups import Setup, credential_setups
from harvester.core.clock import utc_now
from harvester.core.credentials import hours
from harvester.core.facts import QueueBook
from harvester.panda.errors import CredentialError, PandaError
from harvester.plugins.api import CredentialState, Done, Later, PluginContext, Unknown, Valid
from harvester.plugins.calling import PluginCalls
from harvester.plugins.names import Role
from harvester.plugins.setup_pool import SetupPool
from harvester.probes.scratch_workers import beyond_all_others
from harvester.probes.verdicts import Record, Verdict
from harvester.service import plugin_context
from harvester.store import migrate
from harvester.store.engine import Database
from harvester.store.schema import history
from harvester.store.sets import insert_rows, one_of
from harvester.upkeep import setup_context

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


# ---- credentials -----------------------------------------------------------------------------------------------------


def probe_credentials(
    settings: Settings, queues: Sequence[QueueConfig], book: QueueBook, *, of: str | None, renew: bool
) -> list[Verdict]:
    """Look at credentials, renew them, look again; one verdict for each manager.

    Args:
        settings: of the instance.
        queues: all queues.
        book: what the information system says of them.
        of: only the managers of this queue.
        renew: whether they are renewed, also if that is not due.
    """
    make_context = plugin_context(settings, utc_now)
    by_name = {each.queue_name: each for each in queues}
    try:
        server = PandaCredentials(settings)
    except CredentialError as error:
        record = Record("credentials", of or "")
        record.add("read the table of hosts", str(error), good=False)
        return [record.verdict("correct [pandacon] multihost_auth_config")]

    def context(setup: Setup) -> PluginContext:
        return setup_context(setup, make_context(setup.queue), server, lambda: book, lambda: by_name)

    def setups() -> list[Setup]:
        cert_file, instance = settings.pandacon.cert_file, settings.master.harvester_id
        found = credential_setups(settings.credmanager, cert_file, queues, instance)
        return [each for each in found if of in {None, each.queue}]

    pool: SetupPool[Manager] = SetupPool(Role.CREDENTIAL_MANAGER, context, setups)
    verdicts = [_probe_manager(setup, manager, renew=renew) for setup, manager in pool.plugins()]
    if verdicts:
        return verdicts
    record = Record("credentials", of or "")
    record.add(
        "looked for credential managers", "the configuration names none, so somebody else keeps credentials valid"
    )
    return [record.verdict()]


def _probe_manager(setup: Setup, manager: Manager | str, *, renew: bool) -> Verdict:
    record = Record("credentials", setup.queue, f"{setup.block.label}, set-up {setup.name}")
    if isinstance(manager, str):
        record.add("made the plugin", manager, good=False)
        return record.verdict(f"correct {setup.key} where {setup.name} stands")
    ask = PluginCalls()
    try:
        names = list(manager.names())
    except Exception as error:  # noqa: BLE001 (a plugin may raise anything; the other managers are still probed)
        record.add("asked which credentials it keeps", f"{type(error).__name__}: {error}", good=False)
        return record.verdict("report this to whoever wrote the plugin")
    states = ask(manager.check, names, Unknown)
    for name, state in zip(names, states, strict=True):
        record.add(f"looked at {name}", _words_of_state(state), good=renew or isinstance(state, Valid))
    if renew:
        _renew(manager, names, ask, record)
    fails = not all(each.good for each in record.steps)
    return record.verdict(
        "do what the plugin asks for; a valid credential stays until a new one is complete" if fails else ""
    )


def _renew(manager: Manager, names: Sequence[str], ask: PluginCalls, record: Record) -> None:
    answers = ask(manager.renew, names, Later)
    for name, answer in zip(names, answers, strict=True):
        good = isinstance(answer, Done)
        record.add(f"renewed {name}", "done" if isinstance(answer, Done) else answer.reason, good=good)
    for name, state in zip(names, ask(manager.check, names, Unknown), strict=True):
        record.add(f"looked at {name} again", _words_of_state(state), good=isinstance(state, Valid))


def _words_of_state(state: CredentialState) -> str:
    if not isinstance(state, Valid):
        return state.reason
    if state.until is None:
        return "valid, nobody can tell for how long"
    return f"valid until {state.until:%Y-%m-%d %H:%M} UTC, {hours(state.until - utc_now())} hours"


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
