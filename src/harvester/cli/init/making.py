"""Makes an instance: asks, writes, tells what was written, and has it checked."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import typer

from harvester.cli.checking import find_mistakes, print_findings
from harvester.cli.init import texts
from harvester.cli.init.answers import Account, Answers, Given, IncompleteError, account_of, gather, home_of
from harvester.cli.init.choices import Resource
from harvester.cli.init.placing import Fate, Placed, Placer, Planned
from harvester.cli.init.texts import Layout
from harvester.cli.init.unheeded import unheeded
from harvester.config.findings import Severity
from harvester.core.clock import utc_now
from harvester.plugins.tools.worker_tokens import with_new_key
from harvester.setup_files import PLACES, Values, render
from harvester.startup.loading import settings_of

_PRIVATE = 0o600


def make(given: Given, *, force: bool, check: bool) -> bool:
    """Write what is missing; whether the configuration can be used, and is what was asked for.

    Raises:
        IncompleteError: something has to be told first.
        OSError: a file cannot be written.
    """
    layout, account = Layout(home_of(given)), account_of(given)
    logdir = (given.logdir or layout.logs).absolute()
    values = _values_of_services(layout, account, logdir)
    left = [] if force else [each for each in layout.configuration if each.exists()]
    answers = None if layout.main in left else gather(given)
    placer = Placer(account, utc_now(), force=force)
    placed = _put(placer, _configuration(layout, account, answers, logdir))
    os.environ["PANDA_HOME"] = str(layout.home)
    settings = settings_of(None)
    if settings.db.engine == "sqlite":
        values = replace(values, processes=1)  # several would only hinder each other
    placed += _put(placer, _service_files(layout, values))
    foreign = [each for each in placed if each.fate is Fate.FOREIGN]
    _tell_left(left, placed)
    for place in (Path(settings.master.work_dir), Path(settings.logger.logdir or logdir), layout.run):
        placer.make_directory(place)
    _warn(foreign)
    is_good = not check or _is_without_errors()
    _tell_what_comes_next(layout, foreign, is_good=is_good)
    return _is_heeded(given, layout, left) and is_good


def _put(placer: Placer, files: Iterable[Planned]) -> list[Placed]:
    """Put them into their places, and tell of each that is new at once: the next one may fail."""
    placed = []
    for each in placer.put_all(files):
        if each.fate is not Fate.KEPT:
            typer.echo(f"{each.path}: {each.fate}{f' {each.former}' if each.former else ''}")
        placed.append(each)
    return placed


def _tell_left(configuration: Iterable[Path], placed: Sequence[Placed]) -> None:
    """In one line, if everything was there already."""
    kept = dict.fromkeys([*configuration, *(each.path for each in placed if each.fate is Fate.KEPT)])
    if all(each.fate is Fate.KEPT for each in placed):
        typer.echo(f"all {len(kept)} files are there already, left as they are")
        return
    for path in kept:
        typer.echo(f"{path}: {Fate.KEPT}")


def _is_heeded(given: Given, layout: Layout, left: Iterable[Path]) -> bool:
    """Whether the files that were left say what the options do; tells of those that had no effect."""
    late = list(unheeded(given, layout, left))
    for each in late:
        advice = "edit it, or call `harvester init` with all options and --force, which keeps the old file beside it"
        options = ", ".join(each.options)
        typer.echo(
            f"WARNING {options} had no effect: {each.file} was left as it is and says otherwise; {advice}", err=True
        )
    return not late


def _warn(foreign: Sequence[Placed]) -> None:
    """What has the name of a service file of ours and is none may be for something else, or for nothing."""
    for each in foreign:
        typer.echo(f"WARNING {each.path} was not written by this version of `harvester init`", err=True)
    if foreign:
        advice = "move these files away, call `harvester init` again, and carry over what you need of them"
        typer.echo(f"WARNING {advice} (docs/takeover.md)", err=True)


def _configuration(layout: Layout, account: Account, answers: Answers | None, logdir: Path) -> Iterator[Planned]:
    """What follows from answers only where they were given: an instance that is there has its own."""
    if answers is not None:
        private = _PRIVATE if "password" in answers.db else 0o644
        yield Planned(layout.main, texts.main_text(layout, answers, account), private)
        yield Planned(layout.queues, texts.queues_text(layout, answers))
        if answers.resource is Resource.SLURM:
            yield Planned(layout.batch_script, texts.batch_script_text(answers), 0o755)
        if not layout.token_key.exists():
            yield Planned(layout.token_key, with_new_key(layout.token_key, 0), _PRIVATE)
    yield Planned(layout.common, texts.common_text(logdir))


def _values_of_services(layout: Layout, account: Account, logdir: Path) -> Values:
    try:
        return Values(layout.home, Path(sys.prefix), account.user, account.group, logdir, layout.run)
    except ValueError as error:
        raise IncompleteError(f"{error}; choose another --home or --logdir") from None


def _service_files(layout: Layout, values: Values) -> Iterator[Planned]:
    """What runs it as a service."""
    for name, place in PLACES.items():
        yield Planned(layout.home / place.path, render(name, values), place.mode, is_of_root=True)


def _is_without_errors() -> bool:
    """What `harvester check` says."""
    typer.echo()
    findings = find_mistakes(None, None)
    print_findings(findings, verbose=False)
    return not any(each.severity is Severity.ERROR for each in findings)


def _tell_what_comes_next(layout: Layout, foreign: Sequence[Placed], *, is_good: bool) -> None:
    sysconfig = layout.home / PLACES["sysconfig"].path
    typer.echo()
    if sysconfig not in {each.path for each in foreign}:
        typer.echo(f". {sysconfig}    # in each new shell: where everything is")
    if is_good:
        typer.echo("harvester run        # the service, in the foreground; docs/services.md has the other ways")
    else:
        typer.echo("harvester check      # until no error is left")
