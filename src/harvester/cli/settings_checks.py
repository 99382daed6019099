"""What the main configuration names beyond its text: certificates, tokens, drivers; looked at as the service would."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Final

from harvester.clients import panda_client
from harvester.config.findings import Finding, Severity, severity_of_missing
from harvester.config.service import Loaded, Settings
from harvester.config.setups import Setup, credential_setups, syncer_setups
from harvester.panda.errors import CredentialError
from harvester.plugins import registry
from harvester.plugins.names import Role

_DRIVERS: Final[Mapping[str, str]] = {"mariadb": "mysql.connector", "postgresql": "psycopg"}
_CREDENTIAL_KEYS: Final = ("cert_file", "key_file", "ca_cert", "auth_token", "multihost_auth_config")


def check_settings(loaded: Loaded) -> Iterator[Finding]:
    """What `harvester run` would end with; the server is not called."""
    if loaded.settings is None:
        return
    if missing := missing_driver(loaded.settings.db.engine):
        yield _error(loaded, "db", "engine", *missing)
    try:
        panda_client(loaded.settings).close()
    except CredentialError as error:
        problem, _, advice = str(error).rpartition("; ")
        key = _key_of(str(error), loaded.settings)
        file = getattr(loaded.settings.pandacon, key)
        severity = severity_of_missing(file, Severity.ERROR) if isinstance(file, str) else Severity.ERROR
        if file in _made_files(loaded.settings):
            severity, advice = Severity.INFO, "[credmanager] makes it when the service starts"
        found = _error(loaded, "pandacon", key, problem or advice, advice if problem else "correct it")
        yield replace(found, severity=severity)
    yield from _setup_findings(loaded, "credmanager", Role.CREDENTIAL_MANAGER, _own_managers(loaded.settings))
    syncers = syncer_setups(loaded.settings.file_syncer, (), loaded.settings.master.harvester_id)
    yield from _setup_findings(loaded, "file_syncer", Role.FILE_SYNCER, syncers)


def _own_managers(settings: Settings) -> list[Setup]:
    return credential_setups(settings.credmanager, settings.pandacon.cert_file, (), settings.master.harvester_id)


def _made_files(settings: Settings) -> set[str]:
    """The files that credential managers say they make."""
    files = [each.block.settings.get("outCertFile") for each in _own_managers(settings)]
    return {each for each in files if isinstance(each, str)}


def _setup_findings(loaded: Loaded, section: str, role: Role, setups: Iterable[Setup]) -> Iterator[Finding]:
    """What keeps set-ups from working; the service does without them."""
    for setup in setups:
        at = loaded.key_at(section, setup.key)
        for each in registry.problems(role, setup.block):
            words = f"{setup.name}: {setup.block.label}: {f'{each.key}: ' if each.key else ''}{each.problem}"
            yield Finding(Severity.WARNING, at.file, at.line, f"{section}.{setup.key}", words, each.advice)


def missing_driver(engine: str) -> tuple[str, str] | None:
    """Problem and advice if the Python module for a database cannot be imported."""
    try:
        import_module(_DRIVERS.get(engine, "sqlite3"))
    except ImportError:
        return f"{engine} needs a Python module that is not installed", f"pip install 'harvester[{engine}]'"
    return None


def _key_of(message: str, settings: Settings) -> str:
    """The key that a message is about; of those that it names, the one whose file cannot be read."""
    named = [key for key in _CREDENTIAL_KEYS if key in message] or ["auth_type"]
    values = {key: getattr(settings.pandacon, key) for key in named}
    files = {key: Path(value) for key, value in values.items() if isinstance(value, str)}
    return next((key for key, path in files.items() if not os.access(path, os.R_OK)), named[0])


def _error(loaded: Loaded, section: str, key: str, problem: str, advice: str) -> Finding:
    at = loaded.key_at(section, key)
    return Finding(Severity.ERROR, at.file, at.line, f"{section}.{key}", problem, advice)
