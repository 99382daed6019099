"""`harvester check`: what is wrong in the configuration, where, and what to write instead."""

import typer

from harvester.cli.operators import ConfigOption, JsonOption, QueuesOption


def check(config: ConfigOption = None, queues: QueuesOption = None, *, as_json: JsonOption = False) -> None:
    """Look for mistakes in the configuration; exit code 1 if there is an error."""
    from harvester.cli.checking import find_mistakes, print_findings  # noqa: PLC0415 - quick --help
    from harvester.cli.shown import print_json  # noqa: PLC0415

    findings = find_mistakes(config, queues)
    if as_json:
        print_json(findings)
    else:
        print_findings(findings)
    if any(each.severity == "error" for each in findings):
        raise typer.Exit(1)
