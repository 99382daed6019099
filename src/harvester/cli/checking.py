"""All findings about a configuration, those of the plugins included."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import typer

from harvester.cli.plugin_checks import check_plugin
from harvester.config.check import check
from harvester.config.findings import Finding, Severity

_COLOURS: Final = {
    Severity.ERROR: typer.colors.RED,
    Severity.WARNING: typer.colors.YELLOW,
    Severity.INFO: typer.colors.CYAN,
}


def find_mistakes(config: Sequence[Path] | None, queue_file: Path | None) -> list[Finding]:
    """Look at everything that `harvester run` would read, and go on after each mistake."""
    return check(config or None, queue_file, os.environ, check_plugin)


def print_findings(findings: Sequence[Finding]) -> None:
    """One line each, as compilers do; how many there are goes to standard error."""
    for each in findings:
        place = each.file if each.line is None else f"{each.file}:{each.line}"
        severity = typer.style(each.severity.value, fg=_COLOURS[each.severity])
        key = f"{each.key}: " if each.key else ""
        typer.echo(_encodable(f"{place}: {severity}: {key}{each.problem}; {each.advice}"))
    numbers = {kind: sum(1 for each in findings if each.severity is kind) for kind in _COLOURS}
    words = [f"{number} {kind}{'s' if number > 1 else ''}" for kind, number in numbers.items() if number]
    typer.echo(", ".join(words) or "nothing to complain about", err=True)


def _encodable(text: str) -> str:
    """What standard output cannot show is escaped: a terminal need not know every letter of a queue's name."""
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)
