"""`harvester check`: what is wrong in the configuration, where, and what to write instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import typer

from harvester.cli.operators import ConfigOption, JsonOption, QueuesOption

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harvester.config.findings import Finding

_COLOURS: Final = {"error": typer.colors.RED, "warning": typer.colors.YELLOW, "info": typer.colors.CYAN}


def check(config: ConfigOption = None, queues: QueuesOption = None, *, as_json: JsonOption = False) -> None:
    """Look for mistakes in the configuration; exit code 1 if there is an error."""
    from harvester.cli.checking import find_mistakes  # noqa: PLC0415 - quick --help

    findings = find_mistakes(config, queues)
    if as_json:
        _print_json(findings)
    else:
        _print_lines(findings)
    if any(each.severity == "error" for each in findings):
        raise typer.Exit(1)


def _print_json(findings: Sequence[Finding]) -> None:
    from harvester.cli.shown import print_json  # noqa: PLC0415

    print_json(findings)


def _print_lines(findings: Sequence[Finding]) -> None:
    for each in findings:
        place = each.file if each.line is None else f"{each.file}:{each.line}"
        severity = typer.style(each.severity.value, fg=_COLOURS[each.severity.value])
        key = f"{each.key}: " if each.key else ""
        typer.echo(f"{place}: {severity}: {key}{each.problem}; {each.advice}")
    counts = {kind: sum(1 for each in findings if each.severity == kind) for kind in _COLOURS}
    words = ", ".join(f"{number} {kind}{'s' if number > 1 else ''}" for kind, number in counts.items() if number)
    typer.echo(words or "nothing to complain about", err=True)
