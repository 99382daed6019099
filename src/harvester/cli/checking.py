"""All findings about a configuration, those of the plugins included."""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import typer

from harvester.cli.shown import number_of
from harvester.config.check import check
from harvester.config.findings import Finding, Severity
from harvester.config.service import Loaded
from harvester.remote_instance import RemoteInstance
from harvester.startup.fetched import outside_now
from harvester.startup.loading import deciding_files
from harvester.startup.plugin_checks import check_plugin
from harvester.startup.settings_checks import check_settings
from harvester.web.findings import door_findings

_COLOURS: Final = {
    Severity.ERROR: typer.colors.RED,
    Severity.WARNING: typer.colors.YELLOW,
    Severity.INFO: typer.colors.CYAN,
}
_FEW: Final = 3
"""So many files of another machine are named unasked."""
_ORDER: Final = {severity: place for place, severity in enumerate(_COLOURS)}


def find_mistakes(config: Sequence[Path] | None, queue_file: Path | None) -> list[Finding]:
    """Look at everything that `harvester run` would read, and go on after each mistake; the worst come first."""
    remote = RemoteInstance(os.environ)

    def checked_settings(loaded: Loaded) -> Iterator[Finding]:
        return check_settings(loaded, deciding_files(loaded, remote, config, queue_file))

    found = check(
        config or None,
        queue_file,
        os.environ,
        check_plugin,
        settings_checker=checked_settings,
        joint_checker=door_findings,
        fetched=outside_now,
        remote=remote,
    )
    return sorted(found, key=lambda each: (_ORDER[each.severity], each.file, each.line or 0))


def print_findings(findings: Sequence[Finding], *, verbose: bool) -> None:
    """One line each, as compilers do; how many there are goes to standard error."""
    elsewhere = [each for each in findings if each.elsewhere]
    for each in findings:
        if verbose or each.severity is not Severity.INFO:
            typer.echo(_encodable(_line(each)))
    numbers = {kind: sum(1 for each in findings if each.severity is kind) for kind in _COLOURS}
    words = [number_of(number, kind) for kind, number in numbers.items() if number]
    if not numbers[Severity.ERROR] and not numbers[Severity.WARNING]:
        words.insert(0, "nothing to complain about")
    hidden = " (told with --verbose)" if numbers[Severity.INFO] and not verbose else ""
    typer.echo(", ".join(words) + hidden, err=True)
    if elsewhere:
        is_long = len(elsewhere) > _FEW and not verbose
        typer.echo(_words_of_elsewhere(len(elsewhere)) + ("; --verbose names them" if is_long else ""), err=True)
        for each in () if is_long or verbose else elsewhere:
            typer.echo(f"  {each.place}: {each.key}: {each.problem}", err=True)


def _words_of_elsewhere(number: int) -> str:
    """What is no mistake on another machine keeps the service from working on this one."""
    places = number_of(number, "file or directory", "files or directories")
    return f"not on this machine: {places} that the configuration names, without which the service cannot run here"


def _line(finding: Finding) -> str:
    severity = typer.style(finding.severity.value, fg=_COLOURS[finding.severity])
    key = f"{finding.key}: " if finding.key else ""
    return f"{finding.place}: {severity}: {key}{finding.problem}; {finding.advice}"


def _encodable(text: str) -> str:
    """What standard output cannot show is escaped: a terminal need not know every letter of a queue's name."""
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)
