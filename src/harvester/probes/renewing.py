"""`harvester test credentials`: every manager looks at its credentials, renews them, and looks again."""

import socket
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from harvester.agents.credential_manager import Manager
from harvester.clients import PandaCredentials
from harvester.config.queues import QueueConfig
from harvester.config.service import Settings
from harvester.config.setups import Setup, credential_setups
from harvester.core.clock import utc_now
from harvester.core.credentials import hours
from harvester.core.facts import QueueBook
from harvester.core.masking import masked
from harvester.panda.errors import CredentialError
from harvester.plugins.api import CredentialState, Done, Later, PluginContext, Unknown, Valid
from harvester.plugins.calling import PluginCalls
from harvester.plugins.credentials import validity
from harvester.plugins.credentials.validity import NoCredentialError
from harvester.plugins.names import Role
from harvester.plugins.setup_pool import SetupPool
from harvester.probes.verdicts import Record, Verdict
from harvester.service import plugin_context
from harvester.upkeep import setup_context, turns_at_credentials

_PATIENCE: Final = 150.0
"""Seconds to wait for a service that is at the credentials itself."""


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
    with turns_at_credentials(make_context(""), socket.gethostname()).held(_PATIENCE):
        verdicts = [_probe_manager(setup, manager, renew=renew) for setup, manager in pool.plugins()]
    if verdicts:
        return verdicts
    record = Record("credentials", of or "")
    nobody = "the configuration names none, so somebody else keeps credentials valid"
    record.add("looked for credential managers", nobody)
    return [record.verdict()]


def _probe_manager(setup: Setup, manager: Manager | str, *, renew: bool) -> Verdict:
    record = Record("credentials", setup.queue, f"{setup.block.label}, set-up {setup.name}")
    if isinstance(manager, str):
        record.add("made the plugin", manager, good=False)
        return record.verdict(f"correct {setup.key} where {setup.name} stands")
    ask = PluginCalls()
    try:
        names, sources = list(manager.names()), list(manager.sources())
    except (Exception, SystemExit) as error:  # noqa: BLE001 (a plugin may raise anything; the other managers are still probed)
        record.add("asked which credentials it keeps", masked(f"{type(error).__name__}: {error}"), good=False)
        return record.verdict("correct its settings, or report this to whoever wrote the plugin")
    for path in sources:
        _look_at_source(path, record)
    for name, state in zip(names, ask(manager.check, names, Unknown), strict=True):
        record.add(f"looked at {name}", _words_of(state), good=renew or isinstance(state, Valid))
    if renew:
        _renew(manager, names, ask, record)
    fails = not all(each.good for each in record.steps)
    advice = (
        f"mend what the lines with ! name, a file, a program or a server, or correct {setup.key} where {setup.name} "
        "stands; then try again: a valid credential stays until a new one is complete"
    )
    return record.verdict(advice if fails else "")


def _look_at_source(path: str, record: Record) -> None:
    """How long what they are made from is valid, which people renew."""
    what = f"looked at {path}, which it makes them from"
    try:
        found = validity.of_file(Path(path))
    except (NoCredentialError, OSError) as error:
        record.add(what, str(error), good=False)
        return
    record.add(what, _until(found.until), good=found.until is None or found.until > utc_now())


def _renew(manager: Manager, names: Sequence[str], ask: PluginCalls, record: Record) -> None:
    answers = ask(manager.renew, names, Later)
    for name, answer in zip(names, answers, strict=True):
        good = isinstance(answer, Done)
        record.add(f"renewed {name}", "done" if isinstance(answer, Done) else masked(answer.reason), good=good)
    for name, state in zip(names, ask(manager.check, names, Unknown), strict=True):
        record.add(f"looked at {name} again", _words_of(state), good=isinstance(state, Valid))


def _words_of(state: CredentialState) -> str:
    return _until(state.until) if isinstance(state, Valid) else masked(state.reason)


def _until(end: datetime | None) -> str:
    if end is None:
        return "valid, nobody can tell for how long"
    return f"valid until {end:%Y-%m-%d %H:%M} UTC, for {hours(end - utc_now())} hours"
