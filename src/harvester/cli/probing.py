"""What the commands `harvester test …` do: a probe each, and its verdict for people or programs.

The exit code is 0 if it works, 1 if it fails, and 3 if that could not be seen to the end.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import typer
from sqlalchemy.exc import SQLAlchemyError

from harvester.agents.facts import Facts
from harvester.cli.choosing import NotThereError
from harvester.cli.database import NothingToReadError, opened, reading
from harvester.cli.overview import words_of_left_out
from harvester.cli.shown import cell, print_json
from harvester.config.findings import nearest
from harvester.config.queue_merge import MergedQueue
from harvester.config.queues import QueueConfig
from harvester.config.service import Settings
from harvester.core.clock import utc_now
from harvester.core.workers import LIVE_WORKER_STATUSES, Worker
from harvester.logs import show_errors_alone
from harvester.probes import asking, instance_wide, moving, renewing, submitting
from harvester.probes.beside import private_documents
from harvester.probes.moving import Cargo
from harvester.probes.submitting import Wish
from harvester.probes.verdicts import Outcome, Verdict
from harvester.startup.fetched import outside_of
from harvester.startup.loading import Configuration, load, settings_of
from harvester.store import worker_choice
from harvester.store.engine import StoreUnavailableError
from harvester.store.worker_choice import WorkerChoice

Config = Sequence[Path] | None

_EXIT_CODES: Final = {Outcome.WORKS: 0, Outcome.FAILS: 1, Outcome.UNDECIDED: 3}
_COLOURS: Final = {
    Outcome.WORKS: typer.colors.GREEN,
    Outcome.FAILS: typer.colors.RED,
    Outcome.UNDECIDED: typer.colors.YELLOW,
}
_MOST_CHECKED: Final = 1000


# ---- plugins of queues -----------------------------------------------------------------------------------------------


def submitter(config: Config, name: str, wish: Wish, *, as_json: bool) -> None:
    """One worker through its whole life."""
    configuration = _configuration(config)
    merged, queue = _queue(configuration, name)
    with _facts(config, configuration) as facts:
        verdict = submitting.probe_submitter(configuration.settings, merged, queue, wish, facts=facts, tell=_tell)
    _give([verdict], as_json=as_json)


def monitor(config: Config, name: str, *, as_json: bool) -> None:
    """Whether the resource can be asked."""
    configuration = _configuration(config)
    _, queue = _queue(configuration, name)
    _give([asking.probe_monitor(configuration.settings, queue, _live_workers(config, name))], as_json=as_json)


def messenger(config: Config, name: str, *, as_json: bool) -> None:
    """Whether workers can be talked to."""
    configuration = _configuration(config)
    _, queue = _queue(configuration, name)
    _give([asking.probe_messenger(configuration.settings, queue)], as_json=as_json)


def preparator(config: Config, name: str, cargo: Cargo, *, as_json: bool) -> None:
    """Whether inputs are brought."""
    configuration = _configuration(config)
    _, queue = _queue(configuration, name)
    _give([moving.probe_preparator(configuration.settings, queue, cargo)], as_json=as_json)


def stager(config: Config, name: str, cargo: Cargo, *, as_json: bool) -> None:
    """Whether outputs are taken away."""
    configuration = _configuration(config)
    _, queue = _queue(configuration, name)
    _give([moving.probe_stager(configuration.settings, queue, cargo)], as_json=as_json)


# ---- the instance ----------------------------------------------------------------------------------------------------


def credentials(config: Config, name: str | None, *, renew: bool, as_json: bool) -> None:
    """Whether credentials are valid and can be renewed."""
    configuration = _configuration(config)
    if name is not None:
        _queue(configuration, name)
    settings, queues = configuration.settings, list(configuration.queues.queues.values())
    book = outside_of(settings).book
    _give(renewing.probe_credentials(settings, queues, book, of=name, renew=renew), as_json=as_json)


def cacher(config: Config, *, as_json: bool) -> None:
    """Whether all documents can be fetched."""
    _give([instance_wide.probe_cacher(_settings(config))], as_json=as_json)


def server(config: Config, *, as_json: bool) -> None:
    """Whether the server is alive."""
    _give([instance_wide.probe_server(_settings(config))], as_json=as_json)


def database(config: Config, *, as_json: bool) -> None:
    """Whether the database can be written and read."""
    show_errors_alone()
    with opened(config) as db:
        _give([instance_wide.probe_database(db)], as_json=as_json)


# ---- all of them -----------------------------------------------------------------------------------------------------


def _configuration(config: Config) -> Configuration:
    """What is configured; what agents and plugins log from here on is no part of the answer."""
    show_errors_alone()
    return load(config, None)


def _settings(config: Config) -> Settings:
    """The main configuration alone, likewise."""
    show_errors_alone()
    return settings_of(config)


def _queue(configuration: Configuration, name: str) -> tuple[MergedQueue, QueueConfig]:
    """A queue, whether it is served or not."""
    queues = configuration.queues
    if name in queues.queues:
        return queues.merged[name], queues.queues[name]
    if name in queues.refused:
        raise NotThereError(words_of_left_out(name))
    near = nearest(name, queues.queues)
    raise NotThereError(
        f"no queue {name} is configured; {f'did you mean {near}?' if near else 'see `harvester queue ls`'}"
    )


def _live_workers(config: Config, name: str) -> list[Worker]:
    """Some workers of the queue that the service has; none if there is no database yet."""
    try:
        with reading(config) as connection:
            choice = WorkerChoice(queues=[name], statuses=LIVE_WORKER_STATUSES)
            found = worker_choice.listed(connection, choice, _MOST_CHECKED)
    except NothingToReadError:
        return []
    return [each for each in found if each.batch_id is not None]


@contextmanager
def _facts(config: Config, configuration: Configuration) -> Iterator[Facts | None]:
    """What the service knows of the world; nothing if there is no database yet."""
    settings = configuration.settings
    try:
        with opened(config) as db:
            known = Facts(db, utc_now, settings.master.harvester_id, private_documents(settings))
            known.refresh()
    except (NothingToReadError, StoreUnavailableError, SQLAlchemyError):
        yield None
    else:
        yield known


def _tell(words: str) -> None:
    typer.echo(words, err=True)


def _give(verdicts: Sequence[Verdict], *, as_json: bool) -> None:
    """Print the verdicts and end with the code of the worst."""
    if as_json:
        print_json(verdicts)
    else:
        for each in verdicts:
            _print(each)
    raise typer.Exit(max((_EXIT_CODES[each.outcome] for each in verdicts), key=_gravity, default=0))


def _gravity(code: int) -> int:
    """That something fails is worse than that it was not seen to the end."""
    return {0: 0, 3: 1, 1: 2}[code]


def _print(verdict: Verdict) -> None:
    of = f" of queue {verdict.queue}" if verdict.queue else ""
    plugin = f" ({cell(verdict.plugin)})" if verdict.plugin else ""
    word = typer.style(verdict.outcome.value, fg=_COLOURS[verdict.outcome], bold=True)
    typer.echo(f"{verdict.what}{of}{plugin}: {word}")
    for step in verdict.steps:
        mark = " " if step.good else "!"
        typer.echo(f"{mark} {step.seconds:7.2f} s  {cell(step.did)}: {cell(step.saw)}")
    if verdict.advice:
        typer.echo(f"next: {cell(verdict.advice)}")
