"""What the command `queue reload` does: all processes read the queue configuration again at their next look."""

from collections.abc import Sequence
from pathlib import Path

import typer

from harvester.cli.database import writing
from harvester.cli.operators import warn
from harvester.cli.shown import number_of
from harvester.config.findings import Severity
from harvester.core.clock import utc_now
from harvester.startup.loading import load
from harvester.startup.processes import list_processes
from harvester.store import reload_orders

Config = Sequence[Path] | None


def reload(config: Config) -> None:
    """Order it, and say who will obey and what they will stumble over."""
    configuration = load(config, None)
    alive = order_reload(config)
    errors = sum(1 for each in configuration.queues.findings if each.severity is Severity.ERROR)
    if errors:
        warn(f"the queue configuration has {number_of(errors, 'error')}; `harvester check` tells where")
    if alive:
        seconds = configuration.settings.qconf.check_interval
        processes = number_of(alive, "process reads", "processes read")
        typer.echo(f"{processes} the queue configuration again within {seconds:g} s")
    else:
        typer.echo("no process of this instance runs; the next one reads the queue configuration when it starts")


def order_reload(config: Config) -> int:
    """Store the order; returns how many processes live to obey it."""
    with writing(config) as connection:
        reload_orders.add(connection)
        return sum(1 for each in list_processes(connection, utc_now()) if each.alive)
