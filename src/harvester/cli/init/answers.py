"""What an instance needs to be told: given as options, or asked for on a terminal."""

import grp
import os
import pwd
import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import typer
from pydantic import ValidationError

from harvester.cli import pilot
from harvester.cli.init.choices import Engine, Mode, Resource
from harvester.config.fields import Section, kind_of
from harvester.config.instance_sections import Db, Master, Pandacon
from harvester.config.problems import wrong_value
from harvester.core.errors import HarvesterError

_API: Final = "/api/v1"
DEMO: Final = "demo"
"""Stands for the pilot of `harvester demo`."""


class IncompleteError(HarvesterError):
    """Something was not told, or is not what it should be, and there is nobody to ask."""


@dataclass(frozen=True, slots=True)
class Given:
    """The options of the command; None for what was not given."""

    home: Path | None
    harvester_id: str | None
    server: str | None
    cert: Path | None
    key: Path | None
    ca_cert: Path | None
    token: Path | None
    origin: str | None
    engine: Engine | None
    db_host: str | None
    db_port: int | None
    db_user: str
    db_schema: str
    db_password_file: Path | None
    queues: tuple[str, ...]
    resource: Resource | None
    mode: Mode
    pilot: str | None
    logdir: Path | None
    user: str | None
    group: str | None


@dataclass(frozen=True, slots=True)
class Account:
    """Who the service runs as, and whose files are written."""

    user: str
    group: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Answers:
    """All that has to be known to write the files of an instance.

    Attributes:
        pandacon: keys of that section.
        db: likewise.
        pilot: command and arguments that a worker runs.
    """

    harvester_id: str
    pandacon: Mapping[str, str]
    db: Mapping[str, str]
    queues: tuple[str, ...]
    resource: Resource
    mode: Mode
    pilot: tuple[str, ...]


def home_of(given: Given) -> Path:
    """Where the files go.

    Raises:
        IncompleteError: nobody says it.
    """
    if given.home:
        return given.home.expanduser().absolute()
    for variable in ("PANDA_HOME", "VIRTUAL_ENV", "CONDA_PREFIX"):
        if place := os.environ.get(variable):
            return Path(place).absolute()
    if sys.prefix != sys.base_prefix:
        return Path(sys.prefix)
    return Path(_Questions().answer(None, "--home", "Directory for configuration, logs and state")).absolute()


def account_of(given: Given) -> Account:
    """The account of the service.

    Raises:
        IncompleteError: there is none of that name.
    """
    try:
        user = pwd.getpwnam(given.user) if given.user else pwd.getpwuid(os.geteuid())
    except KeyError:
        raise IncompleteError(f"--user: there is no user {given.user or os.geteuid()} on this machine") from None
    try:
        group = grp.getgrnam(given.group) if given.group else grp.getgrgid(user.pw_gid)
    except KeyError:
        raise IncompleteError(f"--group: there is no group {given.group or user.pw_gid} on this machine") from None
    return Account(user.pw_name, group.gr_name, user.pw_uid, group.gr_gid)


def gather(given: Given) -> Answers:
    """The answers to all questions.

    Raises:
        IncompleteError: there is nobody to ask; all that is missing is named.
    """
    ask = _Questions()
    harvester_id = ask.answer(
        given.harvester_id, "--harvester-id", "Name of this instance, as registered in the server"
    )
    server = with_path(ask.answer(given.server, "--server", "Address of the PanDA server, as in https://host:25443"))
    pandacon = _log_in(given, server, ask)
    db = _database(given, ask)
    queues = given.queues or tuple(ask.answer(None, "--queue", "Queue to serve").split())
    resource = given.resource or Resource(
        ask.choice("--resource", "Where workers run", Resource, "slurm" if shutil.which("sbatch") else "local")
    )
    command = ask.answer(given.pilot, "--pilot", "Command that a worker runs, or demo for a small pilot to try with")
    ask.require_complete()
    _require(Master, "harvester_id", "--harvester-id", {"harvester_id": harvester_id})
    _require(Pandacon, "server_api_url_ssl", "--server", {"server_api_url_ssl": server})
    _require(Db, "engine", "--engine", {key: text for key, text in db.items() if key != "port"})  # a number already
    return Answers(
        harvester_id, pandacon, db, queues, resource, given.mode, _pilot_command(command, server, given.mode)
    )


def _log_in(given: Given, server: str, ask: "_Questions") -> dict[str, str]:
    is_safe = server.startswith("https:")
    keys = {"server_api_url_ssl" if is_safe else "server_api_url": server}
    if given.ca_cert:
        keys["ca_cert"] = str(given.ca_cert.absolute())
    if given.token:
        origin = ask.answer(given.origin, "--origin", "Virtual organisation of the token")
        return {**keys, "auth_type": "oidc", "auth_token": f"file:{given.token.absolute()}", "auth_origin": origin}
    if given.cert or is_safe:
        stated = str(given.cert.absolute()) if given.cert else None
        cert = ask.answer(stated, "--cert", "File with the proxy or certificate to log in with (--token for a token)")
        keys |= {"auth_type": "x509", "cert_file": cert, "key_file": str(given.key.absolute()) if given.key else cert}
    return keys


def _database(given: Given, ask: "_Questions") -> dict[str, str]:
    engine = given.engine or Engine(ask.choice("--engine", "Database", Engine, Engine.SQLITE))
    if engine is Engine.SQLITE:
        return {"engine": engine}
    keys = {
        "engine": str(engine),
        "host": ask.answer(given.db_host, "--db-host", "Host of the database server", default="127.0.0.1"),
        "user": given.db_user,
        "schema": given.db_schema,
    }
    if given.db_port:
        keys["port"] = str(given.db_port)
    stated = password_of(given.db_password_file) if given.db_password_file else None
    question = f"Password of {given.db_user} there"
    return {**keys, "password": ask.answer(stated, "--db-password-file", question, hidden=True)}


def password_of(file: Path) -> str:
    """The password in a file, or the first line of standard input for `-`."""
    text = sys.stdin.readline() if str(file) == "-" else file.read_text()
    return text.rstrip("\n")


def with_path(server: str) -> str:
    """The address of the API, of which people know the host."""
    stated = server if not server or "://" in server else f"https://{server}"
    is_bare = bool(stated) and urlsplit(stated).path in {"", "/"}
    return f"{stated.rstrip('/')}{_API}" if is_bare else stated


def _pilot_command(command: str, server: str, mode: Mode) -> tuple[str, ...]:
    if command != DEMO:
        return tuple(shlex.split(command))
    asks = ("--server", server, "--queue", "{computingSite}", "--harvester-id", "{harvesterID}")
    pulls = (*asks, "--output-dir", "{accessPoint}") if mode is Mode.PULL else ()
    return (sys.executable, "-P", str(Path(pilot.__file__)), *pulls, "--worker-id", "{workerID}", "{accessPoint}")


def _require(model: type[Section], key: str, option: str, values: Mapping[str, str]) -> None:
    """What the service would not take is refused where it was said."""
    try:
        model.model_validate(values)
    except ValidationError as error:
        detail = error.errors(include_url=False, include_input=False)[0]
        field = model.by_key()[key]
        problem, advice = wrong_value(detail, key, kind_of(field), values[key])
        raise IncompleteError(f"{option}: {problem}; {advice}") from None


class _Questions:
    """Asks on a terminal; elsewhere what nobody told is collected, so that it is complained of at once."""

    def __init__(self) -> None:
        self._is_answered = sys.stdin.isatty()
        self._missing: list[str] = []

    def answer(
        self, given: str | None, option: str, question: str, *, default: str | None = None, hidden: bool = False
    ) -> str:
        """What was given, or what somebody answers."""
        if given is not None:
            return given
        if self._is_answered:
            return str(typer.prompt(question, default=default, hide_input=hidden)).strip()
        if default is None:
            self._missing.append(f"{option} ({question[0].lower()}{question[1:]})")
        return default or ""

    def choice(self, option: str, question: str, choices: type[Engine] | type[Resource], default: str) -> str:
        """One of several words; there is one that is good for most."""
        words = [str(each) for each in choices]
        while (
            chosen := self.answer(None, option, f"{question}: {', '.join(words)}", default=str(default))
        ) not in words:
            typer.echo(f"{chosen} is none of them", err=True)
        return chosen

    def require_complete(self) -> None:
        """Do nothing if all was told.

        Raises:
            IncompleteError: something was not.
        """
        if self._missing:
            raise IncompleteError(
                f"missing: {'; '.join(self._missing)}. Give the options, or run it on a terminal, where it asks"
            )
