"""`harvester status`: the instance at a glance."""

from harvester.cli.operators import ConfigOption, JsonOption


def status(config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """Show queues with their jobs and workers, and what the agents say; reads the database, running or not."""
    from harvester.cli.database import reading
    from harvester.cli.overview import look, print_overview
    from harvester.cli.shown import print_json
    from harvester.core.clock import utc_now
    from harvester.startup.loading import queue_troubles

    with reading(config) as connection:
        overview = look(connection, utc_now(), queue_troubles(config))
    if as_json:
        print_json(overview)
    else:
        print_overview(overview)
