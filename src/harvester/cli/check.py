"""`harvester check`: what is wrong in the configuration, where, and what to write instead."""

from typing import Annotated

import typer

from harvester.cli.operators import ConfigOption, JsonOption, QueuesOption

VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="also tell what was chosen for you (infos)")]


def check(
    config: ConfigOption = None,
    queues: QueuesOption = None,
    *,
    verbose: VerboseOption = False,
    as_json: JsonOption = False,
) -> None:
    """Look for mistakes in the configuration; exit code 1 if there is an error."""
    from harvester.cli.checking import find_mistakes, print_findings
    from harvester.cli.shown import print_json

    findings = find_mistakes(config, queues)
    if as_json:
        print_json(findings)
    else:
        print_findings(findings, verbose=verbose)
    if any(each.severity == "error" for each in findings):
        raise typer.Exit(1)
