"""`harvester status`: the instance at a glance."""

from dataclasses import replace
from typing import Annotated

import typer

from harvester.cli.operators import ConfigOption, JsonOption

HealthOption = Annotated[
    bool, typer.Option("--health", help="only whether each process works, and is of use; exit code 1 if one is not")
]


def status(
    config: ConfigOption = None,
    *,
    claims: Annotated[bool, typer.Option("--claims", help="also what each process has in hand")] = False,
    health: HealthOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show queues with their jobs and workers, and what the agents say; reads the database, running or not."""
    from harvester.cli.database import reading
    from harvester.cli.health import check_up, print_check_up
    from harvester.cli.overview import look, print_claims, print_overview
    from harvester.cli.shown import print_json
    from harvester.core.clock import utc_now
    from harvester.startup.loading import queue_troubles
    from harvester.store.claims import in_hand

    if health:
        with reading(config) as connection:
            found = check_up(connection, utc_now())
        (print_json if as_json else print_check_up)(found)
        raise typer.Exit(0 if found and all(each.is_well for each in found) else 1)
    with reading(config) as connection:
        overview = look(connection, utc_now(), queue_troubles(config))
        held = in_hand(connection) if claims else None
    if as_json:
        print_json(replace(overview, claims=held))
        return
    print_overview(overview)
    if held is not None:
        print_claims(held)
