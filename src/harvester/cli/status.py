"""`harvester status`: the instance at a glance."""

from dataclasses import replace
from typing import Annotated

import typer

from harvester.cli.operators import ConfigOption, JsonOption


def status(
    config: ConfigOption = None,
    *,
    claims: Annotated[bool, typer.Option("--claims", help="also what each process has in hand")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show queues with their jobs and workers, and what the agents say; reads the database, running or not."""
    from harvester.cli.database import reading
    from harvester.cli.overview import look, print_claims, print_overview
    from harvester.cli.shown import print_json
    from harvester.core.clock import utc_now
    from harvester.startup.loading import queue_troubles
    from harvester.store.claims import in_hand

    with reading(config) as connection:
        overview = look(connection, utc_now(), queue_troubles(config))
        held = in_hand(connection) if claims else None
    if as_json:
        print_json(replace(overview, claims=held))
        return
    print_overview(overview)
    if held is not None:
        print_claims(held)
