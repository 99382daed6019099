"""All findings about a configuration, those of the plugins and of this version's limits included."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import typer

from harvester.cli.plugin_checks import check_plugin
from harvester.cli.unserved import unserved
from harvester.config import sources
from harvester.config.check import check
from harvester.config.findings import Finding, Severity
from harvester.config.queues import load_queue_file
from harvester.config.service import load_settings

_COLOURS: Final = {
    Severity.ERROR: typer.colors.RED,
    Severity.WARNING: typer.colors.YELLOW,
    Severity.INFO: typer.colors.CYAN,
}


def find_mistakes(config: Sequence[Path] | None, queue_file: Path | None) -> list[Finding]:
    """Look at everything that `harvester run` would read, and go on after each mistake."""
    findings = check(config or None, queue_file, os.environ, check_plugin)
    return [*findings, *_unserved(config, queue_file)]


def _unserved(config: Sequence[Path] | None, queue_file: Path | None) -> list[Finding]:
    settings = load_settings(config or None, os.environ).settings
    if settings is None and queue_file is None:
        return []
    name = settings.qconf.config_file if settings else ""
    path = queue_file or sources.queue_file(name, os.environ, config)
    queues = load_queue_file(path, (), work_dir=Path("harvester")).queues
    return list(unserved(queues, path).values())


def print_findings(findings: Sequence[Finding]) -> None:
    """One line each, as compilers do; how many there are goes to standard error."""
    for each in findings:
        place = each.file if each.line is None else f"{each.file}:{each.line}"
        severity = typer.style(each.severity.value, fg=_COLOURS[each.severity])
        key = f"{each.key}: " if each.key else ""
        typer.echo(f"{place}: {severity}: {key}{each.problem}; {each.advice}")
    numbers = {kind: sum(1 for each in findings if each.severity is kind) for kind in _COLOURS}
    words = [f"{number} {kind}{'s' if number > 1 else ''}" for kind, number in numbers.items() if number]
    typer.echo(", ".join(words) or "nothing to complain about", err=True)
