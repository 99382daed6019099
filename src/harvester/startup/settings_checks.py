"""What the main configuration names beyond its text: certificates, tokens, drivers; looked at as the service would."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Final

from harvester.clients import credential_files, panda_client
from harvester.config.findings import Finding, Location, Severity, severity_of_missing
from harvester.config.instance_sections import Db, Pandacon
from harvester.config.places import is_there, nearest_there, why_unchangeable, why_unwritable
from harvester.config.plugin_blocks import PluginBlock
from harvester.config.service import Loaded, Settings
from harvester.config.setups import Setup, credential_setups, syncer_setups
from harvester.core.clock import utc_now
from harvester.core.credentials import hours, reason_to_worry
from harvester.panda.auth import token_file
from harvester.panda.errors import CredentialError
from harvester.plugins import registry
from harvester.plugins.api import CredentialSettings
from harvester.plugins.credentials import validity
from harvester.plugins.credentials.validity import NoCredentialError, Validity
from harvester.plugins.names import Role
from harvester.startup.account import account_findings

_DRIVERS: Final[Mapping[str, tuple[str, str]]] = {
    "sqlite": ("sqlite3", "take a Python that was built with SQLite"),
    "mariadb": ("mysql.connector", "pip install 'harvester[mariadb]'"),
    "mariadb-mysqldb": ("MySQLdb", "pip install 'harvester[mysqlclient]', or remove useMySQLdb"),
    "postgresql": ("psycopg", "pip install 'harvester[postgresql]'"),
}
"""The Python module for each kind of database, and how to get it."""
KeyAt = Callable[[str, str], Location]
"""Where a key of a section stands."""
_SOURCES: Final = ("inCertFile", "cert")
_CREDENTIAL_KEYS: Final = ("cert_file", "key_file", "ca_cert", "auth_token", "multihost_auth_config")


def check_settings(loaded: Loaded, deciding: Iterable[str]) -> Iterator[Finding]:
    """What `harvester run` would end with; the server is not called.

    Args:
        loaded: the main configuration.
        deciding: the files that decide what the service does.
    """
    if loaded.settings is None:
        return
    if missing := missing_driver(loaded.settings.db):
        yield _error(loaded.key_at, "db", "engine", *missing)
    yield from account_findings(loaded.settings.master, loaded.key_at, deciding)
    yield from _place_findings(loaded.settings, loaded.key_at)
    yield from _credential_findings(loaded.settings, loaded.key_at)
    yield from _lifetime_findings(loaded.settings, loaded.key_at, utc_now())
    yield from _source_findings(loaded, utc_now())
    yield from _setup_findings(loaded, "credmanager", Role.CREDENTIAL_MANAGER, _own_managers(loaded.settings))
    yield from _unpaired_managers(loaded)
    syncers = syncer_setups(loaded.settings.file_syncer, (), loaded.settings.master.harvester_id)
    yield from _setup_findings(loaded, "file_syncer", Role.FILE_SYNCER, syncers)


def _credential_findings(settings: Settings, key_at: KeyAt) -> Iterator[Finding]:
    """Every file that is missing; if all are there, what is wrong with one of them."""
    missing = list(_unreadable(settings.pandacon))
    for key, path, why in missing:
        yield _excused(_error(key_at, "pandacon", key, f"{path} {why}", "put it there, or correct the path"), settings)
    if not missing:
        try:
            panda_client(settings).close()
        except CredentialError as error:
            yield _excused(credential_finding(settings, key_at, error), settings)


def _unreadable(panda: Pandacon) -> Iterator[tuple[str, str, str]]:
    """Key, path and reason of each file that has to be read to log in; a proxy is named by two keys and told once."""
    told: set[str] = set()
    for key, path in _files_to_log_in(panda):
        if path and path not in told and not os.access(path, os.R_OK):
            told.add(path)
            yield key, path, "cannot be read by this account" if is_there(path) else "is not there"


def _files_to_log_in(panda: Pandacon) -> Iterator[tuple[str, str | None]]:
    yield "multihost_auth_config", panda.multihost_auth_config
    if panda.auth_type == "oidc" and panda.auth_token:  # a token is also shown where nothing is encrypted
        yield "auth_token", token_file(panda.auth_token.get_secret_value())
    if panda.server_url.startswith("https:"):
        yield "ca_cert", panda.ca_cert or None
        if panda.auth_type == "x509":
            yield from (("cert_file", panda.cert_file), ("key_file", panda.key_file))


def credential_finding(settings: Settings, key_at: KeyAt, error: CredentialError) -> Finding:
    """The error with its place, as the service tells it when it cannot start."""
    problem, _, advice = str(error).rpartition("; ")
    key = _key_of(str(error), settings)
    problem = problem.removeprefix(f"{key} ")  # the place names it
    return _error(key_at, "pandacon", key, problem or advice, advice if problem else "correct it")


def unusable_credential(settings: Settings, key_at: KeyAt) -> Finding | None:
    """What keeps the client for the server from being made; a file that is yet to be made at start is no obstacle."""
    missing = {path for _, path, _ in _unreadable(settings.pandacon)}
    if missing & _made_files(settings):
        return None
    try:
        panda_client(settings).close()
    except CredentialError as error:
        return credential_finding(settings, key_at, error)
    return None


def _excused(found: Finding, settings: Settings) -> Finding:
    """A credential that is made at start, or is probably there on another machine, is no mistake."""
    key = found.key.partition(".")[2]
    file = next((path for name, path in _files_to_log_in(settings.pandacon) if name == key), None)
    if file is None:
        return found
    if file in _made_files(settings):
        return replace(found, severity=Severity.INFO, advice="[credmanager] makes it when the service starts")
    severity = severity_of_missing(file, Severity.ERROR)
    return replace(found, severity=severity, elsewhere=severity is Severity.INFO)


def _lifetime_findings(settings: Settings, key_at: KeyAt, now: datetime) -> Iterator[Finding]:
    """What is shown to servers and has run out, or will soon."""
    try:
        files = credential_files(settings)
    except CredentialError:
        return  # told already
    made = _made_files(settings)
    for path, key in files.items():
        found = _validity_of(path)
        if found is None or found.until is None:
            continue
        advice = "see `harvester status` for why [credmanager] does not renew it" if path in made else "bring a new one"
        if found.until <= now:
            problem = f"{path} ran out at {found.until:%Y-%m-%d %H:%M} UTC"
            error = _error(key_at, "pandacon", key, problem, advice)
            yield replace(error, severity=Severity.WARNING) if path in made else error
        elif path not in made and reason_to_worry(found.since, found.until, now):
            problem = f"{path} lasts {hours(found.until - now)} more hours, and nobody renews it here"
            yield replace(_error(key_at, "pandacon", key, problem, advice), severity=Severity.WARNING)


def _source_findings(loaded: Loaded, now: datetime) -> Iterator[Finding]:
    """What credential managers make proxies from, and will not be able to for long."""
    if loaded.settings is None:
        return
    for setup in _own_managers(loaded.settings):
        for path in (setup.block.settings.get(key) for key in _SOURCES):
            found = _validity_of(path) if isinstance(path, str) else None
            if found and found.until and reason_to_worry(found.since, found.until, now):
                at = loaded.key_at("credmanager", setup.key)
                lasts = f"{path} can be used until {found.until:%Y-%m-%d %H:%M} UTC"
                words = (f"{setup.name}: {lasts}, and so can what is made from it", "bring a new one")
                yield Finding(Severity.WARNING, at.file, at.line, f"credmanager.{setup.key}", *words)


def _validity_of(path: str) -> Validity | None:
    """How long a credential lasts; whether it is there at all is told elsewhere."""
    try:
        return validity.of_file(Path(path))
    except (NoCredentialError, OSError):
        return None


def places_written(settings: Settings) -> dict[tuple[str, str], Path]:
    """The directories that the service writes into, by section and key."""
    places = {("master", "workDir"): Path(settings.master.work_dir)}
    if settings.db.engine == "sqlite":
        places["db", "database_filename"] = Path(settings.db.database_filename).absolute().parent
    if settings.logger.logdir:
        places["logger", "logdir"] = Path(settings.logger.logdir)
    return places


def unwritable(settings: Settings) -> Iterator[tuple[str, str, Path, str]]:
    """Section, key, place and reason of what the service could not write; directories that are missing are made."""
    for (section, key), place in places_written(settings).items():
        if why := why_unwritable(place):
            yield section, key, place, why
    file = Path(settings.db.database_filename)
    if settings.db.engine == "sqlite" and (why := why_unchangeable(file)):
        yield "db", "database_filename", file, why


def place_error(key_at: KeyAt, section: str, key: str, place: Path, why: str) -> Finding:
    """A directory that the service cannot write into."""
    return _error(key_at, section, key, f"{place} {why}", "correct its permissions, or the path")


def _place_findings(settings: Settings, key_at: KeyAt) -> Iterator[Finding]:
    """Directories that this account cannot make or write; the service may have another account and machine."""
    for (section, key), place in places_written(settings).items():
        there = nearest_there(place)
        if not there.is_dir():
            yield place_error(key_at, section, key, place, f"cannot be made: {there} is no directory")
        elif os.access(there, os.W_OK | os.X_OK):
            continue
        elif there == place.absolute():
            found = place_error(key_at, section, key, place, "cannot be written by this account")
            yield replace(found, severity=Severity.WARNING)
        else:
            found = place_error(key_at, section, key, place, f"cannot be made by this account in {there}")
            yield replace(found, severity=Severity.INFO, elsewhere=True)


def _unpaired_managers(loaded: Loaded) -> Iterator[Finding]:
    """Plugins of the parallel lists that lack an entry elsewhere: what is wrong with their names is told at once."""
    if loaded.settings is None:
        return
    section = loaded.settings.credmanager
    paired = {(each.block.module, each.block.name) for each in _own_managers(loaded.settings)}
    for module, name in zip(section.module_name, section.class_name, strict=False):
        if (module, name) not in paired:
            try:
                registry.resolve(Role.CREDENTIAL_MANAGER, PluginBlock(module=module, name=name))
            except registry.PluginError as error:
                at = loaded.key_at("credmanager", "moduleName")
                words = (str(error), "remove it, or name one that there is")
                yield Finding(Severity.WARNING, at.file, at.line, "credmanager.moduleName", *words)


def _own_managers(settings: Settings) -> list[Setup]:
    return credential_setups(settings.credmanager, settings.pandacon.cert_file, (), settings.master.harvester_id)


def _made_files(settings: Settings) -> set[str]:
    """The files that credential managers say they make."""
    managers = [registry.settings_of(Role.CREDENTIAL_MANAGER, each.block) for each in _own_managers(settings)]
    return {file for each in managers if isinstance(each, CredentialSettings) for file in each.files()}


def _setup_findings(loaded: Loaded, section: str, role: Role, setups: Iterable[Setup]) -> Iterator[Finding]:
    """What keeps set-ups from working; the service does without them."""
    for setup in setups:
        at = loaded.key_at(section, setup.key)
        for each in registry.problems(role, setup.block):
            words = f"{setup.name}: {setup.block.label}: {f'{each.key}: ' if each.key else ''}{each.problem}"
            severity = Severity.INFO if each.severity is Severity.INFO else Severity.WARNING
            place = at.file, at.line, f"{section}.{setup.key}"
            yield Finding(severity, *place, words, each.advice, elsewhere=each.elsewhere)


def missing_driver(db: Db) -> tuple[str, str] | None:
    """Problem and advice if the Python module for the database cannot be imported."""
    module, advice = _DRIVERS[db.kind]
    try:
        import_module(module)
    except ImportError as error:
        return f"{db.engine} needs the Python module {module}, which cannot be imported ({error})", advice
    return None


def _key_of(message: str, settings: Settings) -> str:
    """The key that a message is about; of those that it names, the one whose file cannot be read."""
    named = [key for key in _CREDENTIAL_KEYS if key in message] or ["auth_type"]
    values = {key: getattr(settings.pandacon, key) for key in named}
    files = {key: Path(value) for key, value in values.items() if isinstance(value, str)}
    return next((key for key, path in files.items() if not os.access(path, os.R_OK)), named[0])


def _error(key_at: KeyAt, section: str, key: str, problem: str, advice: str) -> Finding:
    at = key_at(section, key)
    return Finding(Severity.ERROR, at.file, at.line, f"{section}.{key}", problem, advice)
