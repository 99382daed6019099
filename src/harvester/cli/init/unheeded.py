"""Options of `harvester init` that came too late: the files they are for are there, and say something else."""

import os
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from harvester.cli import pilot
from harvester.cli.init.answers import DEMO, Given, password_of, with_path
from harvester.cli.init.choices import Mode
from harvester.cli.init.texts import Layout
from harvester.config.findings import Findings
from harvester.config.service import load_settings
from harvester.config.sources import read_json

_DEFAULTS = {"--db-user": "harvester", "--db-schema": "HARVESTER"}
"""Options that cannot be told from those that nobody gave."""


@dataclass(frozen=True, slots=True)
class Unheeded:
    """A file that was left, and the options that it has nothing of."""

    file: Path
    options: tuple[str, ...]


def unheeded(given: Given, layout: Layout, left: Iterable[Path]) -> Iterator[Unheeded]:
    """The options that the files that were left do not have, file by file."""
    wanted = {layout.main: _of_main(given), layout.common: _of_logs(given), layout.queues: _of_queues(given)}
    for file in left:
        options = {option: words for option, words in wanted.get(file, {}).items() if words}
        if options:
            written = _written_in_queues(layout) if file == layout.queues else _written_in_settings()
            missing = tuple(option for option, words in options.items() if not written.issuperset(words))
            if missing:
                yield Unheeded(file, missing)


def _of_main(given: Given) -> Mapping[str, list[str]]:
    """The values that each option would have written into the main configuration."""
    stated = {
        "--harvester-id": given.harvester_id,
        "--server": with_path(given.server) if given.server else None,
        "--cert": given.cert and given.cert.absolute(),
        "--key": given.key and given.key.absolute(),
        "--ca-cert": given.ca_cert and given.ca_cert.absolute(),
        "--token": given.token and f"file:{given.token.absolute()}",
        "--origin": given.origin,
        "--engine": given.engine,
        "--db-host": given.db_host,
        "--db-port": given.db_port,
        "--db-user": given.db_user,
        "--db-schema": given.db_schema,
        "--db-password-file": given.db_password_file and password_of(given.db_password_file),
        "--user": given.user if given.user != "root" else None,
        "--group": given.group if given.group != "root" else None,
    }
    return {key: [str(word)] for key, word in stated.items() if word is not None and word != _DEFAULTS.get(key)}


def _of_logs(given: Given) -> Mapping[str, list[str]]:
    return {"--logdir": [str(given.logdir.absolute())] if given.logdir else []}


def _of_queues(given: Given) -> Mapping[str, list[str]]:
    own = [pilot.__file__] if given.pilot == DEMO else shlex.split(given.pilot or "")
    return {
        "--queue": list(given.queues),
        "--resource": [given.resource] if given.resource else [],
        "--mode": ["NoJob"] if given.mode is Mode.PULL else [],
        "--pilot": [piece for word in own for piece in word.split()],
    }


def _written_in_settings() -> set[str]:
    entries = load_settings(None, os.environ).entries
    return {str(entry.value) for section in entries.values() for entry in section.values()}


def _written_in_queues(layout: Layout) -> set[str]:
    """Also the words of the batch script, which has the pilot's command where Slurm runs it."""
    document = read_json(layout.queues, Findings())
    script = layout.batch_script.read_text() if layout.batch_script.exists() else ""
    return {*script.replace("'", "").split(), *(_words_in(document.value) if document else ())}


def _words_in(value: JsonValue) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _words_in(each)
    else:
        yield from str(value).split()
